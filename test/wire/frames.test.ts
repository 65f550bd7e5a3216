import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeFrame, type Frame, FrameDecoder, WIRE } from "../../protocol/index.ts";
import { tetherError } from "../identity/folder.ts";
import { END, MORE, rawFrame, TYPE, u32 } from "./raw-frames.ts";

const frames = [
  { type: TYPE.hello, flags: 0, stream: 0, payload: '{"protocol":1}' },
  { type: TYPE.ping, flags: 0, stream: 0, payload: "" },
  { type: TYPE.open, flags: END, stream: 1, payload: '\x02{"method":"x"}' },
  { type: TYPE.data, flags: END | 0x30, stream: 0xffff_ffff, payload: "some bytes" },
  { type: TYPE.data, flags: END, stream: 3, payload: "" },
  { type: TYPE.document, flags: MORE, stream: 3, payload: "é" },
  { type: TYPE.credit, flags: 0, stream: 3, payload: "\0\0\0\x07" },
  { type: TYPE.reset, flags: 0, stream: 3, payload: "{}" },
  { type: TYPE.close, flags: 0, stream: 0, payload: "" },
];
const bytes = Buffer.concat(frames.map((f) => rawFrame(f.type, f.stream, f.payload, f.flags)));

/** What a decoder made of chunks, with the pieces of DATA joined again. */
function decode(chunks: readonly Buffer[]) {
  const decoder = new FrameDecoder();
  const whole: { type: number; flags: number; stream: number; payload: string }[] = [];
  let piece: Frame | undefined;
  for (const frame of chunks.flatMap((chunk) => decoder.push(chunk))) {
    const payload = Buffer.concat([piece?.payload ?? Buffer.alloc(0), frame.payload]);
    // Only the last piece keeps END, and every DATA frame of the table has END.
    piece = frame.type === TYPE.data && !(frame.flags & END) ? { ...frame, payload } : undefined;
    if (piece === undefined) whole.push({ ...frame, payload: payload.toString("utf8") });
  }
  return whole;
}

test("frames are the same however the connection cuts them", () => {
  assert.deepEqual(decode([bytes]), frames, "glued");
  assert.deepEqual(decode([...bytes].map((byte) => Buffer.from([byte]))), frames, "byte by byte");
  for (let cut = 0; cut <= bytes.length; cut++) {
    assert.deepEqual(decode([bytes.subarray(0, cut), bytes.subarray(cut)]), frames, `cut at ${cut}`);
  }
});

test("a frame is written as it is read", () => {
  for (const { type, flags, stream, payload } of frames) {
    assert.deepEqual(encodeFrame(type, flags, stream, payload), rawFrame(type, stream, payload, flags));
  }
  assert.equal(
    encodeFrame(TYPE.data, END, 0x01020304, Buffer.from([0xaa])).toString("hex"),
    "00000001120101020304aa",
  );
});

test("a frame that is kept outlives the chunk in which it came", () => {
  const decoder = new FrameDecoder();
  const chunk = Buffer.from(rawFrame(TYPE.open, 1, "\x02abc"));
  assert.deepEqual(decoder.push(chunk.subarray(0, 12)), []);
  const half = chunk.subarray(12);
  const [frame] = decoder.push(half);
  half.fill(0);
  assert.equal(String(frame?.payload), "\x02abc");
});

for (const [name, type, most] of [
  ["HELLO", TYPE.hello, WIRE.documentFrame],
  ["CLOSE", TYPE.close, WIRE.documentFrame],
  ["PING", TYPE.ping, WIRE.documentFrame],
  ["PONG", TYPE.pong, WIRE.documentFrame],
  ["OPEN", TYPE.open, WIRE.documentFrame],
  ["DOCUMENT", TYPE.document, WIRE.documentFrame],
  ["CREDIT", TYPE.credit, WIRE.documentFrame],
  ["RESET", TYPE.reset, WIRE.documentFrame],
  ["DATA", TYPE.data, WIRE.framePayload],
  ["an unknown frame", 0x7f, WIRE.framePayload],
] as const) {
  test(`${name} has at most ${most} bytes, refused from its header alone`, () => {
    const header = (length: number) => Buffer.concat([u32(length), Buffer.from([type, 0]), u32(1)]);
    assert.deepEqual(new FrameDecoder().push(header(most)), []);
    const error = tetherError("limit", new RegExp(`type ${type} with ${most + 1} bytes.*at most ${most}`));
    assert.throws(() => new FrameDecoder().push(header(most + 1)), error);
    assert.throws(
      () => new FrameDecoder().push(header(0xffff_ffff)),
      tetherError("limit", /4294967295 bytes/),
    );
  });
}

test("frames of unknown types are skipped, also in pieces", () => {
  const unknown = rawFrame(0x77, 9, Buffer.alloc(1_000, 1));
  const all = Buffer.concat([unknown, rawFrame(TYPE.ping, 0, "1"), unknown, rawFrame(TYPE.ping, 0, "2")]);
  for (const size of [1, 7, 10, 11, all.length]) {
    const decoder = new FrameDecoder();
    const pings: string[] = [];
    for (let at = 0; at < all.length; at += size) {
      for (const frame of decoder.push(all.subarray(at, at + size))) pings.push(String(frame.payload));
    }
    assert.deepEqual(pings, ["1", "2"], `pieces of ${size}`);
  }
});

test("DATA passes without being gathered", () => {
  const decoder = new FrameDecoder();
  const frame = rawFrame(TYPE.data, 1, Buffer.alloc(WIRE.framePayload, 5), END);
  const lengths: number[] = [];
  for (let at = 0; at < frame.length; at += 16_384) {
    const chunk = frame.subarray(at, at + 16_384);
    for (const piece of decoder.push(chunk)) {
      assert.equal(piece.payload.buffer, chunk.buffer, "a piece is a view of what came");
      assert.equal((piece.flags & END) !== 0, at + 16_384 >= frame.length, "only the last piece ends");
      lengths.push(piece.payload.length);
    }
  }
  assert.equal(
    lengths.reduce((sum, length) => sum + length),
    WIRE.framePayload,
  );
});
