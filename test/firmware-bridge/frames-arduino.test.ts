import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { missing } from "../peers.ts";
import { benchProfile } from "./bench-profile.ts";
import { call, createDevice } from "./open-device.ts";
import { simulateAvr } from "./simavr.ts";
import { until } from "./until.ts";

const run = promisify(execFile);
const ARDUINO = "/usr/share/arduino/hardware/arduino/avr";
const LIBRARY = join(import.meta.dirname, "../../firmware-bridge/firmware/frames");

/** The sketch on the library's page. */
function sketchOnThePage(): string {
  const page = readFileSync(join(LIBRARY, "README.md"), "utf8");
  const lines = page.split("\n").filter((line) => line.startsWith("    ") || line === "");
  return `#include <Arduino.h>\n${lines.map((line) => line.slice(4)).join("\n")}`;
}

/** Builds a sketch as the Arduino IDE does, the library in C beside it. */
async function buildSketch(sketch: string, elf: string): Promise<void> {
  const core = join(ARDUINO, "cores/arduino");
  const flags = [
    ...["-c", "-w", "-Os", "-ffunction-sections", "-fdata-sections", "-mmcu=atmega328p"],
    ...["-DF_CPU=16000000L", "-DARDUINO=10819", "-DARDUINO_ARCH_AVR", "-DDECIMAL_DIG=__DECIMAL_DIG__"],
    ...[`-I${core}`, `-I${join(ARDUINO, "variants/standard")}`, `-I${LIBRARY}`],
  ];
  const folder = dirname(elf);
  writeFileSync(join(folder, "sketch.cpp"), sketch);
  const files = readdirSync(core).map((name) => join(core, name));
  const c = [...files.filter((file) => file.endsWith(".c")), join(LIBRARY, "tether_frames.c")];
  const cpp = [...files.filter((file) => file.endsWith(".cpp")), join(folder, "sketch.cpp")];
  const there = { cwd: folder };
  await run("avr-gcc", ["-std=gnu11", ...flags, ...c], there);
  await run("avr-g++", ["-std=gnu++11", "-fpermissive", "-fno-exceptions", ...flags, ...cpp], there);
  const objects = readdirSync(folder).filter((name) => name.endsWith(".o"));
  await run("avr-gcc", ["-Os", "-Wl,--gc-sections", "-mmcu=atmega328p", "-o", elf, ...objects, "-lm"], there);
}

test("frames: the sketch on the library's page, with Arduino's core in simavr", {
  skip: missing("simavr", "arduino"),
}, async (t) => {
  const avr = await simulateAvr((elf) => buildSketch(sketchOnThePage(), elf));
  t.after(() => avr.stop());
  const port = { kind: "path", path: avr.path, baudRate: 115_200 } as const;
  const device = createDevice(t, benchProfile(port, { driver: "frames", commands: {}, readings: {} }));
  await device.start();
  await until(() => device.commands.length > 1, "the description", 30_000);
  assert.deepEqual(
    device.commands.map(({ name }) => name),
    ["led", "add", "describe"],
  );
  assert.equal(await call(device, "led", { on: true }), null);
  assert.equal(await call(device, "add", { a: 40, b: 2 }), 42);
  assert.ok(device.readings.some(({ name, unit }) => name === "button" && unit === "presses"));
});
