import assert from "node:assert/strict";
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite, type TestContext, test } from "node:test";
import { type AgentProcess, startAgent } from "../agent-process.ts";
import { PseudoTerminal } from "../firmware-bridge/pseudo-terminal.ts";
import { temporaryFolder } from "../identity/folder.ts";
import { needs } from "../peers.ts";
import { programOf } from "./intel-hex.ts";
import { uf2 } from "./uf2.ts";

/** A program in the place of one that this machine has not: a shell script, given by its path. */
function standIn(folder: string, name: string, script: string): string {
  const path = join(folder, name);
  writeFileSync(path, `#!/bin/sh\n${script}`);
  chmodSync(path, 0o755);
  return path;
}

async function startWith(t: TestContext, flash: object): Promise<{ agent: AgentProcess; port: string }> {
  const terminal = await PseudoTerminal.create();
  t.after(() => terminal.remove());
  await terminal.plug();
  const agent = await startAgent(t, {
    configuration: { devices: [{ name: "bench", serial: { path: terminal.path }, driver: "raw", flash }] },
  });
  await agent.pair();
  return { agent, port: terminal.path };
}

function errorOf({ stderr }: { stderr: string }): { code: string; message: string; hint?: string } {
  return JSON.parse(stderr).error;
}

suite("tether flash with other tools", { concurrency: true }, () => {
  test("a copy to the drive of a board", async (t) => {
    if (!needs(t, "socat")) return;
    const drive = join(temporaryFolder(t), "RPI-RP2");
    mkdirSync(drive);
    writeFileSync(join(drive, "INFO_UF2.TXT"), "UF2 Bootloader v3.0\nModel: Raspberry Pi RP2\n");
    const { agent } = await startWith(t, { drive });
    const file = join(agent.folder, "blink.uf2");
    const image = uf2(programOf(100_000));
    writeFileSync(file, image);
    const flashed = await agent.tether(["flash", "bench", file, "--json"]);
    assert.equal(flashed.code, 0, flashed.stderr);
    const { tool, bytes, state } = JSON.parse(flashed.stdout) as { [name: string]: unknown };
    assert.deepEqual([tool, bytes, state], ["uf2", image.length, "ready"]);
    assert.ok(readFileSync(join(drive, "tether.uf2")).equals(image));
  });

  // Neither Debian 12 nor the machine has esptool: the script says what esptool 4 says when no board answers.
  test("esptool that finds no board", async (t) => {
    if (!needs(t, "socat")) return;
    const folder = temporaryFolder(t);
    const said = join(folder, "said");
    const program = standIn(
      folder,
      "esptool",
      `for word; do printf '%s\\n' "$word"; done > ${said}
[ -r "$9" ] || cat "\${10}" > ${folder}/copy
set > ${folder}/environment
echo 'esptool.py v4.7.0'
echo "Serial port $4"
printf 'Connecting......................................\\n\\n'
echo 'A fatal error occurred: Failed to connect to ESP32: No serial data received.' >&2
exit 2
`,
    );
    const { agent, port } = await startWith(t, {
      tool: "esptool",
      program,
      chip: "esp32",
      address: 0x1_0000,
      baudRate: 460_800,
    });
    const file = join(agent.folder, "--port.bin");
    writeFileSync(file, Buffer.concat([Buffer.from([0xe9]), programOf(3_000)]));
    const failed = await agent.tether(["flash", "--json", "bench", file]);
    assert.deepEqual(
      [failed.code, errorOf(failed)],
      [
        1,
        {
          code: "device-failed",
          message: `esptool failed with exit code 2: esptool.py v4.7.0; Serial port ${port}; Connecting......................................; A fatal error occurred: Failed to connect to ESP32: No serial data received.`,
          hint: "-v shows all that it says",
        },
      ],
    );
    const words = readFileSync(said, "utf8").trimEnd().split("\n");
    const work = words.pop() ?? "";
    assert.deepEqual(words, [
      "--chip",
      "esp32",
      "--port",
      port,
      "--baud",
      "460800",
      "write_flash",
      "0x10000",
    ]);
    assert.match(work, new RegExp(`^${agent.statePath}/work/file-[^/]+/image\\.bin$`));
    assert.doesNotMatch(readFileSync(join(folder, "environment"), "utf8"), /TETHER|NODE_/);
    const { holder, state } = JSON.parse((await agent.tether(["call", "devices.statistics"])).stdout)[0];
    assert.deepEqual([holder, state], [null, "ready"]);
  });

  test("a tool that is not where the configuration says", async (t) => {
    if (!needs(t, "socat")) return;
    const { agent } = await startWith(t, { tool: "picotool", program: "/nowhere/picotool" });
    const file = join(agent.folder, "a.uf2");
    writeFileSync(file, uf2(programOf(300)));
    const failed = await agent.tether(["flash", "bench", file, "--json"]);
    assert.deepEqual(
      [failed.code, errorOf(failed).message],
      [1, "there is no program /nowhere/picotool on the agent"],
    );
  });
});
