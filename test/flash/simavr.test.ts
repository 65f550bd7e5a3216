import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { startAgent } from "../agent-process.ts";
import { simulateAvr } from "../firmware-bridge/simavr.ts";
import { temporaryFolder } from "../identity/folder.ts";
import { needs } from "../peers.ts";

const run = promisify(execFile);
/** The bootloader of Arduinos before the Uno. Optiboot, which came after it, never hears a byte in simavr. */
const BOOTLOADER = "/usr/share/arduino/hardware/arduino/avr/bootloaders/atmega/ATmegaBOOT_168_atmega328.hex";
const BENCH = join(import.meta.dirname, "../../firmware-bridge/firmware/bench/bench.c");

test("a real bootloader in simavr takes our firmware from avrdude, and runs it", async (t) => {
  if (!needs(t, "avrdude", "simavr", "arduino")) return;
  const folder = temporaryFolder(t);
  const [elf, hex] = [join(folder, "bench.elf"), join(folder, "bench.hex")];
  await run("avr-gcc", ["-std=c11", "-Os", "-mmcu=atmega328p", "-DF_CPU=16000000UL", "-o", elf, BENCH]);
  await run("avr-objcopy", ["-O", "ihex", "-R", ".eeprom", "-R", ".mmcu", elf, hex]);
  const board = await simulateAvr(async (target) => {
    await run("avr-objcopy", ["-I", "ihex", "-O", "elf32-avr", BOOTLOADER, target]);
  });
  t.after(() => board.stop());
  const agent = await startAgent(t, {
    configuration: {
      devices: [
        {
          name: "bench",
          serial: { path: board.path },
          commands: { ping: { send: "PING", expect: "^PONG", timeout: "500ms" } },
          flash: { part: "m328p", baudRate: 57_600 },
        },
      ],
    },
  });
  await agent.pair();
  const silent = await agent.tether(["call", "devices.bench.ping"]);
  assert.equal(silent.code, 3, "there is nothing but the bootloader");
  // avrdude waits a quarter of a second for an answer, and the simulator has but a part of a core.
  for (let tries = 1; ; tries++) {
    const flashed = await agent.tether(["flash", "bench", hex, "--json"]);
    if (flashed.code === 0) break;
    assert.ok(tries < 5, flashed.stderr);
  }
  // The bootloader starts the program when it has heard nothing for a while.
  for (let tries = 1; ; tries++) {
    const { stdout, stderr } = await agent.tether(["call", "devices.bench.ping"]);
    if (stdout === "PONG\n") break;
    assert.ok(tries < 20, stderr);
  }
});
