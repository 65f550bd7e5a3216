import assert from "node:assert/strict";
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Writable } from "node:stream";
import { type TestContext, test } from "node:test";
import { DeviceDesk } from "../../agent/devices/index.ts";
import { flash } from "../../agent/flash/flasher.ts";
import { Log } from "../../agent/log.ts";
import { Registry } from "../../agent/procedures/index.ts";
import { Programs } from "../../agent/programs/index.ts";
import type { CallProgress } from "../../protocol/index.ts";
import { startAgent } from "../agent-process.ts";
import { FakeUdev } from "../devices/fake-udev.ts";
import { NO_FILES } from "../devices/no-files.ts";
import { benchProfile } from "../firmware-bridge/bench-profile.ts";
import { PseudoTerminal } from "../firmware-bridge/pseudo-terminal.ts";
import { Stk500Board } from "../firmware-bridge/stk500-board.ts";
import { temporaryFolder } from "../identity/folder.ts";
import { needs } from "../peers.ts";
import { intelHex, programOf } from "./intel-hex.ts";
import { uf2 } from "./uf2.ts";

async function plugged(t: TestContext): Promise<PseudoTerminal> {
  const terminal = await PseudoTerminal.create();
  t.after(() => terminal.remove());
  await terminal.plug();
  return terminal;
}

test("a touch brings a board up in its bootloader on another port, and back", async (t) => {
  if (!needs(t, "socat", "avrdude")) return;
  const [own, other] = [await plugged(t), await plugged(t)];
  const board = await Stk500Board.open(t, other.boardPath);
  const udev = new FakeUdev(join(temporaryFolder(t), "udev"));
  const sketch = { name: "ttyACM0", target: own.path, vendorId: "2341", productId: "8036" };
  const bootloader = { name: "ttyACM1", target: other.path, vendorId: "2341", productId: "0036" };
  udev.plug([sketch]);
  const agent = await startAgent(t, {
    env: udev.env,
    configuration: {
      devices: [
        {
          name: "leonardo",
          serial: { match: { vendorId: "2341", productId: "8036" } },
          driver: "raw",
          // The peer speaks STK500, and no AVR109.
          flash: { part: "m328p", reset: "touch", bootloader: { vendorId: "2341", productId: "0036" } },
        },
      ],
    },
  });
  await agent.pair();
  const program = programOf(600);
  const file = join(agent.folder, "a.hex");
  writeFileSync(file, intelHex(program));
  let before = 0;
  for (let tries = 1; board.pages === 0 || !board.hasLeft; tries++) {
    assert.ok(tries < 5, "avrdude gives answers a quarter of a second, but not five times in a row");
    board.reset();
    before = agent.log.length;
    const flashed = agent.tether(["flash", "leonardo", file, "--json"]);
    await agent.line("device-state", ({ state }) => state === "busy", before);
    udev.plug([bootloader]);
    const running = agent.line("flash-ended", () => true, before);
    await Promise.race([running, flashed]);
    udev.plug([sketch]);
    await flashed;
  }
  assert.deepEqual(board.flash.subarray(0, program.length), program);
  await agent.line("device-state", ({ state }) => state === "ready", before);
});

// No package of picotool's and no board is here: a script stands in, which prints what picotool prints.
test("an RP2040 is waited for on USB, then loaded by picotool", async (t) => {
  if (!needs(t, "socat")) return;
  const folder = temporaryFolder(t);
  const terminal = await plugged(t);
  const usb = join(folder, "usb");
  mkdirSync(usb);
  const program = join(folder, "picotool");
  writeFileSync(
    program,
    `#!/bin/sh
printf '%s ' "$@" > ${folder}/said
cat "$4" > ${folder}/loaded
printf 'Loading into Flash: [=====     ]  50%%\\rLoading into Flash: [==========]  100%%\\n'
printf 'Verifying Flash:    [==========]  100%%\\n  OK\\n'
`,
  );
  chmodSync(program, 0o755);
  const log = new Log(new Writable({ write: (_chunk, _encoding, done) => done() }), { readable: false });
  const desk = new DeviceDesk({ registry: new Registry(), log, files: NO_FILES });
  desk.start();
  t.after(() => desk.stop());
  const programs = new Programs(join(folder, "work"), () => false);
  programs.start();
  t.after(() => programs.stop());
  const profile = benchProfile({ kind: "path", path: terminal.path });
  await desk.declare([{ ...profile, flash: { tool: "picotool", program, timeout: 20_000 } }]);
  const content = uf2(programOf(5_000));
  const progress: CallProgress[] = [];
  const lines: string[] = [];
  const states: string[] = [];
  desk.onState(({ state }) => {
    states.push(state);
    if (state !== "busy") return;
    // The touch is over and the port is closed: now it comes up in its bootloader.
    mkdirSync(join(usb, "1-1"));
    writeFileSync(join(usb, "1-1", "idVendor"), "2e8a\n");
    writeFileSync(join(usb, "1-1", "idProduct"), "0003\n");
  });
  const { seconds: _seconds, ...outcome } = await flash(
    {
      device: "bench",
      name: "blink.uf2",
      content,
      take: false,
      caller: { label: "ann", role: "operator", origin: "test" },
      signal: new AbortController().signal,
      onProgress: (each) => progress.push(each),
      onLine: (line) => lines.push(line),
    },
    { desk, programs, log, usb },
  );
  assert.deepEqual(outcome, { device: "bench", tool: "picotool", bytes: content.length, state: "ready" });
  assert.deepEqual(states, ["busy", "ready"]);
  assert.ok(readFileSync(join(folder, "loaded")).equals(content));
  assert.match(readFileSync(join(folder, "said"), "utf8"), /^load -v -x \/\S+\/image\.uf2 -t uf2 $/);
  assert.deepEqual(progress.at(-1), { done: 100, total: 100, note: "verifying" });
  assert.deepEqual(lines.slice(-2), ["Verifying Flash:    [==========]  100%", "OK"]);
});
