import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { type TestContext, test } from "node:test";
import { parseDescription } from "../../firmware-bridge/drivers/frames/description.ts";
import { createDriver } from "../../firmware-bridge/drivers/index.ts";
import { CobsParser, cobsEncode } from "../../firmware-bridge/framing/cobs.ts";
import { crc16 } from "../../firmware-bridge/framing/crc16.ts";
import type { DeviceValue } from "../../firmware-bridge/index.ts";
import { TetherError } from "../../protocol/errors.ts";
import { missing } from "../peers.ts";
import { seeded } from "../wire/random.ts";
import { benchProfile } from "./bench-profile.ts";
import { buildFramesBoard } from "./frames-board.ts";
import { until } from "./until.ts";

test("cobs: the published examples, and there and back in pieces of every size", () => {
  for (const [bytes, encoded] of [
    ["", "01"],
    ["00", "0101"],
    ["0000", "010101"],
    ["11220033", "0311220233"],
    ["11223344", "0511223344"],
    ["11000000", "0211010101"],
  ] as const) {
    assert.equal(cobsEncode(Buffer.from(bytes, "hex")).toString("hex"), encoded);
  }
  const random = seeded(3);
  for (const length of [0, 1, 2, 253, 254, 255, 256, 508, 509, 600]) {
    for (const zeros of [0, 0.01, 0.5, 1]) {
      const bytes = Buffer.from(
        Array.from({ length }, () => (random() < zeros ? 0 : 1 + Math.floor(random() * 255))),
      );
      const encoded = cobsEncode(bytes);
      assert.ok(!encoded.includes(0) && encoded.length <= bytes.length + Math.floor(length / 254) + 1);
      const stream = Buffer.concat([Buffer.of(0, 0), encoded, Buffer.of(0), encoded, Buffer.of(0)]);
      for (const size of [1, 7, stream.length]) {
        const parser = new CobsParser(600);
        const units = [];
        for (let at = 0; at < stream.length; at += size)
          units.push(...parser.push(stream.subarray(at, at + size)));
        const frame = { kind: "frame", bytes: Uint8Array.from(bytes) };
        assert.deepEqual(units, [frame, frame], `${length} bytes, ${zeros} zeros`);
      }
    }
  }
});

test("cobs: what is too long or breaks off is noise, and the next frame is whole", () => {
  const parser = new CobsParser(3);
  const good = Buffer.of(0, 4, 1, 2, 3, 0);
  assert.deepEqual(parser.push(Buffer.concat([Buffer.of(5, 1, 2, 3, 4), good])), [
    { kind: "noise", why: "too-long" },
    { kind: "frame", bytes: Uint8Array.of(1, 2, 3) },
  ]);
  assert.deepEqual(parser.push(Buffer.concat([Buffer.of(9, 1, 2), good])), [
    { kind: "noise", why: "broken" },
    { kind: "frame", bytes: Uint8Array.of(1, 2, 3) },
  ]);
});

test("frames: a description's lines are commands and values; anything else is named", () => {
  const text = "a() Does a.\n\nb(x:u8,y:string):f32\nv:i16 °C\nw:bool\n";
  assert.deepEqual(parseDescription(Buffer.from(text), "b"), {
    commands: [
      { name: "a", parameters: [], summary: "Does a." },
      {
        name: "b",
        parameters: [
          { name: "x", type: "u8" },
          { name: "y", type: "string" },
        ],
        result: "f32",
        summary: "",
      },
    ],
    values: [
      { name: "v", type: "i16", unit: "°C" },
      { name: "w", type: "bool" },
    ],
  });
  for (const [wrong, message] of [
    ["a", /the line "a"; allowed: NAME/],
    ["a(x)", /parameters as NAME:TYPE/],
    ["a(x:u64)", /the types bool u8/],
    ["v:double", /the types bool u8/],
    ["__proto__:u8", /"__proto__" which is taken/],
    ["state:u8", /"state" which is taken/],
    ["describe()", /"describe" which is taken/],
    ["a()\na()", /"a" twice among its commands/],
    ["a(x:u8,x:u8)", /"x" twice among its parameters of a/],
    ["v:u8 \u0007", /control characters/],
    [Array.from({ length: 65 }, (_, index) => `v${index}:u8`).join("\n"), /65 values; allowed: 64/],
  ] as const) {
    assert.throws(() => parseDescription(Buffer.from(wrong), "b"), { code: "device-failed", message }, wrong);
  }
  assert.throws(() => parseDescription(Buffer.of(0xff), "b"), {
    message: "b: its description is no UTF-8 text",
  });
});

/** A driver with a board that a test plays by hand. */
function attach(timeout = 200) {
  const profile = {
    ...benchProfile({ kind: "simulate", what: "bench" }),
    driver: "frames",
    frames: { timeout },
  };
  const values: [string, DeviceValue][] = [];
  let redescribed = 0;
  const driver = createDriver(profile, {
    value: (name, value) => values.push([name, value]),
    failed: (name, error) => values.push([name, error.code]),
    redescribed: () => {
      redescribed += 1;
    },
  });
  const parser = new CobsParser(254);
  const say = (...payload: number[]) => {
    const crc = crc16(Uint8Array.from(payload));
    const frame = cobsEncode(Uint8Array.from([...payload, crc & 0xff, crc >> 8]));
    driver.received(Buffer.concat([Buffer.of(0), frame, Buffer.of(0)]));
  };
  /** What the board says to each question; a payload each. */
  const board = { answer: (_question: Buffer): number[][] => [] };
  const asked: Buffer[] = [];
  const port = {
    async write(bytes: Uint8Array) {
      for (const unit of parser.push(bytes)) {
        if (unit.kind !== "frame") continue;
        const question = Buffer.from(unit.bytes.subarray(0, -2));
        asked.push(question);
        queueMicrotask(() => {
          for (const payload of board.answer(question)) say(...payload);
        });
      }
    },
  };
  return { driver, board, say, asked, values, port, count: () => redescribed };
}

/** The payloads with which a board with that description answers hello and questions for it. */
function describing(text: string, instance = 1, payload = 16) {
  const bytes = Buffer.from(text);
  const check = crc16(bytes);
  const facts = [1, payload, bytes.length & 0xff, bytes.length >> 8, check & 0xff, check >> 8];
  const answer = (question: Buffer): number[][] => {
    const [kind, sequence = 0] = question;
    if (kind === 1) return [[0x81, instance, sequence, ...facts]];
    if (kind !== 2) return [];
    const offset = question.readUInt16LE(2);
    const piece = bytes.subarray(offset, offset + payload - 5);
    return [[0x82, instance, sequence, offset & 0xff, offset >> 8, ...piece]];
  };
  return { answer, hello: [0x81, instance, 0, ...facts] };
}

const never = () => new AbortController().signal;

test("frames: a silent board is asked again, and its calls fail with a timeout until it has said what it is", async (t) => {
  const { driver, board, asked, port, count } = attach(50);
  t.after(() => driver.detach(new TetherError("device-missing", "unplugged")));
  driver.attach(port);
  const describe = driver.commands.find(({ name }) => name === "describe");
  await assert.rejects(async () => await describe?.run({}, never()), {
    code: "timeout",
    message: /^bench has not said what it is within 50 ms/,
  });
  await until(() => asked.length >= 3, "more questions");
  const { answer } = describing("x():u8\n");
  board.answer = answer;
  await until(() => count() === 1, "the description");
  assert.equal(await describe?.run({}, never()), "x():u8\n");
});

test("frames: answers with another number are none, and a reset tells whoever waits", async (t) => {
  const { driver, board, say, asked, values, port, count } = attach(5_000);
  t.after(() => driver.detach(new TetherError("device-missing", "unplugged")));
  const first = describing("x():u8\nv:u16 V\nt:f32\n");
  board.answer = first.answer;
  driver.attach(port);
  await until(() => count() === 1, "the description");
  const x = driver.commands.find(({ name }) => name === "x");
  const asking = x?.run({}, never());
  await until(() => asked.at(-1)?.[0] === 3, "the call");
  const sequence = asked.at(-1)?.[1] ?? 0;
  say(0x83, 1, sequence - 1, 1);
  say(0x84, 1, sequence + 1, 3, 0x21);
  say(0x83, 1, sequence, 42);
  assert.equal(await asking, 42);

  say(0x85, 1, 0, 0x34, 0x12);
  say(0x85, 1, 1, 0, 0, 0xc0, 0x7f);
  say(0x85, 1, 0, 1);
  say(0x85, 1, 9, 1);
  say(0x86, 1, 0x68, 0x69, 0x0a);
  assert.deepEqual(values, [
    ["v", 0x1234],
    ["t", "device-failed"],
    ["v", "device-failed"],
    ["log", "hi"],
  ]);

  const lost = assert.rejects(async () => await x?.run({}, never()), {
    code: "device-failed",
    message: "bench has started anew: what it was doing is lost",
  });
  await until(() => asked.filter(([kind]) => kind === 3).length === 2, "the second call");
  say(...describing("x():u8\nv:u16 V\nt:f32\n", 2).hello);
  await lost;
  assert.equal(count(), 1, "the same description is not asked for again");

  // Seen by its values alone, when its hello was lost; and another program.
  const other = describing("y()\nv:u16\n", 3);
  board.answer = other.answer;
  say(0x85, 3, 0, 1, 0);
  await until(() => count() === 2, "the other description");
  assert.deepEqual(
    driver.commands.map(({ name }) => name),
    ["y", "describe"],
  );
  await assert.rejects(async () => await x?.run({}, never()), { code: "not-found" });
});

test("frames: what a board says wrongly about itself is told to its callers", async (t) => {
  for (const [hello, code, message] of [
    [[2, 16, 1, 0, 0, 0], "device-failed", /speaks version 2 of frames; allowed: 1/],
    [[1, 15, 1, 0, 0, 0], "device-failed", /messages of 15 bytes; allowed: 16 to 252/],
    [[1, 16, 0xff, 0xff, 0, 0], "device-failed", /description of 65535 bytes/],
    [[1, 16, 3, 0, 0, 0], "timeout", /its description came with a wrong CRC/],
  ] as const) {
    const { driver, board, port, values } = attach(100);
    t.after(() => driver.detach(new TetherError("device-missing", "unplugged")));
    const { answer } = describing("x()");
    board.answer = (question) =>
      question[0] === 1 ? [[0x81, 1, question[1] ?? 0, ...hello]] : answer(question);
    driver.attach(port);
    await assert.rejects(async () => await driver.commands[0]?.run({}, never()), { code, message });
    assert.deepEqual(values, code === "timeout" ? [] : [["log", code]], "told once without being asked");
  }
});

/** The library as a program, and a driver on its stdin and stdout. */
async function startLibrary(t: TestContext) {
  const child: ChildProcess = spawn(await buildFramesBoard(t), { stdio: "pipe" });
  let complaints = "";
  child.stderr?.on("data", (chunk) => {
    complaints += chunk;
  });
  const gone = once(child, "exit");
  const { driver, values, count } = attach(2_000);
  child.stdout?.on("data", (chunk) => driver.received(chunk));
  const write = async (bytes: Uint8Array) => void child.stdin?.write(bytes);
  driver.attach({ write });
  t.after(async () => {
    driver.detach(new TetherError("device-missing", "unplugged"));
    child.stdin?.end();
    assert.deepEqual(await gone, [0, null], complaints);
  });
  await until(() => count() === 1, `the description: ${complaints}`);
  const call = async (name: string, args: { readonly [name: string]: unknown } = {}) =>
    await driver.commands.find((each) => each.name === name)?.run(args, never());
  return { call, values, write };
}

test("frames: the C library, with sanitizers: every type, the largest messages and errors", {
  skip: missing("simavr"),
}, async (t) => {
  const { call, values } = await startLibrary(t);
  const args = {
    a: true,
    b: 200,
    c: 0,
    d: 4_000_000_000,
    e: -128,
    f: -1,
    g: -2_000_000_000,
    h: -0.5,
    s: "ä\0b",
  };
  assert.equal(await call("all", args), "1 200 0 4000000000 -128 -1 -2000000000 -0.5 ä");
  const longest = "x".repeat(200);
  assert.equal(
    await call("all", { ...args, a: false, s: longest }),
    `0 200 0 4000000000 -128 -1 -2000000000 -0.5 ${longest}`,
  );
  await assert.rejects(call("all", { ...args, b: 256 }), { code: "invalid", message: /b: 256; allowed/ });
  await assert.rejects(call("all", { ...args, s: "x".repeat(230) }), {
    code: "invalid",
    message: /allowed: 249/,
  });
  const alphabet = "abcdefghijklmnopqrstuvwxyz".repeat(10).slice(0, 248);
  assert.equal(await call("big"), alphabet);
  assert.deepEqual(values, [["text", alphabet]]);
  await assert.rejects(call("fail"), { code: "device-failed", message: "bench.fail: because" });
  await assert.rejects(call("undone"), { code: "device-failed", message: /does not have it/ });
  assert.equal(await call("nothing"), null);
});

test("frames: the C library bears a quarter of a million bytes of noise and broken calls", {
  skip: missing("simavr"),
}, async (t) => {
  const { call, write } = await startLibrary(t);
  const random = seeded(11);
  const byte = () => Math.floor(random() * 256);
  for (let round = 0; round < 250; round += 1) {
    await write(Buffer.from(Array.from({ length: 500 }, byte)));
    // Right in all but its arguments.
    const payload = Buffer.from([3, 0, byte() % 6, ...Array.from({ length: byte() % 249 }, byte)]);
    const crc = crc16(payload);
    const frame = cobsEncode(Buffer.concat([payload, Buffer.of(crc & 0xff, crc >> 8)]));
    await write(Buffer.concat([Buffer.of(0), frame, Buffer.of(0), frame.subarray(byte() % frame.length)]));
  }
  assert.equal(await call("nothing"), null);
});
