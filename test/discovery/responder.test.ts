import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import type { Socket } from "node:dgram";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { test } from "node:test";
import { AnswerRate } from "../../agent/discovery/answer-rate.ts";
import { discover } from "../../controller/discovery/index.ts";
import {
  type Answer,
  DISCOVERY,
  decodeDatagram,
  encodeAnswer,
  encodeGoodbye,
  encodeQuestion,
  type JsonObject,
  NONCE_BYTES,
  TetherError,
} from "../../protocol/index.ts";
import { loopbackOnly, newIdentity, newInstance, testAgent, udpSocket, until } from "./test-agent.ts";

/** Asks until an answer to this very question comes. */
async function ask(port: number): Promise<{ answer: Answer; bytes: Buffer }> {
  const nonce = randomBytes(NONCE_BYTES);
  let got: { answer: Answer; bytes: Buffer } | undefined;
  const socket = await udpSocket((bytes) => {
    const answer = decodeDatagram(bytes);
    if (answer?.type === "answer" && nonce.equals(answer.nonce)) got = { answer, bytes };
  });
  try {
    socket.send(encodeQuestion(nonce), port, "127.0.0.1");
    await until(() => got !== undefined, "an answer");
  } finally {
    socket.close();
  }
  assert.ok(got);
  return got;
}

/** Sends them one by one, no faster than the agent in this process reads them: none is lost. */
async function sendAll(socket: Socket, datagrams: Iterable<Uint8Array>, port: number): Promise<void> {
  for (const bytes of datagrams) {
    await new Promise<void>((resolve) => socket.send(bytes, port, "127.0.0.1", () => setImmediate(resolve)));
  }
}

test("5,000 bad datagrams get no answer and stop nothing", async () => {
  const identity = newIdentity();
  const agent = testAgent({ identity });
  await agent.start();
  let answers = 0;
  const socket = await udpSocket(() => answers++);
  try {
    const good = [
      encodeQuestion(randomBytes(NONCE_BYTES)),
      encodeAnswer(
        {
          nonce: randomBytes(NONCE_BYTES),
          instance: newInstance(),
          name: "a",
          addresses: ["10.0.0.1"],
          port: 1,
          version: "1",
          tags: [],
        },
        identity.privateKey,
      ),
      encodeGoodbye(newInstance(), identity.privateKey),
    ];
    const bad = function* () {
      for (let i = 0; i < 5_000; i++) {
        const base = good[i % good.length] ?? Buffer.alloc(0);
        switch (i % 5) {
          case 0:
            yield randomBytes(Math.floor(Math.random() * 3_000));
            break;
          case 1:
            yield base.subarray(0, Math.floor(Math.random() * (base.length - 1)));
            break;
          case 2:
            yield Buffer.concat([base, randomBytes(1 + Math.floor(Math.random() * 400))]);
            break;
          case 3:
            yield Buffer.concat([base.subarray(0, 6), randomBytes(DISCOVERY.datagram - 6)]);
            break;
          default: {
            const changed = Buffer.from(base);
            // Within the header and the nonce's own: a question stays none.
            changed[Math.floor(Math.random() * 9)] = 0x99;
            yield changed;
          }
        }
      }
    };
    await sendAll(socket, bad(), agent.port);
    const { answer } = await ask(agent.port);
    assert.equal(answer.id, identity.id);
    assert.equal(answers, 0);
  } finally {
    socket.close();
    await agent.stop();
  }
});

test("an answer is signed, names loopback to loopback and is no larger than the question", async () => {
  const agent = testAgent({
    name: "ü".repeat(60),
    tags: Array.from({ length: 16 }, (_, i) => `${i}`.padEnd(32, "x")),
  });
  await agent.start();
  try {
    const { answer, bytes } = await ask(agent.port);
    assert.ok(bytes.length <= DISCOVERY.datagram, `${bytes.length} bytes`);
    assert.equal(answer.addresses[0], "127.0.0.1");
    assert.equal(answer.tags.length, 16);
  } finally {
    await agent.stop();
  }
});

test("20 answers a second go to an address, and the flood is one line in the log", async () => {
  const lines: JsonObject[] = [];
  const agent = testAgent({ now: () => 1_000, log: (event, details) => lines.push({ event, ...details }) });
  await agent.start();
  let answers = 0;
  const socket = await udpSocket(() => answers++);
  try {
    const questions = Array.from({ length: 60 }, () => encodeQuestion(randomBytes(NONCE_BYTES)));
    await sendAll(socket, questions, agent.port);
    await until(() => answers === DISCOVERY.answersPerAddress && lines.length > 0, "20 answers");
    // Datagrams on loopback keep their order: what is sent now comes after every other answer.
    await sendAll(socket, questions, agent.port);
    assert.equal(answers, DISCOVERY.answersPerAddress);
    assert.equal(lines.length, 1);
    assert.equal(lines[0]?.event, "discovery-refused");
    assert.equal(lines[0]?.from, "127.0.0.1");
  } finally {
    socket.close();
    await agent.stop();
  }
});

test("the rate is exact in any second, for one address and in all, and forgets addresses beyond its bound", () => {
  const rate = new AnswerRate();
  const taken = (address: string, from: number, to: number) => {
    let count = 0;
    for (let time = from; time < to; time++) if (rate.take(address, time)) count++;
    return count;
  };
  assert.equal(taken("a", 0, 1_000), 20);
  assert.equal(taken("a", 1_000, 1_020), 20);
  assert.equal(taken("a", 1_020, 2_000), 0);
  let all = 0;
  for (let i = 0; i < 5_000; i++) if (rate.take(`address ${i}`, 5_000)) all++;
  assert.equal(all, DISCOVERY.signatures);
  assert.equal(rate.size, DISCOVERY.addressesTracked);
});

test("several agents of one machine share the port and are all found", async () => {
  const first = testAgent({ name: "one" });
  await first.start();
  const agents = [first, ...["two", "three"].map((name) => testAgent({ name, port: first.port }))];
  try {
    for (const agent of agents.slice(1)) await agent.start();
    const found = await discover({ port: first.port, timeout: 400, interfaces: loopbackOnly });
    assert.deepEqual(
      found.map((agent) => [agent.name, agent.address, agent.port]),
      ["one", "three", "two"].map((name) => [name, "127.0.0.1", 7415]),
    );
  } finally {
    await Promise.all(agents.map((agent) => agent.stop()));
  }
});

test("a service that the asker cannot reach, or that does not listen yet, is not told of", async () => {
  let port = 0;
  const agent = testAgent({ servicePort: () => port });
  const elsewhere = testAgent({ serviceHost: () => "10.99.99.99" });
  await agent.start();
  await elsewhere.start();
  try {
    assert.deepEqual(await discover({ port: elsewhere.port, timeout: 200, interfaces: loopbackOnly }), []);
    assert.deepEqual(await discover({ port: agent.port, timeout: 200, interfaces: loopbackOnly }), []);
    port = 4711;
    const [found] = await discover({ port: agent.port, timeout: 200, interfaces: loopbackOnly });
    assert.equal(found?.port, 4711);
  } finally {
    await Promise.all([agent.stop(), elsewhere.stop()]);
  }
});

test("a port that another program keeps to itself is one clear error, and so is a name that cannot be sent", async () => {
  const other = createSocket("udp4");
  other.bind(0, "0.0.0.0");
  await once(other, "listening");
  try {
    const port = other.address().port;
    await assert.rejects(
      testAgent({ port }).start(),
      (thrown) =>
        thrown instanceof TetherError && thrown.code === "busy" && thrown.message.includes(`${port}`),
    );
  } finally {
    other.close();
  }
  await assert.rejects(
    testAgent({ name: "a\u001bb" }).start(),
    (thrown) => thrown instanceof TetherError && thrown.code === "invalid",
  );
});
