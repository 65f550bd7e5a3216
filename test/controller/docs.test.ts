import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { VERBS } from "../../controller/commands/index.ts";
import { cleanName } from "../../protocol/index.ts";
import { programArguments, startAgent } from "../agent-process.ts";
import { BENCH } from "../end-to-end/bench-device.ts";
import { freePort } from "../free-port.ts";
import { temporaryFolder } from "../identity/folder.ts";
import { findCommand } from "../peers.ts";

const page = readFileSync(new URL("../../docs/cli.md", import.meta.url), "utf8");

/** What an agent calls a controller on this machine. */
const LABEL = cleanName(hostname(), "controller");
/** The label where it stands alone: a short one is part of many a word and fingerprint. */
const OUR_NAME = new RegExp(`(?<![\\p{L}\\p{N}])${LABEL.replaceAll(".", "\\.")}(?![\\p{L}\\p{N}])`, "gu");

/** A command of the page, and what it prints there. */
interface Example {
  readonly command: string;
  readonly output: string;
}

function examplesOf(text: string): Example[] {
  return [...text.matchAll(/^```console\n([\s\S]+?)^```$/gm)].flatMap(([, block = ""]) =>
    block
      .split(/^(?:pi)?\$ /m)
      .slice(1)
      .map((one) => {
        const end = one.indexOf("\n");
        return { command: one.slice(0, end), output: one.slice(end + 1) };
      }),
  );
}

/** The same text for every run and machine: what differs is replaced by what it is. */
function common(text: string): string {
  return text
    .replace(/SHA256:[A-Za-z0-9+/]{43}=/g, "FINGERPRINT")
    .replace(OUR_NAME, "laptop")
    .replace(/([0-9A-Z]{4}-){3}[0-9A-Z]{4}/g, "CODE")
    .replace(/\b[a-z2-7]{16}\b/g, "ID")
    .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, "TIME")
    .replace(/greenhouse\.local|\d+\.\d+\.\d+\.\d+/g, "HOST")
    .replace(/\b\d+(\.\d+)*\b/g, "N")
    .replace(/[ \t]+/g, " ");
}

/** True when `actual` is what the page says, where `…` stands for anything within a line. */
function fits(actual: string, expected: string): boolean {
  const pattern = common(expected)
    .split("…")
    .map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"))
    .join("[^\\n]*");
  return new RegExp(`^${pattern}$`).test(common(actual));
}

test("every example of the page does what the page says", async (t) => {
  if (findCommand("bash") === undefined) return t.skip("needs bash");
  const port = await freePort();
  const readings = { temperature: { command: "temperature", every: "1h" } };
  const { silence: _silence, ...commands } = BENCH.commands;
  const configuration = {
    name: "greenhouse",
    tags: ["lab"],
    listen: { host: "127.0.0.1", port: 0 },
    discovery: { port },
    devices: [{ ...BENCH, commands, readings }],
  };
  const agent = await startAgent(t, { configuration });
  const folder = temporaryFolder(t);
  const bin = join(folder, "bin");
  const work = join(folder, "work");
  for (const path of [bin, work]) mkdirSync(path);
  writeFileSync(join(work, "agent.yaml"), "name: greenhouse\nlisten: { prot: 7415 }\n");
  // Other agents of this machine must not turn up in the page's list.
  const elsewhere = `[ "$1" = discover ] && set -- "$@" --port ${port}\n`;
  for (const program of ["tether", "tetherd"] as const) {
    const words = [process.execPath, ...programArguments(program)].map((word) => `'${word}'`).join(" ");
    writeFileSync(join(bin, program), `#!/bin/sh\n${elsewhere}exec ${words} "$@"\n`);
    chmodSync(join(bin, program), 0o755);
  }
  let code = "";
  let status = 0;
  const env = {
    ...process.env,
    PATH: `${bin}:${process.env.PATH}`,
    TETHER_HOME: join(folder, "home"),
    STATE_DIRECTORY: agent.statePath,
  };
  const examples = examplesOf(page);
  assert.ok(examples.length > 40);
  for (const { command, output } of examples) {
    const here = command
      .replace(/greenhouse\.local|192\.168\.1\.20:7415/, `127.0.0.1:${agent.port}`)
      .replace(/(?<=--code )\S+/, code)
      .replace(/(?<=revoke )laptop/, LABEL)
      .replaceAll("$?", String(status));
    const script = `exec 2>&1; ${here}`;
    const ended = spawnSync("bash", ["-c", script], { cwd: work, env, encoding: "utf8", timeout: 30_000 });
    status = ended.status ?? -1;
    code = /--code (\S+)/.exec(ended.stdout)?.[1] ?? code;
    const printed = ended.stdout.replaceAll(work, "/home/pi");
    assert.ok(fits(printed, output), `$ ${command}\n${ended.stdout}\nwhere the page says\n${output}`);
  }
});

test("the page names every verb", () => {
  for (const verb of Object.keys(VERBS)) {
    assert.ok(new RegExp(`tether ${verb}\\b`).test(page), verb);
  }
  for (const verb of ["run", "pair", "status", "controllers", "revoke", "check"]) {
    assert.ok(new RegExp(`tetherd ${verb}\\b`).test(page), verb);
  }
});
