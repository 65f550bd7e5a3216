import assert from "node:assert/strict";
import { test } from "node:test";
import { checkConfiguration } from "../../agent/config/index.ts";
import { DRIVERS, SIMULATIONS } from "../../firmware-bridge/index.ts";

function check(modbus: string) {
  const text = `devices:\n  - name: meter\n    serial: { path: /dev/ttyUSB0, baudRate: 9600, parity: even }\n    driver: modbus\n    modbus:\n${modbus}`;
  const known = { drivers: DRIVERS, simulations: SIMULATIONS };
  return checkConfiguration(text, known, { stateFolder: "/var/lib/tether", hostName: "pi" });
}

/** The mistakes in one register, without their places. */
function mistakesIn(register: string): string[] {
  const { mistakes } = check(`      registers:\n        r: { ${register} }\n`);
  return mistakes.map(({ message }) => message.replace("devices[0].modbus.registers.", ""));
}

test("modbus: a bus is read, its registers take what they do not say from it", () => {
  const { mistakes, configuration } = check(`
      unitId: 3
      timeout: 300ms
      wordOrder: little
      registers:
        voltage: { table: input, address: 0, type: uint32, scale: 0.1, unit: V, every: 2s }
        relay: { table: coil, address: 7, unitId: 4, writable: true, poll: false }
        alarm: { address: 9, bit: 2 }
        mode: { address: 9, bit: 3, bits: 2, wordOrder: big }
`);
  assert.deepEqual(mistakes, []);
  const { modbus } = JSON.parse(JSON.stringify(configuration?.devices[0]));
  const { registers, ...bus } = modbus;
  assert.deepEqual(bus, { unitId: 3, timeout: 300, retries: 1, writeRetries: 0, gap: 8, echo: false });
  const standard = {
    unitId: 3,
    table: "holding",
    scale: 1,
    offset: 0,
    byteOrder: "big",
    wordOrder: "little",
    writable: false,
    every: 10_000,
  };
  const { every: _, ...unpolled } = standard;
  assert.deepEqual(registers, {
    voltage: { ...standard, table: "input", address: 0, type: "uint32", scale: 0.1, unit: "V", every: 2_000 },
    relay: { ...unpolled, table: "coil", address: 7, type: "boolean", unitId: 4, writable: true },
    alarm: { ...standard, address: 9, type: "boolean", bit: 2 },
    mode: { ...standard, address: 9, type: "uint16", bit: 3, bits: 2, wordOrder: "big" },
  });
});

for (const [register, ...expected] of [
  ["type: uint16", "r has no address, allowed: an integer from 0 to 65535"],
  ["address: 0, table: coil, type: int16", "r.type is int16, allowed with table coil: boolean"],
  ["address: 0, table: coil, bit: 1", "r.bit does not go with table coil"],
  ["address: 0, type: string", "r has no length, allowed: one for type string"],
  ["address: 0, length: 3", "r.length does not go with type uint16, allowed: type string"],
  ["address: 0, type: boolean, scale: 2", "r.scale does not go with type boolean, allowed: a number's type"],
  ["address: 0, bits: 2", "r.bits is given without bit, allowed: only with bit"],
  ["address: 0, bit: 1, type: int16", "r.type is int16, allowed with bit: boolean"],
  ["address: 0, bit: 15, bits: 2", "r.bits is 2, allowed: up to 1"],
  [
    "address: 0, table: input, writable: true",
    "r.writable does not go with table input, allowed: table holding coil",
  ],
  ["address: 0, minimum: 1", "r.minimum is of no use, allowed: with writable: true"],
  ["address: 0, writable: true, minimum: 2, maximum: 1", "r.minimum is 2, allowed: up to the maximum of 1"],
  ["address: 0, poll: false, every: 1s", "r.every does not go with poll: false"],
  ["address: 65535, type: uint32", "r.address is 65535, allowed: up to 65534 for type uint32"],
  ["address: 0, scale: 0", "r.scale is 0, allowed: any other number"],
] as const) {
  test(`modbus: mistakes of { ${register} }`, () => assert.deepEqual(mistakesIn(register), expected));
}

test("modbus: its section goes with no other driver, and those of others not with it", () => {
  assert.deepEqual(
    check("      {}\n    line: { timeout: 1s }\n").mistakes.map(({ message }) => message),
    ["devices[0].line does not go with driver modbus, allowed: driver line"],
  );
});
