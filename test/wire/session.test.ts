import assert from "node:assert/strict";
import { test } from "node:test";
import { asTetherError, PROTOCOL, type Stream, TetherError, WIRE } from "../../protocol/index.ts";
import { tetherError } from "../identity/folder.ts";
import { BareSession, carry } from "./bare-session.ts";
import { END, jsonOf, KIND, MORE, rawFrame, rawHello, rawOpen, TYPE, u32 } from "./raw-frames.ts";

test("both sides say HELLO first and at once", () => {
  for (const side of ["agent", "controller"] as const) {
    const [hello, ...others] = new BareSession(side).frames();
    assert.equal(hello?.type, TYPE.hello);
    assert.equal(hello?.stream, 0);
    assert.equal(jsonOf(hello).protocol, PROTOCOL.version);
    assert.deepEqual(others, []);
  }
});

/** What the other side may not send, and what it is told. `greeted`: a HELLO came before. */
const wrong: readonly {
  readonly name: string;
  readonly bytes: readonly Buffer[];
  readonly code?: string;
  readonly message: RegExp;
  readonly greeted?: false;
}[] = [
  { name: "a PING before HELLO", bytes: [rawFrame(TYPE.ping)], message: /first frame/, greeted: false },
  { name: "an OPEN before HELLO", bytes: [rawOpen(1, 2, "{}")], message: /first frame/, greeted: false },
  { name: "an unknown frame before HELLO", bytes: [rawFrame(0x70)], message: /first frame/, greeted: false },
  { name: "a HELLO that is no JSON", bytes: [rawFrame(1, 0, "hello")], message: /not JSON/, greeted: false },
  { name: "a HELLO that is null", bytes: [rawFrame(1, 0, "null")], message: /`protocol`/, greeted: false },
  {
    name: "a HELLO whose version is no number",
    bytes: [rawHello({ protocol: "1" })],
    message: /`protocol`/,
    greeted: false,
  },
  {
    name: "a HELLO that is not UTF-8",
    bytes: [rawFrame(1, 0, Buffer.from([0xff]))],
    message: /JSON/,
    greeted: false,
  },
  { name: "a second HELLO", bytes: [rawHello()], message: /second HELLO/ },
  {
    name: "a frame over its bound",
    bytes: [rawFrame(TYPE.ping, 0, Buffer.alloc(65_537))],
    code: "limit",
    message: /65537/,
  },
  { name: "a PING of 9 bytes", bytes: [rawFrame(TYPE.ping, 0, "123456789")], message: /PING/ },
  { name: "OPEN on stream 0", bytes: [rawOpen(0, KIND.call, "{}")], message: /stream number 0/ },
  { name: "OPEN with the agent's parity", bytes: [rawOpen(2, KIND.call, "{}")], message: /stream number 2/ },
  {
    name: "OPEN with a number in use",
    bytes: [rawOpen(1, KIND.call, "{}"), rawOpen(1, KIND.call, "{}")],
    message: /stream number 1/,
  },
  { name: "OPEN without a kind", bytes: [rawFrame(TYPE.open, 1)], message: /without a kind/ },
  {
    name: "DATA inside an unfinished document",
    bytes: [rawOpen(1, KIND.call, '{"a":', MORE), rawFrame(TYPE.data, 1, "x")],
    message: /DATA inside/,
  },
  { name: "END and MORE together", bytes: [rawOpen(1, KIND.call, "{", END | MORE)], message: /END and MORE/ },
  {
    name: "a document after END",
    bytes: [rawOpen(1, KIND.call, "{}", END), rawFrame(TYPE.document, 1, "{}")],
    message: /after its end/,
  },
  {
    name: "DATA after END",
    bytes: [rawOpen(1, KIND.call, "{}"), rawFrame(TYPE.data, 1, "", END), rawFrame(TYPE.data, 1, "x")],
    message: /after its end/,
  },
  {
    name: "a document that is not UTF-8",
    bytes: [rawOpen(1, KIND.call, Buffer.from([0xc3, 0x28]))],
    message: /UTF-8/,
  },
  {
    name: "CREDIT of 3 bytes",
    bytes: [rawOpen(1, KIND.call, "{}"), rawFrame(TYPE.credit, 1, "abc")],
    message: /4 bytes/,
  },
  {
    name: "more credit than a window may have",
    bytes: [rawOpen(1, KIND.call, "{}"), rawFrame(TYPE.credit, 1, u32(0xffff_ffff))],
    code: "limit",
    message: /more credit than 67108864/,
  },
  {
    name: "more DATA than credit",
    bytes: [rawOpen(1, KIND.call, ""), rawFrame(TYPE.data, 1, Buffer.alloc(WIRE.initialWindow))],
    code: "limit",
    message: /more than its credit/,
  },
];

for (const { name, bytes, code = "invalid", message, greeted = true } of wrong) {
  test(`${name} ends the session, and the peer is told why`, () => {
    const agent = new BareSession("agent", {
      onOpen: (stream) => {
        // Whoever does not consume grants no credit.
        stream.handlers = { onData: () => undefined };
      },
    });
    if (greeted) agent.greet();
    agent.bytes();
    agent.receive(...bytes, rawFrame(TYPE.ping));
    assert.equal(agent.closed, 1);
    assert.equal(agent.reason?.code, code);
    assert.match(String(agent.reason?.message), message);
    const frames = agent.frames();
    const last = frames.at(-1);
    assert.equal(last?.type, TYPE.close, "CLOSE is the last frame");
    assert.deepEqual(jsonOf(last), { ...agent.reason?.toJSON() });
    assert.ok(!frames.some(({ type }) => type === TYPE.pong), "what comes after is not answered");
    assert.equal(agent.session.streamCount, 0);
  });
}

test("unknown frame types, stream kinds, flags and frames of streams that are over end nothing", () => {
  const texts: string[] = [];
  const agent = new BareSession("agent", {
    onOpen: (stream) => {
      stream.handlers = { onDocument: (text) => texts.push(text) };
    },
  }).greet();
  agent.bytes();
  agent.receive(
    rawFrame(0x05, 0, "of the connection"),
    rawFrame(0x15, 1, Buffer.alloc(200_000)),
    rawFrame(0xff),
    rawOpen(1, 200, "{}", END),
    rawFrame(TYPE.document, 1, "late"),
    rawFrame(TYPE.credit, 1, u32(5)),
    rawFrame(TYPE.reset, 99, "{}"),
    rawFrame(TYPE.pong, 0, "unasked"),
    rawOpen(3, KIND.call, "first", 0xf0 | 0x0c | END),
  );
  assert.equal(agent.closed, 0);
  const [reset, ...others] = agent.frames();
  assert.deepEqual(others, []);
  assert.equal(reset?.type, TYPE.reset);
  assert.equal(reset?.stream, 1);
  assert.equal(jsonOf(reset).code, "not-found");
  assert.deepEqual(texts, ["first"]);
});

test("an older and a newer peer talk; one that is too new or too old is refused with both versions", () => {
  const newer = new BareSession("agent").receive(
    rawHello({ protocol: 7, oldest: 1, features: ["warp", 3], software: "tether 9", shields: { up: true } }),
  );
  assert.equal(newer.closed, 0);
  assert.deepEqual(newer.hello, { protocol: 7, oldest: 1, software: "tether 9", features: ["warp"] });

  const bare = new BareSession("agent").receive(rawFrame(TYPE.hello, 0, '{"protocol":1,"oldest":1}'));
  assert.deepEqual(bare.hello?.features, []);

  for (const [protocol, oldest] of [
    [7, 2],
    [0, 0],
  ]) {
    const refused = new BareSession("agent").receive(rawHello({ protocol, oldest, software: "tether 9" }));
    assert.equal(refused.reason?.code, "invalid");
    assert.match(
      String(refused.reason?.message),
      new RegExp(`tether 9 speaks versions ${oldest} to ${protocol}.* 1 to 1`),
    );
    assert.equal(refused.reason?.hint, "update the older side");
    assert.equal(refused.hello, undefined);
  }
});

test("a PING comes back as PONG, and ping() hears of its own", () => {
  const agent = new BareSession("agent").greet();
  agent.bytes();
  agent.receive(rawFrame(TYPE.ping, 0, "12345678"), rawFrame(TYPE.ping));
  assert.deepEqual(
    agent.frames().map(({ type, payload }) => [type, String(payload)]),
    [
      [TYPE.pong, "12345678"],
      [TYPE.pong, ""],
    ],
  );
  const controller = new BareSession("controller");
  const other = new BareSession("agent");
  carry(controller, other);
  let pongs = 0;
  controller.session.ping(() => pongs++, 0);
  assert.equal(pongs, 0);
  carry(controller, other);
  assert.equal(pongs, 1);
});

test("a silent peer is asked after 5 s and given up after 15 s; one that answers is not", () => {
  const silent = new BareSession("agent").greet();
  silent.bytes();
  const at = (now: number) => {
    silent.now = now;
    silent.session.tick(now);
    return silent.frames().map(({ type }) => type);
  };
  assert.deepEqual(at(4_999), []);
  assert.deepEqual(at(5_000), [TYPE.ping]);
  assert.deepEqual(at(9_999), []);
  assert.deepEqual(at(10_000), [TYPE.ping]);
  assert.equal(silent.closed, 0);
  assert.deepEqual(at(15_000), [TYPE.close]);
  assert.equal(silent.reason?.code, "unreachable");

  const one = new BareSession("controller");
  const other = new BareSession("agent");
  for (let now = 0; now < 120_000; now += 1_000) {
    one.now = now;
    other.now = now;
    one.session.tick(now);
    other.session.tick(now);
    carry(one, other);
  }
  assert.equal(one.closed + other.closed, 0);
});

test("a document spans frames and streams, whatever the pieces", () => {
  const text = `{"text":"${"é€😀".repeat(40_000)}"}`;
  const bytes = Buffer.from(text);
  for (const size of [1_000, 4_097, 65_536]) {
    const texts: string[] = [];
    let ends = 0;
    const agent = new BareSession("agent", {
      onOpen: (stream) => {
        stream.handlers = { onDocument: (whole) => texts.push(whole), onEnd: () => ends++ };
      },
    }).greet();
    const at = [0, 0];
    agent.receive(rawOpen(1, KIND.call, "", MORE), rawOpen(3, KIND.call, "", MORE));
    // Two documents, interleaved.
    while ((at[0] as number) < bytes.length) {
      for (const index of [0, 1]) {
        const from = at[index] as number;
        at[index] = from + size;
        const last = from + size >= bytes.length;
        agent.receive(
          rawFrame(TYPE.document, 1 + 2 * index, bytes.subarray(from, from + size), last ? END : MORE),
        );
      }
    }
    assert.equal(agent.reason, undefined);
    assert.deepEqual(texts, [text, text]);
    assert.equal(ends, 2);
  }
});

test("a document over its bound ends its stream and no other", () => {
  let reset: TetherError | undefined;
  const agent = new BareSession("agent", {
    documentBytes: 1_000,
    onOpen: (stream) => {
      stream.handlers = {
        onReset: (error) => {
          reset = error;
        },
      };
    },
  }).greet();
  agent.bytes();
  const piece = Buffer.alloc(400, 0x20);
  agent.receive(rawOpen(1, KIND.call, piece, MORE), rawFrame(TYPE.document, 1, piece, MORE));
  agent.receive(rawFrame(TYPE.document, 1, piece, MORE), rawFrame(TYPE.document, 1, piece, MORE));
  const [frame, ...others] = agent.frames().filter(({ type }) => type !== TYPE.credit);
  assert.deepEqual(others, []);
  assert.equal(frame?.type, TYPE.reset);
  assert.equal(jsonOf(frame).code, "limit");
  assert.match(String(reset?.message), /more than 1000 bytes/);
  agent.receive(rawOpen(3, KIND.call, Buffer.alloc(1_001, 0x20)));
  assert.equal(agent.frames()[0]?.type, TYPE.reset, "also in one frame");
  assert.equal(agent.closed, 0);
});

test("unfinished documents of all streams together are bounded, and forgotten with their streams", () => {
  const agent = new BareSession("agent", { documentBytes: WIRE.unfinishedDocuments }).greet();
  agent.bytes();
  const piece = Buffer.alloc(WIRE.documentFrame - 1, 0x20);
  const streams = Math.ceil(WIRE.unfinishedDocuments / piece.length);
  const openAll = (from: number) => {
    for (let at = 0; at < streams; at++) agent.receive(rawOpen(from + 2 * at, KIND.call, piece, MORE));
    return agent.frames().filter(({ type }) => type === TYPE.reset).length;
  };
  assert.equal(openAll(1), 1, "the last one was too many");
  assert.equal(agent.session.streamCount, streams - 1);
  for (let at = 0; at < streams; at++) agent.receive(rawFrame(TYPE.reset, 1 + 2 * at));
  assert.equal(agent.session.streamCount, 0);
  assert.equal(openAll(100_001), 1, "and there is room again");
});

test("a peer opens at most 1,024 streams at once", () => {
  const agent = new BareSession("agent").greet();
  agent.bytes();
  for (let at = 0; at < WIRE.streams; at++) agent.receive(rawOpen(2 * at + 1, KIND.call, "", MORE));
  assert.equal(agent.session.streamCount, WIRE.streams);
  agent.receive(rawOpen(5_001, KIND.call, "", MORE));
  const [reset] = agent.frames();
  assert.equal(reset?.type, TYPE.reset);
  assert.equal(reset?.stream, 5_001);
  assert.equal(jsonOf(reset).code, "busy");
  agent.receive(rawFrame(TYPE.reset, 1), rawOpen(5_003, KIND.call, "", MORE));
  assert.equal(agent.session.streamCount, WIRE.streams);
  assert.equal(agent.closed, 0);
});

test("one side opens at most 1,024 streams at once, with odd numbers here and even ones there", () => {
  for (const [side, first] of [
    ["controller", 1],
    ["agent", 2],
  ] as const) {
    const { session } = new BareSession(side);
    const streams = Array.from({ length: WIRE.streams }, () => session.open("call", "{}", false, {}));
    assert.deepEqual(
      streams.slice(0, 3).map(({ id }) => id),
      [first, first + 2, first + 4],
    );
    assert.throws(() => session.open("call", "{}", false, {}), tetherError("limit", /1024 streams/));
    streams[0]?.reset(new TetherError("cancelled", "enough"));
    assert.equal(session.open("call", "{}", false, {}).id, first + 2 * WIRE.streams);
  }
});

test("RESET and CLOSE tell everybody who waits, once, and with the reason that came", () => {
  const controller = new BareSession("controller").greet();
  const told: (TetherError | string)[] = [];
  const handlers = {
    onEnd: () => told.push("end"),
    onReset: (error: TetherError) => told.push(error),
  };
  const streams = [1, 2, 3].map(() => controller.session.open("call", "{}", true, handlers));
  const reason = { code: "timeout", message: "too late", hint: "sooner" };
  controller.receive(rawFrame(TYPE.reset, 1, JSON.stringify(reason)), rawFrame(TYPE.reset, 1));
  assert.deepEqual(
    told.map((error) => asTetherError(error).toJSON()),
    [reason],
  );
  controller.receive(rawFrame(TYPE.reset, 3, "not json"));
  assert.equal((told[1] as TetherError).code, "cancelled");
  controller.receive(rawFrame(TYPE.close, 0, JSON.stringify({ code: "unauthorized", message: "revoked" })));
  assert.equal((told[2] as TetherError).code, "unauthorized");
  assert.equal(told.length, 3);
  assert.equal(controller.closed, 1);
  assert.equal(controller.reason?.message, "revoked");
  assert.ok(streams.every((stream) => stream.isOver));
  controller.session.close(new TetherError("internal", "again"));
  controller.session.abandon(undefined);
  assert.equal(controller.closed, 1, "the end comes once");
  assert.throws(() => controller.session.open("call", "{}", true, {}), tetherError("unreachable", /closed/));
});

test("an empty CLOSE ends in peace", () => {
  const agent = new BareSession("agent").greet();
  agent.receive(rawFrame(TYPE.close));
  assert.equal(agent.closed, 1);
  assert.equal(agent.reason, undefined);
});

test("a handler that fails ends its own session, and the peer learns nothing of it", () => {
  const agent = new BareSession("agent", {
    onOpen: (stream) => {
      stream.handlers = {
        onDocument: () => {
          throw new TypeError("secret");
        },
      };
    },
  }).greet();
  agent.bytes();
  agent.receive(rawOpen(1, KIND.call, "{}"));
  assert.equal(agent.reason?.code, "internal");
  assert.match(String(agent.reason?.cause), /secret/);
  assert.doesNotMatch(String(agent.bytes()), /secret/);
});

test("a stream that is refused while it opens leaves nothing behind", () => {
  const agent = new BareSession("agent", {
    documentBytes: WIRE.unfinishedDocuments,
    onOpen: (stream: Stream) => stream.reset(new TetherError("unauthorized", "not you")),
  }).greet();
  const piece = Buffer.alloc(WIRE.documentFrame - 1, 0x20);
  for (let at = 0; at < 1_100; at++) agent.receive(rawOpen(2 * at + 1, KIND.call, piece, MORE));
  const frames = agent.frames();
  assert.equal(frames.length, 1_101);
  assert.ok(
    frames.slice(1).every((frame) => jsonOf(frame).code === "unauthorized"),
    "never a limit",
  );
  assert.equal(agent.session.streamCount, 0);
});
