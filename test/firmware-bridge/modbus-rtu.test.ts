import assert from "node:assert/strict";
import { test } from "node:test";
import { createDriver } from "../../firmware-bridge/drivers/index.ts";
import { readRegisters, writeRegister } from "../../firmware-bridge/drivers/modbus/pdu.ts";
import { joinRanges, type NamedRegister } from "../../firmware-bridge/drivers/modbus/ranges.ts";
import { RtuAnswerReader, rtuFrame } from "../../firmware-bridge/drivers/modbus/rtu.ts";
import { crc16 } from "../../firmware-bridge/framing/crc16.ts";
import { TetherError } from "../../protocol/errors.ts";
import { seeded } from "../wire/random.ts";
import { modbusProfile } from "./modbus-server.ts";

const frame = (unitId: number, ...pdu: number[]) => rtuFrame({ unitId, pdu: Uint8Array.from(pdu) });
const question = () => readRegisters("holding", 17, 0x6b, 3);
const ANSWER = frame(17, 3, 6, 0x02, 0x2b, 0, 0, 0, 0x64);
const result = Buffer.of(0x02, 0x2b, 0, 0, 0, 0x64);

test("modbus rtu: the check value of the CRC, and a frame of the standard's examples", () => {
  assert.equal(crc16(Buffer.from("123456789")), 0x4b37);
  assert.equal(crc16(Buffer.alloc(0)), 0xffff);
  assert.equal(rtuFrame(question()).toString("hex"), "1103006b00037687");
});

test("modbus rtu: an answer in pieces of every size, and whole with noise before and behind", () => {
  for (let size = 1; size <= ANSWER.length; size += 1) {
    const reader = new RtuAnswerReader(question());
    for (let at = 0; at < ANSWER.length; at += size) {
      const answer = reader.push(ANSWER.subarray(at, at + size));
      if (at + size < ANSWER.length) assert.equal(answer, undefined, `${size} at ${at}`);
      else assert.deepEqual(answer, { kind: "answer", result });
    }
  }
  const noisy = Buffer.concat([Buffer.of(0, 17, 17, 4, 0xff), ANSWER, Buffer.of(17, 3)]);
  assert.deepEqual(new RtuAnswerReader(question()).push(noisy), { kind: "answer", result });
});

test("modbus rtu: what is of another unit, function or length is no answer", () => {
  const others = [
    frame(18, 3, 6, 1, 2, 3, 4, 5, 6),
    frame(17, 4, 6, 1, 2, 3, 4, 5, 6),
    frame(17, 3, 4, 1, 2, 3, 4),
    frame(17, 0x84, 2),
  ];
  const reader = new RtuAnswerReader(question());
  for (const other of others) assert.equal(reader.push(other), undefined, other.toString("hex"));
  assert.deepEqual(reader.push(ANSWER), { kind: "answer", result });
  const write = new RtuAnswerReader(writeRegister(17, 1, 2));
  assert.equal(write.push(frame(17, 6, 0, 1, 0, 3)), undefined, "the answer to another writing");
  assert.deepEqual(write.push(frame(17, 6, 0, 1, 0, 2)), { kind: "answer", result: null });
});

test("modbus rtu: exceptions, broken answers and an adapter that hears itself", () => {
  assert.deepEqual(new RtuAnswerReader(question()).push(frame(17, 0x83, 4)), { kind: "exception", code: 4 });
  for (let bit = 0; bit < ANSWER.length * 8; bit += 1) {
    const broken = Buffer.from(ANSWER);
    broken[bit >> 3] = (broken[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    const read = new RtuAnswerReader(question()).push(broken);
    assert.ok(read === undefined || read.kind === "broken", `bit ${bit}`);
  }
  const request = writeRegister(17, 1, 2);
  const sent = rtuFrame(request);
  const reader = new RtuAnswerReader(request, sent);
  assert.equal(reader.push(sent.subarray(0, 3)), undefined);
  assert.equal(reader.push(sent.subarray(3)), undefined, "the echo is no answer");
  assert.deepEqual(reader.push(sent), { kind: "answer", result: null });
});

test("modbus: registers are joined by unit and table, over small gaps, up to what one question reads", () => {
  const named = (name: string, address: number, changes: object = {}): NamedRegister => ({
    name,
    register: {
      unitId: 1,
      table: "holding",
      address,
      type: "uint16",
      scale: 1,
      offset: 0,
      byteOrder: "big",
      wordOrder: "big",
      writable: false,
      ...changes,
    },
  });
  const ranges = joinRanges(
    [
      named("late", 130),
      named("b", 9, { type: "float64" }),
      named("a", 0),
      named("unit", 1, { unitId: 2 }),
      named("table", 1, { table: "input" }),
      named("far", 22),
      named("coil", 0, { table: "coil" }),
      named("coil far", 129, { table: "coil" }),
      ...Array.from({ length: 10 }, (_, index) => named(`row ${index}`, 31 + index * 9)),
    ],
    8,
  );
  const shown = ranges.map(({ unitId, table, address, count, members }) =>
    [unitId, table, address, count, members.length].join(" "),
  );
  assert.deepEqual(shown.sort(), [
    "1 coil 0 130 2",
    "1 holding 0 13 2",
    "1 holding 130 1 1",
    "1 holding 22 91 11",
    "1 input 1 1 1",
    "2 holding 1 1 1",
  ]);
});

test("modbus rtu: noise of every kind is skipped, and nothing is kept of it", () => {
  const random = seeded(5);
  for (let round = 0; round < 300; round += 1) {
    const reader = new RtuAnswerReader(question());
    // Never 17, the unit: what begins as an answer is waited for.
    const noise = Buffer.from(Array.from({ length: 997 }, () => 18 + Math.floor(random() * 238)));
    for (let at = 0; at < noise.length; at += 1 + (round % 50)) {
      assert.equal(reader.push(noise.subarray(at, at + 1 + (round % 50))), undefined);
    }
    assert.ok(reader.skipped >= 996);
    assert.deepEqual(reader.push(ANSWER), { kind: "answer", result });
  }
});

test("modbus: what a unit cannot write one by one is written by the function for several", async () => {
  const register = {
    unitId: 1,
    table: "holding",
    address: 5,
    type: "uint16",
    scale: 1,
    offset: 0,
    byteOrder: "big",
    wordOrder: "big",
    writable: true,
  } as const;
  const registers = { level: register, pump: { ...register, table: "coil", type: "boolean" } } as const;
  const driver = createDriver(modbusProfile("/dev/null", { registers }), {
    value() {},
    failed() {},
    redescribed() {},
  });
  const asked: string[] = [];
  driver.attach({
    async write(question) {
      asked.push(Buffer.from(question.subarray(1, -2)).toString("hex"));
      const code = question[1] ?? 0;
      const answer = code > 6 ? frame(1, ...question.subarray(1, 6)) : frame(1, code | 0x80, 1);
      queueMicrotask(() => driver.received(answer));
    },
  });
  const write = driver.commands.find(({ name }) => name === "write");
  assert.equal(await write?.run({ name: "level", value: 258 }, new AbortController().signal), null);
  assert.equal(await write?.run({ name: "pump", value: true }, new AbortController().signal), null);
  assert.deepEqual(asked, ["0600050102", "100005000102" + "0102", "050005ff00", "0f0005000101" + "01"]);
  driver.detach(new TetherError("device-missing", "unplugged"));
});
