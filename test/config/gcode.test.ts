import assert from "node:assert/strict";
import { test } from "node:test";
import { checkConfiguration, formatMistake } from "../../agent/config/index.ts";

function check(device: string) {
  const text = `devices:\n  - { name: a, serial: { path: /dev/a }, ${device} }\n`;
  const known = { drivers: ["line", "gcode"], simulations: [] };
  return checkConfiguration(text, known, { stateFolder: "/var/lib/tether", hostName: "pi" });
}

test("gcode: what is left out is as the machine's dialect has it", () => {
  const settings = (device: string) => check(device).configuration?.devices[0]?.gcode;
  assert.deepEqual(settings("driver: gcode"), {
    dialect: "grbl",
    buffer: 127,
    lineLength: 79,
    poll: 500,
    timeout: 10_000,
    onLost: "hold",
  });
  assert.equal(settings("driver: gcode, gcode: { dialect: marlin }")?.lineLength, 95);
  assert.equal(settings("driver: gcode, gcode: { lineLength: 40 }")?.lineLength, 40);
  assert.equal(settings("driver: line"), undefined);
});

for (const [device, mistake] of [
  [
    "driver: gcode, gcode: { dialect: marlin, buffer: 64 }",
    "2:83: devices[0].gcode.buffer does not go with dialect marlin, allowed: dialect grbl",
  ],
  ["driver: gcode, gcode: { poll: 6s }", "2:72: devices[0].gcode.poll is 6s, allowed: up to half of timeout"],
  [
    "driver: gcode, gcode: { timeout: 900ms }",
    "2:75: devices[0].gcode.timeout is 900ms, allowed: at least twice the poll",
  ],
  ["gcode: { onLost: hold }", "2:42: devices[0].gcode does not go with driver line, allowed: driver gcode"],
] as const) {
  test(`gcode: mistakes of ${device}`, () => {
    const mistakes = check(device).mistakes.map((each) => formatMistake("f", each));
    assert.deepEqual(mistakes, [`f:${mistake}`]);
  });
}
