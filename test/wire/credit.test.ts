import assert from "node:assert/strict";
import { test } from "node:test";
import { type Stream, type TetherError, WIRE } from "../../protocol/index.ts";
import { BareSession, carry } from "./bare-session.ts";
import { END, jsonOf, KIND, MORE, rawFrame, rawOpen, TYPE, u32 } from "./raw-frames.ts";

const MiB = 1 << 20;

/** Bytes of stream `id` that frames carry, the kind of OPEN included. */
function sentOn(id: number, frames: readonly { stream: number; type: number; payload: Buffer }[]): number {
  const types: number[] = [TYPE.open, TYPE.document, TYPE.data];
  const own = frames.filter(({ stream, type }) => stream === id && types.includes(type));
  return own.reduce((sum, { payload }) => sum + payload.length, 0);
}

for (const what of ["documents", "DATA"] as const) {
  test(`a sender of ${what} sends what it has credit for and no byte more`, () => {
    const controller = new BareSession("controller").greet();
    const stream = controller.session.open("call", "{}", false, {});
    if (what === "DATA") stream.sendData(Buffer.alloc(MiB, 1), 3, true);
    else stream.sendDocument(`"${"x".repeat(MiB - 2)}"`, true);
    const frames = controller.frames();
    let sent = sentOn(stream.id, frames);
    assert.equal(sent, WIRE.initialWindow);
    assert.deepEqual(controller.frames(), [], "nothing more without credit");
    for (const credit of [1, 100_000, 65_536]) {
      controller.receive(rawFrame(TYPE.credit, stream.id, u32(credit)));
      const more = controller.frames();
      assert.equal(sentOn(stream.id, more), credit);
      assert.ok(more.every(({ flags }) => !(flags & END)));
      sent += credit;
    }
    controller.receive(rawFrame(TYPE.credit, stream.id, u32(2 * MiB)));
    const last = controller.frames();
    assert.equal(sent + sentOn(stream.id, last), MiB + 3, "OPEN has three bytes");
    assert.equal(last.filter(({ flags }) => flags & END).length, 1);
    assert.ok((last.at(-1)?.flags ?? 0) & END);
    assert.ok(what === "documents" || last.every(({ flags }) => flags >> 4 === 3), "the channel stays");
  });
}

test("a reader that does not consume holds one window; consuming lets as much more come", () => {
  let held = 0;
  let taken: Stream | undefined;
  const agent = new BareSession("agent", {
    onOpen: (stream) => {
      taken = stream;
      stream.handlers = {
        onData: (bytes) => {
          held += bytes.length;
        },
      };
    },
  });
  const controller = new BareSession("controller");
  const stream = controller.session.open("call", "", false, {});
  let drained = 0;
  stream.handlers = { onDrain: () => drained++ };
  stream.sendData(Buffer.alloc(10 * MiB));
  carry(controller, agent);
  // OPEN took one byte of the window.
  assert.equal(held, WIRE.initialWindow - 1);
  taken?.consumed(WIRE.initialWindow / 2 - 1);
  carry(controller, agent);
  assert.equal(held, WIRE.initialWindow - 1, "small pieces are not granted one by one");
  taken?.consumed(1);
  carry(controller, agent);
  assert.equal(held, 1.5 * WIRE.initialWindow - 1);
  taken?.grant(4 * MiB);
  carry(controller, agent);
  assert.equal(held, 4 * MiB + 1.5 * WIRE.initialWindow - 1);
  assert.equal(drained, 0);
  assert.equal(stream.isWaiting, true);
  taken?.grant(10 * MiB);
  carry(controller, agent);
  assert.equal(held, 10 * MiB);
  assert.equal(drained, 1);
  assert.equal(stream.isWaiting, false);
});

test("documents are granted again whole, so that any number of them passes one stream", () => {
  const texts: string[] = [];
  const agent = new BareSession("agent", {
    onOpen: (stream) => {
      stream.handlers = { onDocument: (text) => texts.push(text) };
    },
  });
  const controller = new BareSession("controller");
  const stream = controller.session.open("call", "0", false, {});
  for (let at = 1; at <= 40; at++) stream.sendDocument(`"${at}${" ".repeat(60_000)}"`, at === 40);
  carry(controller, agent);
  assert.deepEqual(
    texts.map((text) => Number.parseInt(text.replace('"', ""), 10)),
    Array.from({ length: 41 }, (_, at) => at),
  );
});

test("two streams share the line, and a small call overtakes 50 MiB", () => {
  const controller = new BareSession("controller").greet();
  const bulk = [1, 2].map(() => controller.session.open("call", "", false, {}));
  controller.bytes();
  for (const stream of bulk) {
    controller.receive(rawFrame(TYPE.credit, stream.id, u32(60 * MiB)));
    stream.sendData(Buffer.alloc(50 * MiB));
  }
  const sent = [0, 0];
  for (let round = 0; round < 40; round++) {
    const frames = controller.frames(512 * 1024);
    for (const [index, stream] of bulk.entries())
      sent[index] = (sent[index] ?? 0) + sentOn(stream.id, frames);
    const apart = Math.abs((sent[0] ?? 0) - (sent[1] ?? 0));
    assert.ok(apart <= WIRE.framePayload, `after round ${round} they are ${apart} bytes apart`);
  }
  assert.ok((sent[0] ?? 0) >= 9 * MiB);
  const call = controller.session.open("call", '{"method":"small"}', true, {});
  const [first] = controller.frames(512 * 1024);
  assert.equal(first?.stream, call.id, "the call is the next frame on the wire");
  controller.session.ping(() => undefined, 0);
  assert.equal(controller.frames(512 * 1024)[0]?.type, TYPE.ping);
});

test("what waits for a reader who grants nothing is bounded over all streams", () => {
  const refused: TetherError[] = [];
  let asked = 0;
  // Each answer is 16 MiB.
  const answer = `"${"x".repeat(16 * MiB - 2)}"`;
  const agent = new BareSession("agent", {
    onOpen: (stream) => {
      stream.handlers = {
        onDocument: () => stream.sendDocument(answer, true),
        onReset: (error) => refused.push(error),
      };
    },
  }).greet();
  const ask = () => agent.receive(rawOpen(2 * asked++ + 1, KIND.call, "{}", END));
  const room = WIRE.waitingDocuments / (16 * MiB);
  for (let at = 0; at < room; at++) ask();
  assert.equal(refused.length, 0);
  agent.bytes();
  agent.receive(rawFrame(TYPE.credit, 1, u32(16 * MiB)));
  agent.bytes();
  ask();
  assert.equal(refused.length, 0, "what was sent made room");
  ask();
  assert.equal(refused.length, 1);
  const reset = agent.frames().find(({ type }) => type === TYPE.reset);
  assert.equal(jsonOf(reset).code, "limit");
  // Streams that are over do not count.
  for (let at = 0; at < asked; at++) agent.receive(rawFrame(TYPE.reset, 2 * at + 1, "{}"));
  refused.length = 0;
  for (let at = 0; at < room; at++) ask();
  assert.equal(refused.length, 0);
  assert.equal(agent.closed, 0);
});

test("credit that comes in pieces never passes the largest window unnoticed", () => {
  const controller = new BareSession("controller").greet();
  const stream = controller.session.open("call", "{}", false, {});
  for (let at = 0; at < 63; at++) controller.receive(rawFrame(TYPE.credit, stream.id, u32(MiB)));
  assert.equal(controller.closed, 0);
  controller.receive(rawFrame(TYPE.credit, stream.id, u32(MiB)));
  assert.equal(controller.reason?.code, "limit");
});

test("a stream that ends takes back nothing that others wait for", () => {
  const controller = new BareSession("controller").greet();
  const [one, other] = [1, 2].map(() => controller.session.open("call", "", false, {}));
  controller.bytes();
  one?.sendData(Buffer.alloc(MiB));
  other?.sendData(Buffer.from("other"), 0, true);
  controller.receive(rawFrame(TYPE.reset, one?.id, "{}"));
  const frames = controller.frames();
  assert.deepEqual(
    frames.map(({ stream, payload }) => [stream, String(payload)]),
    [[other?.id, "other"]],
  );
});

test("a peer that breaks a document off in a reset takes its bytes back", () => {
  const agent = new BareSession("agent").greet();
  for (let at = 0; at < 3_000; at++) {
    agent.receive(
      rawOpen(2 * at + 1, KIND.call, Buffer.alloc(60_000, 0x20), MORE),
      rawFrame(TYPE.reset, 2 * at + 1),
    );
  }
  assert.equal(agent.closed, 0);
  assert.ok(agent.frames().every(({ type }) => type !== TYPE.reset));
});
