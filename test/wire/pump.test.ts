import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { Duplex } from "node:stream";
import { type TestContext, test } from "node:test";
import { pumpSession, type Session, type Stream, type TetherError, WIRE } from "../../protocol/index.ts";
import { until } from "../firmware-bridge/until.ts";
import { callText, KIND, rawFrame, rawHello, rawOpen, splitFrames, TYPE } from "./raw-frames.ts";

interface Pumped {
  readonly session: Session;
  readonly connection: Duplex;
  readonly reasons: (TetherError | undefined)[];
}

/** An agent's session over one end of a connection. */
function pump(connection: Duplex, onOpen: (stream: Stream) => void, clock = () => performance.now()): Pumped {
  const reasons: (TetherError | undefined)[] = [];
  const session = pumpSession(
    connection,
    {
      side: "agent",
      hello: { protocol: 1, oldest: 1, software: "tested", features: [] },
      documentBytes: 1 << 20,
      events: { onHello: () => undefined, onOpen, onClosed: (reason) => reasons.push(reason) },
    },
    clock,
  );
  return { session, connection, reasons };
}

/** Two ends of a TCP connection, which ends with the test. */
async function tcpPair(t: TestContext): Promise<readonly [Socket, Socket]> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const near = connect((server.address() as { port: number }).port, "127.0.0.1");
  const [far] = (await once(server, "connection")) as [Socket];
  server.close();
  t.after(() => {
    near.destroy();
    far.destroy();
  });
  return [near, far];
}

test("what becomes ready in one tick is written at once", async () => {
  const writes: number[] = [];
  const connection = new Duplex({
    read: () => undefined,
    writev(chunks, done) {
      writes.push(chunks.length);
      done();
    },
  });
  const { session } = pump(connection, () => undefined);
  const streams = Array.from({ length: 50 }, () => session.open("call", "{}", true, {}));
  assert.equal(writes.length, 0);
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(writes, [1], "HELLO and fifty calls in one buffer");
  assert.equal(streams.length, 50);
});

test("a peer that asks and never reads is not read any more, and memory stays bounded", async (t) => {
  const [peer, socket] = await tcpPair(t);
  let asked = 0;
  let now = 0;
  const agent = pump(
    socket,
    (stream) => {
      stream.handlers = {
        onDocument() {
          asked++;
          stream.sendDocument(`"${"x".repeat(30_000)}"`, true);
        },
      };
    },
    () => now,
  );
  peer.pause();
  peer.write(rawHello());
  const question = rawOpen(1, KIND.call, callText("math.add", [1]));
  let sent = 0;
  // Far more than sockets and queues hold: 100,000 answers are 3 GB.
  const calls = 100_000;
  const flood = () => {
    while (sent < calls && !peer.destroyed) {
      question.writeUInt32BE(2 * sent++ + 1, 6);
      if (!peer.write(Buffer.from(question))) return void peer.once("drain", flood);
    }
  };
  flood();
  await until(() => socket.isPaused(), "the pause");
  const before = asked;
  const held = () => agent.session.queuedBytes + socket.writableLength;
  // One chunk of 64 KiB may hold a thousand calls; nothing comes after it.
  assert.ok(held() <= WIRE.queuedOutput + 64 * 1024 * 400, `${held()} bytes wait`);
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(asked, before, "no call is taken while answers wait");
  assert.equal(agent.session.isClosed, false);

  await t.test("and is given up when it takes nothing for 15 s", () => {
    now = 14_999;
    agent.session.tick(now);
    assert.equal(agent.session.isClosed, false);
    now = 15_000;
    agent.session.tick(now);
    assert.equal(agent.reasons[0]?.code, "unreachable");
  });
});

test("a peer that reads slowly is served to the end, and is no dead one", async (t) => {
  const [peer, socket] = await tcpPair(t);
  let now = 0;
  const agent = pump(
    socket,
    (stream) => {
      stream.handlers = { onDocument: () => stream.sendDocument(`"${"x".repeat(60_000)}"`, true) };
    },
    () => now,
  );
  const calls = 1_000;
  peer.write(rawHello());
  for (let at = 0; at < calls; at++)
    peer.write(rawOpen(2 * at + 1, KIND.call, callText("text.upper", ["x"]), 1));
  await until(() => socket.isPaused(), "the pause");
  let answers = 0;
  let rest: Buffer = Buffer.alloc(0);
  peer.on("data", (chunk: Buffer) => {
    // Each chunk takes a twentieth of a second of the session's clock.
    now += 50;
    agent.session.tick(now);
    const { frames, rest: left } = splitFrames(Buffer.concat([rest, chunk]));
    rest = left;
    answers += frames.filter(({ type }) => type === TYPE.document).length;
  });
  await until(() => answers === calls || agent.session.isClosed, "all answers");
  assert.equal(answers, calls);
  assert.ok(now > 2 * WIRE.heartbeatTimeout);
  assert.equal(agent.session.isClosed, false);
});

for (const [name, end, message] of [
  ["hangs up", (peer: Socket) => peer.end(), /hung up/],
  ["breaks", (peer: Socket) => peer.resetAndDestroy(), /ECONNRESET|broke/],
] as const) {
  test(`a connection that ${name} ends the session once`, async (t) => {
    const [peer, socket] = await tcpPair(t);
    let reset: TetherError | undefined;
    const agent = pump(socket, (stream) => {
      stream.handlers = {
        onReset: (error) => {
          reset = error;
        },
      };
    });
    peer.on("error", () => undefined);
    peer.write(Buffer.concat([rawHello(), rawOpen(1, KIND.call, "{}")]));
    await until(() => agent.session.streamCount === 1, "the stream");
    end(peer);
    await until(() => socket.destroyed, "the end");
    assert.equal(agent.reasons.length, 1);
    assert.equal(agent.reasons[0]?.code, "unreachable");
    assert.match(String(agent.reasons[0]?.message), message);
    assert.equal(reset, agent.reasons[0]);
  });
}

test("the last words are written, and the connection is ended after them", async (t) => {
  const [peer, socket] = await tcpPair(t);
  pump(socket, () => undefined);
  const received: Buffer[] = [];
  peer.on("data", (chunk: Buffer) => received.push(chunk));
  peer.write(Buffer.concat([rawHello(), rawFrame(TYPE.ping, 0, "1"), rawHello()]));
  await once(peer, "end");
  const { frames, rest } = splitFrames(Buffer.concat(received));
  assert.equal(rest.length, 0);
  assert.deepEqual(
    frames.map(({ type }) => type),
    [TYPE.hello, TYPE.pong, TYPE.close],
  );
});
