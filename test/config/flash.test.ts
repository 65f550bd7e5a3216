import assert from "node:assert/strict";
import { test } from "node:test";
import { checkConfiguration, formatMistake } from "../../agent/config/index.ts";

function check(flash: string) {
  const text = `devices:\n  - { name: a, serial: { path: /dev/a }, flash: ${flash} }\n`;
  const known = { drivers: ["line"], simulations: [] };
  return checkConfiguration(text, known, { stateFolder: "/var/lib/tether", hostName: "pi" });
}

test("flash: what is left out follows from the file", () => {
  const settings = (flash: string) => check(flash).configuration?.devices[0]?.flash;
  assert.deepEqual(settings("{ part: m328p }"), { part: "m328p", timeout: 300_000 });
  assert.deepEqual(settings("{ tool: esptool, address: 0x10000, timeout: 1m }"), {
    tool: "esptool",
    address: 0x1_0000,
    timeout: 60_000,
  });
  assert.deepEqual(settings('{ bootloader: { vendorId: "2341" } }'), {
    bootloader: { vendorId: "2341" },
    timeout: 300_000,
  });
});

for (const [flash, mistake] of [
  ["{ part: -C/tmp/x }", /flash\.part is "-C\/tmp\/x", allowed: up to 64 of A-Z/],
  ["{ programmer: --help }", /flash\.programmer is "--help", allowed/],
  ["{ chip: 'esp32 --port /dev/b' }", /flash\.chip is "esp32 --port \/dev\/b", allowed/],
  ["{ program: avrdude }", /flash\.program is "avrdude", allowed: an absolute path/],
  ["{ bootloader: {} }", /flash\.bootloader would match every port/],
  ["{ tool: avrdude, address: 0 }", /flash\.address does not go with tool avrdude, allowed: tool esptool/],
  ["{ tool: picotool, drive: /media/x }", /flash\.drive does not go with tool picotool, allowed: tool uf2/],
] as const) {
  test(`flash: mistakes of ${flash}`, () => {
    const mistakes = check(flash).mistakes.map((each) => formatMistake("f", each));
    assert.equal(mistakes.length, 1, mistakes.join("\n"));
    assert.match(mistakes[0] ?? "", mistake);
  });
}
