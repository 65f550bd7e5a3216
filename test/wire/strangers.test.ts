import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { type TestContext, test } from "node:test";
import { type AgentProcess, startAgent } from "../agent-process.ts";
import { until } from "../firmware-bridge/until.ts";
import { identityOf, RawController, strangerIdentity } from "./raw-controller.ts";
import { callText, END, jsonOf, KIND, MORE, rawFrame, rawHello, rawOpen, TYPE } from "./raw-frames.ts";

/** Calls once on a connection of its own. */
async function callOnce(agent: AgentProcess, identity: string): Promise<unknown> {
  const controller = await RawController.connect(agent.port, identity);
  try {
    controller.greet().send(rawOpen(1, KIND.call, callText("math.multiply", [6, 7]), END));
    return jsonOf(await controller.next(TYPE.document, 1)).result;
  } finally {
    controller.destroy();
  }
}

async function tcp(t: TestContext, port: number): Promise<Socket> {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => undefined).resume();
  t.after(() => socket.destroy());
  await once(socket, "connect");
  return socket;
}

test("who stalls is ended by the limits, while a paired controller is served", {
  concurrency: true,
}, async (t) => {
  const agent = await startAgent(t);
  const paired = identityOf(await agent.pair());
  const stranger = strangerIdentity();

  await Promise.all([
    t.test("a handshake that never ends is dropped after 10 s", async (t) => {
      const start = performance.now();
      const sockets = await Promise.all(Array.from({ length: 40 }, () => tcp(t, agent.port)));
      // The beginning of a ClientHello, a byte at a time.
      const drip = setInterval(() => {
        for (const [index, socket] of sockets.entries())
          if (index % 2 === 0) socket.write(Buffer.from([0x16]));
      }, 2_000);
      t.after(() => clearInterval(drip));
      for (const socket of sockets) socket.write(Buffer.from([0x16, 3, 1, 2, 0]));
      // Not `once`: a reset is an end as good as any other.
      const ends = sockets.map((socket) => new Promise((resolve) => socket.once("close", resolve)));
      await Promise.all(sockets.map((socket, index) => socket.destroyed || ends[index]));
      const taken = performance.now() - start;
      assert.ok(taken > 9_000 && taken < 100_000, `${taken} ms`);
    }),
    t.test("an unpaired connection is ended after 10 s, whatever it says meanwhile", async () => {
      const start = performance.now();
      const controller = (await RawController.connect(agent.port, stranger)).greet();
      const talk = setInterval(() => controller.send(rawFrame(TYPE.ping)), 500);
      const close = await controller.closed();
      clearInterval(talk);
      assert.equal(jsonOf(close).code, "timeout");
      const taken = performance.now() - start;
      assert.ok(taken > 9_000 && taken < 100_000, `${taken} ms`);
    }),
    t.test(
      "a paired connection that says nothing is given up after 15 s; one that answers PINGs is not",
      async () => {
        const start = performance.now();
        const silent = await RawController.connect(agent.port, paired);
        const answering = (await RawController.connect(agent.port, paired)).greet();
        let pings = 0;
        const answered = (async () => {
          while ((await answering.next(TYPE.ping)) !== undefined) {
            pings++;
            answering.send(rawFrame(TYPE.pong));
          }
        })();
        const close = await silent.closed();
        assert.equal(jsonOf(close).code, "unreachable");
        const taken = performance.now() - start;
        assert.ok(taken >= 15_000 && taken < 150_000, `${taken} ms`);
        assert.equal(answering.isClosed, false);
        assert.ok(pings >= 2, `${pings} pings`);
        answering.destroy();
        await answered;
      },
    ),
    t.test("meanwhile calls are answered", async () => {
      const call = async () => {
        const start = performance.now();
        assert.equal(await callOnce(agent, paired), 42);
        const taken = performance.now() - start;
        assert.ok(taken < 30_000, `${taken} ms`);
      };
      for (let n = 0; n < 50; n++) await call();
      await agent.line("handshake-failed");
      for (let n = 0; n < 50; n++) await call();
    }),
  ]);
  const failed = agent.log.filter(({ event }) => event === "handshake-failed");
  assert.equal(failed.length, 20, "the first of them are lines");
  assert.ok(failed.every(({ address }) => address === "127.0.0.1"));
  assert.equal((await agent.tetherd(["status"])).code, 0);
  await agent.stop();
  const leftOut = agent.log.find(({ event }) => event === "refusals-left-out");
  assert.ok(Number(leftOut?.count) >= 20, "the others are counted");
});

test("an unpaired connection may send 64 KiB", async (t) => {
  const agent = await startAgent(t);
  const controller = (await RawController.connect(agent.port, strangerIdentity())).greet();
  const before = rawHello().length;
  const frame = rawFrame(0x7f, 0, Buffer.alloc(65_536 - before - 20));
  controller.send(frame, rawFrame(TYPE.ping));
  assert.notEqual(await controller.next(TYPE.pong), undefined, "64 KiB exactly are well");
  controller.send(rawFrame(TYPE.ping));
  assert.equal(jsonOf(await controller.closed()).code, "limit");
});

test("the 33rd unpaired connection is refused, a paired one is not, and a place that is left is free", async (t) => {
  const agent = await startAgent(t);
  const paired = identityOf(await agent.pair());
  const stranger = strangerIdentity();
  const connectStranger = async () => {
    const controller = await RawController.connect(agent.port, stranger);
    t.after(() => controller.destroy());
    return controller.greet().send(rawFrame(TYPE.ping));
  };
  const held = await Promise.all(Array.from({ length: 32 }, connectStranger));
  for (const controller of held) assert.notEqual(await controller.next(TYPE.pong), undefined);
  // Without a key at all, it is the same.
  const keyless = await RawController.connect(agent.port, undefined);
  assert.equal(jsonOf(await keyless.closed()).code, "limit");
  for (let at = 0; at < 50; at++) {
    const refused = await connectStranger();
    const close = await refused.closed();
    assert.equal(jsonOf(close).code, "limit");
    assert.match(String(jsonOf(close).message), /32 unpaired/);
  }
  assert.equal(await callOnce(agent, paired), 42);
  held[0]?.destroy();
  await until(async () => {
    const controller = await connectStranger();
    const answer = await controller.frame(({ type }) => type === TYPE.pong || type === TYPE.close);
    return answer?.type === TYPE.pong;
  }, "a free place");

  const lines = agent.log.filter(({ event }) => event === "connection-refused");
  assert.equal(lines.length, 20, "the first refusals of an address are lines");
  assert.ok(lines.every(({ address, code }) => address === "127.0.0.1" && code === "limit"));
  await agent.stop();
  const leftOut = agent.log.find(({ event }) => event === "refusals-left-out");
  assert.ok(Number(leftOut?.count) >= 31, "the others are counted");
});

test("a stranger may pair and nothing else, and holds no memory with what it begins", async (t) => {
  const agent = await startAgent(t);
  const controller = (await RawController.connect(agent.port, strangerIdentity())).greet();
  assert.equal(jsonOf(await controller.next(TYPE.hello)).agent, undefined);
  for (const kind of [2, 3, 4, 5]) {
    controller.send(rawOpen(2 * kind + 1, kind, "{}", END));
    const { code } = jsonOf(await controller.next(TYPE.reset, 2 * kind + 1));
    assert.ok(code === "unauthorized", `kind ${kind}: ${code}`);
  }
  for (let stream = 101; stream < 4_000; stream += 2) controller.send(rawOpen(stream, KIND.pair, "{", MORE));
  controller.send(rawFrame(TYPE.ping));
  assert.notEqual(await controller.next(TYPE.pong), undefined);
  const line = await agent.line("unauthorized");
  assert.equal(line.address, "127.0.0.1");
  assert.match(String(line.fingerprint), /^SHA256:/);
});

test("what is no TLS 1.3 with a known protocol is no session", async (t) => {
  const agent = await startAgent(t);
  const identity = identityOf(await agent.pair());
  await assert.rejects(
    RawController.connect(agent.port, identity, { maxVersion: "TLSv1.2" }),
    /protocol version/,
  );
  await assert.rejects(
    RawController.connect(agent.port, identity, { ALPNProtocols: ["h2"] }),
    /application protocol/,
  );
  const plain = await tcp(t, agent.port);
  plain.write("GET / HTTP/1.1\r\n\r\n");
  await once(plain, "close");
  const line = await agent.line("handshake-failed", ({ message }) => /http request/i.test(message));
  assert.equal(line.address, "127.0.0.1");
  assert.equal(await callOnce(agent, identity), 42);
});

test("what a stranger gives as a reason is one short line of the log", async (t) => {
  const agent = await startAgent(t);
  const controller = (await RawController.connect(agent.port, strangerIdentity())).greet();
  const message = `\u001b[2J\nfake line ${"x".repeat(60_000)}`;
  controller.send(rawFrame(TYPE.close, 0, JSON.stringify({ code: "internal", message })));
  const line = await agent.line("disconnected");
  assert.ok(line.message.length < 500);
  assert.equal(line.address, "127.0.0.1");
});
