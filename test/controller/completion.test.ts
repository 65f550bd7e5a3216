import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import { promisify } from "node:util";
import { programArguments, runProgram, startAgent } from "../agent-process.ts";
import { temporaryFolder } from "../identity/folder.ts";
import { findCommand } from "../peers.ts";

const run = promisify(execFile);
const agent = await startAgent({ after }, { configuration: { name: "greenhouse" } });
const home = await agent.pair();

/** What bash offers for a command line whose last word is being typed. */
async function offered(t: Parameters<typeof temporaryFolder>[0], ...words: string[]): Promise<string[]> {
  const bin = join(temporaryFolder(t), "bin");
  mkdirSync(bin);
  const program = [process.execPath, ...programArguments("tether")].map((word) => `'${word}'`).join(" ");
  writeFileSync(join(bin, "tether"), `#!/bin/sh\nexec ${program} "$@"\n`);
  chmodSync(join(bin, "tether"), 0o755);
  const script = `set -eu
    source <(tether completion bash)
    complete -p tether >/dev/null
    COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
    _tether tether "\${COMP_WORDS[COMP_CWORD]}" "\${COMP_WORDS[COMP_CWORD-1]}"
    printf '%s\\n' "\${COMPREPLY[@]-}"`;
  const env = { ...process.env, PATH: `${bin}:${process.env.PATH}`, TETHER_HOME: home };
  const { stdout } = await run("bash", ["-c", script, "bash", "tether", ...words], { env });
  return stdout.split("\n").filter((word) => word !== "");
}

suite("completion in bash", { skip: findCommand("bash") === undefined && "bash is missing" }, () => {
  test("offers verbs, their second words, their options and the paired agents", async (t) => {
    const [all, di, device, call, forget, dash] = await Promise.all([
      offered(t, ""),
      offered(t, "di"),
      offered(t, "device", "l"),
      offered(t, "call", "--b"),
      offered(t, "forget", ""),
      offered(t, "info", "-a", "g"),
    ]);
    for (const verb of ["discover", "pair", "call", "device"]) assert.ok(all?.includes(verb), verb);
    assert.equal(new Set(all).size, all?.length, "each once");
    assert.deepEqual(di, ["discover"]);
    assert.deepEqual(device, ["list"]);
    assert.deepEqual(call, ["--batch"]);
    assert.deepEqual(forget, ["greenhouse"]);
    assert.deepEqual(dash, ["greenhouse"]);
  });
});

test("the scripts are what their shells can read", async (t) => {
  const folder = temporaryFolder(t);
  for (const shell of ["bash", "zsh", "fish"]) {
    const { code, stdout, stderr } = await runProgram("tether", ["completion", shell]);
    assert.deepEqual([code, stderr], [0, ""], shell);
    assert.ok(stdout.length > 500, shell);
    const file = join(folder, shell);
    writeFileSync(file, stdout);
    if (findCommand(shell) !== undefined) await run(shell, ["-n", file]);
  }
});
