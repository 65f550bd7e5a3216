import assert from "node:assert/strict";
import { test } from "node:test";
import type { Device, RegisterProfile } from "../../firmware-bridge/index.ts";
import { missing } from "../peers.ts";
import { modbusProfile, startModbusServer } from "./modbus-server.ts";
import { call, createDevice } from "./open-device.ts";
import { until } from "./until.ts";

const PEERS = { skip: missing("pymodbus", "socat") };

/** A register as the configuration gives it unless it says otherwise. */
function register(address: number, changes: Partial<RegisterProfile> = {}): RegisterProfile {
  return {
    unitId: 1,
    table: "holding",
    address,
    type: "uint16",
    scale: 1,
    offset: 0,
    byteOrder: "big",
    wordOrder: "big",
    writable: true,
    ...changes,
  };
}

test("modbus: every function against pymodbus", PEERS, async (t) => {
  const device = createDevice(t, modbusProfile(await startModbusServer(t)));
  await device.start();
  const ask = (name: string, args: object) => call(device, name, { unitId: 1, ...args });
  assert.deepEqual(await ask("readHoldingRegisters", { address: 0, count: 3 }), [1000, 1001, 1002]);
  assert.deepEqual(await ask("readInputRegisters", { address: 5, count: 1, unitId: 2 }), [2005]);
  const most = (await ask("readHoldingRegisters", { address: 100, count: 125 })) as number[];
  assert.deepEqual([most.length, most[124]], [125, 1224]);
  assert.deepEqual(await ask("readCoils", { address: 0, count: 4 }), [false, false, true, false]);
  assert.deepEqual(await ask("readDiscreteInputs", { address: 0, count: 3, unitId: 3 }), [
    true,
    false,
    false,
  ]);

  await ask("writeCoil", { address: 10, value: true });
  await ask("writeCoils", { address: 11, values: [false, true, true, false, true, true, true, true, false] });
  assert.deepEqual(await ask("readCoils", { address: 10, count: 10 }), [
    true,
    false,
    true,
    true,
    false,
    true,
    true,
    true,
    true,
    false,
  ]);
  await ask("writeRegister", { address: 20, value: 0xbeef });
  await ask("writeRegisters", { address: 21, values: [0, 0xffff] });
  assert.deepEqual(await ask("readHoldingRegisters", { address: 20, count: 3 }), [0xbeef, 0, 0xffff]);
  await ask("maskWriteRegister", { address: 20, and: 0xff00, or: 0x0012 });
  assert.deepEqual(
    await ask("readWriteRegisters", { address: 20, count: 2, writeAddress: 21, values: [7] }),
    [0xbe12, 7],
  );

  await ask("writeRegister", { address: 30, value: 42, unitId: 0 });
  for (const unitId of [1, 2, 3]) {
    assert.deepEqual(await ask("readHoldingRegisters", { address: 30, count: 1, unitId }), [42], "all units");
  }
});

test("modbus: exceptions, silence and what is out of range are clear", PEERS, async (t) => {
  const settings = { timeout: 500, retries: 0 };
  const device = createDevice(t, modbusProfile(await startModbusServer(t), settings));
  await device.start();
  const read = (args: object) => call(device, "readHoldingRegisters", { unitId: 1, count: 1, ...args });
  await assert.rejects(read({ address: 900 }), {
    code: "device-failed",
    message: "meter: unit 1, holding register 900: exception 2, illegal data address",
  });
  await assert.rejects(read({ address: 0, unitId: 9 }), { code: "timeout", message: /unit 9, .*no answer/ });
  await assert.rejects(read({ address: 65_535, count: 2 }), { code: "invalid" });
  await assert.rejects(read({ address: 0, count: 126 }), { code: "invalid", message: /1 to 125/ });
  await assert.rejects(read({ address: 0, unitId: 0 }), { code: "invalid", message: /unit 0 is all units/ });
  await assert.rejects(device.say("hello", new AbortController().signal), { code: "invalid" });
  assert.deepEqual(await read({ address: 0 }), [1000]);
});

test("modbus: named registers of every type, in every order, there and back", PEERS, async (t) => {
  const orders = (["big", "little"] as const).flatMap((byteOrder) =>
    (["big", "little"] as const).map((wordOrder) => ({ byteOrder, wordOrder })),
  );
  const values = [
    ["uint16", 54_321],
    ["int16", -12_345],
    ["uint32", 4_000_000_001],
    ["int32", -2_000_000_003],
    ["float32", 21.7],
    ["uint64", 18_446_744_073_709_551_557n],
    ["int64", -9_007_199_254_740_993n],
    ["float64", Math.PI],
    ["boolean", true],
    ["string", "Zähler 7"],
  ] as const;
  const registers: { [name: string]: RegisterProfile } = {};
  for (const [which, order] of orders.entries()) {
    for (const [index, [type]] of values.entries()) {
      const at = register(which * 100 + index * 8, {
        type,
        ...order,
        ...(type === "string" && { length: 5 }),
      });
      registers[`${type}-${which}`] = at;
    }
  }
  const device = createDevice(t, modbusProfile(await startModbusServer(t), { registers }));
  await device.start();
  for (const which of orders.keys()) {
    for (const [type, value] of values) {
      const name = `${type}-${which}`;
      assert.equal(await call(device, "write", { name, value }), null);
      assert.equal(await call(device, "read", { name }), value, name);
    }
  }
  const raw = (address: number, count: number) =>
    call(device, "readHoldingRegisters", { unitId: 1, address, count });
  // 0xEE6B2801 in the four orders.
  assert.deepEqual(await raw(16, 2), [0xee6b, 0x2801]);
  assert.deepEqual(await raw(116, 2), [0x2801, 0xee6b]);
  assert.deepEqual(await raw(216, 2), [0x6bee, 0x0128]);
  assert.deepEqual(await raw(316, 2), [0x0128, 0x6bee]);
  for (const [name, value] of [
    ["uint16-0", 65_536],
    ["uint16-0", -1],
    ["float32-0", 1e300],
    ["string-0", "longer than ten"],
    ["string-0", 7],
    ["boolean-0", 2],
    ["uint16-0", "7"],
  ] as const) {
    await assert.rejects(call(device, "write", { name, value }), { code: "invalid" }, `${name} ${value}`);
  }
});

test("modbus: scale, bounds, bits and coils", PEERS, async (t) => {
  const registers = {
    tenths: register(1, { type: "int16", scale: 0.1, offset: -40, minimum: -30, maximum: 85.5 }),
    alarm: register(2, { type: "boolean", bit: 3 }),
    mode: register(2, { bit: 4, bits: 3 }),
    swappedMode: register(3, { bit: 4, bits: 3, byteOrder: "little" }),
    relay: register(4, { table: "coil", type: "boolean" }),
    fixed: register(5, { writable: false }),
  };
  const device = createDevice(t, modbusProfile(await startModbusServer(t), { registers }));
  await device.start();
  const write = (name: string, value: unknown) => call(device, "write", { name, value });
  const read = (name: string) => call(device, "read", { name });
  const raw = async (address: number) =>
    ((await call(device, "readHoldingRegisters", { unitId: 1, address, count: 1 })) as number[])[0];
  await write("tenths", 21.7);
  assert.equal(await raw(1), 617);
  assert.equal(await read("tenths"), 21.7);
  await assert.rejects(write("tenths", 86), { code: "invalid", message: /up to 85.5/ });
  await assert.rejects(write("fixed", 1), { code: "invalid" });

  await call(device, "writeRegisters", { unitId: 1, address: 2, values: [0xff0f, 0xffff] });
  assert.equal(await read("alarm"), true);
  await write("alarm", false);
  await write("mode", 5);
  await write("swappedMode", 2);
  assert.deepEqual([await read("alarm"), await read("mode"), await read("swappedMode")], [false, 5, 2]);
  assert.deepEqual([await raw(2), await raw(3)], [0xff57, 0xafff], "the other bits are as they were");
  await assert.rejects(write("mode", 8), { code: "invalid", message: /0 to 7/ });
  await write("relay", true);
  assert.equal(await read("relay"), true);
});

test(
  "modbus: polls are readings, and a range that the unit will not have is asked in pieces",
  PEERS,
  async (t) => {
    const poll = { every: 20, writable: false };
    const registers = {
      first: register(0, { ...poll, unit: "V", deviceClass: "voltage" }),
      second: register(6, { ...poll, scale: 0.5 }),
      other: register(1, { ...poll, unitId: 2, table: "input" }),
      flag: register(2, { ...poll, table: "coil", type: "boolean" }),
      last: register(899, poll),
      beyond: register(902, poll),
      dead: register(0, { ...poll, unitId: 8 }),
    };
    const settings = { registers, timeout: 500, retries: 0 };
    const device = createDevice(t, modbusProfile(await startModbusServer(t), settings));
    assert.deepEqual(device.readings.slice(0, 2), [
      { name: "first", type: "integer", unit: "V", deviceClass: "voltage" },
      { name: "second", type: "number" },
    ]);
    await device.start();
    const value = (name: string) => device.readings.find((each) => each.name === name)?.value;
    await until(
      () => Object.keys(registers).filter((name) => value(name) !== undefined).length === 5,
      "readings",
    );
    assert.deepEqual(["first", "second", "other", "flag", "last"].map(value), [1000, 503, 2001, true, 1899]);
    const failure = (name: string) =>
      device.readings.find((each) => each.name === name)?.error?.message ?? "";
    assert.match(failure("beyond"), /holding register 902: exception 2/);
    await until(() => /unit 8, .*no answer/.test(failure("dead")), "the unit that is off");
  },
);

/** One client: `count` readings of values that say where they are from; gives how many timed out. */
async function client(device: Device, seed: number, count: number): Promise<number> {
  let late = 0;
  for (let index = 0; index < count; index += 1) {
    const [unitId, address] = [1 + ((seed + index) % 3), (seed * 13 + index * 7) % 890];
    // Of equal length and function mostly: what a late answer could be mistaken for.
    const length = index % 4 === 0 ? 2 : 1;
    try {
      const args = { unitId, address, count: length };
      const values = await call(device, "readHoldingRegisters", args);
      const expected = Array.from({ length }, (_, offset) => unitId * 1000 + address + offset);
      assert.deepEqual(values, expected, `client ${seed}, question ${index}`);
    } catch (thrown) {
      if ((thrown as { code?: string }).code !== "timeout") throw thrown;
      late += 1;
    }
  }
  return late;
}

test("modbus: two clients at once, none gets another's answer", PEERS, async (t) => {
  const registers = { polled: register(7, { every: 25 }) };
  const device = createDevice(t, modbusProfile(await startModbusServer(t), { registers }));
  await device.start();
  assert.deepEqual(await Promise.all([client(device, 1, 300), client(device, 2, 300)]), [0, 0]);
});

test(
  "modbus: nor with a unit that answers late at random, within the time looked out for it and after",
  PEERS,
  async (t) => {
    for (const seconds of [0.06, 0.25]) {
      const path = await startModbusServer(t, { share: 0.1, seconds });
      const device = createDevice(t, modbusProfile(path, { timeout: 40, retries: 0 }));
      await device.start();
      const late = await Promise.all([client(device, 1, 40), client(device, 2, 40)]);
      assert.ok(late[0] + late[1] > 0, `some are late by ${seconds} s`);
      await device.stop();
    }
  },
);
