import assert from "node:assert/strict";
import { test } from "node:test";
import { type BusSettings, ModbusBus } from "../../firmware-bridge/drivers/modbus/bus.ts";
import { OverdueAnswers } from "../../firmware-bridge/drivers/modbus/overdue.ts";
import { readRegisters, writeRegister } from "../../firmware-bridge/drivers/modbus/pdu.ts";
import { rtuFrame } from "../../firmware-bridge/drivers/modbus/rtu.ts";
import { TetherError } from "../../protocol/errors.ts";

const never = () => new AbortController().signal;

const frame = (unitId: number, ...pdu: number[]) => rtuFrame({ unitId, pdu: Uint8Array.from(pdu) });

interface Sent {
  readonly bytes: Buffer;
  readonly time: number;
}

/** A bus whose units a test plays: `answer` gives what they say to a question. */
function createBus(changes: Partial<BusSettings> = {}, overdue = new OverdueAnswers()) {
  const sent: Sent[] = [];
  const units = { answer: (_question: Buffer): Buffer | undefined => undefined };
  const settings = { name: "bus", baudRate: 115_200, timeout: 30, retries: 1, writeRetries: 0, echo: false };
  const bus = new ModbusBus(
    { ...settings, ...changes },
    {
      async write(bytes) {
        sent.push({ bytes: Buffer.from(bytes), time: performance.now() });
        const said = units.answer(Buffer.from(bytes));
        if (said) queueMicrotask(() => bus.received(said));
      },
    },
    overdue,
  );
  const functions = () => sent.map(({ bytes }) => bytes[1]);
  return { bus, units, sent, functions, overdue };
}

/** A unit whose register 0 counts how often it was read; it knows function 8 or not. */
function counting(knowsLoopback: boolean) {
  let count = 0;
  return (question: Buffer): Buffer => {
    const [unitId = 0, code] = question;
    if (code === 8) return knowsLoopback ? question : frame(unitId, 0x88, 1);
    count += 1;
    return frame(unitId, 3, 2, 0, count);
  };
}

const register = (unitId = 1) => readRegisters("holding", unitId, 0, 1);

test("modbus bus: 3.5 characters of silence before each question, by the baud rate", async () => {
  for (const [baudRate, least] of [
    [1_200, 32],
    [19_200, 2],
    [115_200, 1.75],
  ] as const) {
    const { bus, units, sent } = createBus({ baudRate, timeout: 5_000 });
    let answered = 0;
    units.answer = (question) => {
      answered = performance.now();
      return counting(true)(question);
    };
    await bus.ask(register(), never());
    const after = answered;
    await bus.ask(register(), never());
    assert.ok((sent[1]?.time ?? 0) - after >= least, `${baudRate}: ${(sent[1]?.time ?? 0) - after} ms`);
  }
});

test("modbus bus: all units get time to do what none answers", async () => {
  const { bus, units, sent } = createBus({ baudRate: 1_200, timeout: 10 });
  units.answer = (question) => (question[0] === 0 ? undefined : counting(true)(question));
  const told = bus.ask(writeRegister(0, 1, 2), never());
  await bus.ask(register(), never());
  assert.equal(await told, null);
  assert.ok((sent[1]?.time ?? 0) - (sent[0]?.time ?? 0) >= 100);
});

test("modbus bus: a reading is tried again after proof that nothing is on its way, a writing is not", async () => {
  for (const knowsLoopback of [true, false]) {
    const { bus, units, functions } = createBus();
    const unit = counting(knowsLoopback);
    let silent = 1;
    units.answer = (question) => (silent-- > 0 ? undefined : unit(question));
    assert.deepEqual(await bus.ask(register(), never()), Buffer.of(0, 1));
    assert.deepEqual(functions(), [3, 8, 3]);
    silent = 1;
    await assert.rejects(bus.ask(writeRegister(1, 0, 7), never()), { code: "timeout" });
    assert.deepEqual(functions().slice(3), [6]);
    await bus.ask(register(), never());
    assert.deepEqual(functions().slice(4), [3], "another function is told from it");
  }
});

test("modbus bus: a unit that says nothing at all, beside one that does", async () => {
  const { bus, units, functions } = createBus({ retries: 0 });
  const unit = counting(true);
  units.answer = (question) => (question[0] === 1 ? unit(question) : undefined);
  for (const expected of [[3], [3, 8]]) {
    await assert.rejects(bus.ask(register(2), never()), { code: "timeout", message: /unit 2/ });
    assert.deepEqual(functions(), expected);
  }
  assert.ok(await bus.ask(register(1), never()));
  assert.deepEqual(functions(), [3, 8, 3]);
});

test("modbus bus: a broken answer is told as such, and the next one is the right one", async () => {
  const { bus, units, functions } = createBus({ retries: 0 });
  const unit = counting(true);
  let broken = true;
  units.answer = (question) => {
    const answer = unit(question);
    if (broken) answer[answer.length - 1] = (answer.at(-1) ?? 0) ^ 1;
    broken = false;
    return answer;
  };
  await assert.rejects(bus.ask(register(), never()), { code: "integrity", message: /wrong CRC/ });
  assert.deepEqual(await bus.ask(register(), never()), Buffer.of(0, 2));
  assert.deepEqual(functions(), [3, 8, 3]);
});

test("modbus bus: unplugged in the middle of a question, its answer is no other's on the line that is back", async () => {
  const before = createBus();
  const lost = assert.rejects(before.bus.ask(register(), never()), { code: "device-missing" });
  before.bus.end(new TetherError("device-missing", "unplugged"));
  await lost;
  const { bus, units, functions } = createBus({}, before.overdue);
  const unit = counting(true);
  // What was asked before the line went comes now, just when it is back.
  units.answer = (question) => {
    const late = functions().length === 1 ? [frame(1, 3, 2, 0, 99)] : [];
    return Buffer.concat([...late, unit(question)]);
  };
  assert.deepEqual(await bus.ask(register(), never()), Buffer.of(0, 1));
  assert.deepEqual(functions(), [8, 3]);
});

test("modbus bus: an adapter that hears itself", async () => {
  const { bus, units } = createBus({ echo: true });
  units.answer = (question) => Buffer.concat([question, question]);
  assert.equal(await bus.ask(writeRegister(1, 0, 7), never()), null);
  units.answer = (question) => question;
  await assert.rejects(
    bus.ask(writeRegister(1, 0, 7), never()),
    { code: "timeout" },
    "the echo alone is no answer",
  );
});
