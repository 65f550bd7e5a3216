import assert from "node:assert/strict";
import type { KeyObject } from "node:crypto";
import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { once } from "node:events";
import { test } from "node:test";
import { type DiscoveryNote, discover, findAgent } from "../../controller/discovery/index.ts";
import {
  type AnswerContent,
  agentIdOf,
  decodeDatagram,
  encodeAnswer,
  fingerprintOf,
  type Question,
  signInContext,
  subjectPublicKeyInfo,
  TetherError,
} from "../../protocol/index.ts";
import { loopbackOnly, newIdentity, newInstance, testAgent, until } from "./test-agent.ts";

const identity = newIdentity();
const content: Omit<AnswerContent, "nonce"> = {
  instance: newInstance(),
  name: "greenhouse",
  addresses: ["127.0.0.1"],
  port: 7415,
  version: "0.1.0",
  tags: [],
};

/** Somebody on the link who answers questions in a way of his own. */
async function stranger(
  respond: (question: Question, reply: (bytes: Uint8Array) => void) => void,
): Promise<Socket> {
  const socket = createSocket("udp4");
  socket.bind(0, "0.0.0.0");
  await once(socket, "listening");
  socket.on("message", (bytes: Buffer, from: RemoteInfo) => {
    const question = decodeDatagram(bytes);
    if (question?.type !== "question") return;
    respond(question, (answer) => socket.send(answer, from.port, from.address));
  });
  return socket;
}

/** What a search finds where only this stranger answers. */
async function searchAmong(respond: Parameters<typeof stranger>[0]) {
  const notes: DiscoveryNote[] = [];
  const socket = await stranger(respond);
  try {
    const found = await discover({
      port: socket.address().port,
      timeout: 250,
      interfaces: loopbackOnly,
      onEvent: (note) => notes.push(note),
    });
    return {
      found,
      reasons: new Set(notes.map((note) => (note.kind === "refused" ? note.reason : note.kind))),
    };
  } finally {
    socket.close();
  }
}

/** The answer with its bytes changed and signed anew. */
function resigned(bytes: Buffer, change: (message: Buffer) => void, key: KeyObject, context: string): Buffer {
  const message = Buffer.from(bytes.subarray(0, -67));
  change(message);
  return Buffer.concat([message, bytes.subarray(-67, -64), signInContext(key, context, message)]);
}

const ANSWER = "tether-discovery-answer-v1";

test("an honest answer is believed", async () => {
  const { found, reasons } = await searchAmong(({ nonce }, reply) =>
    reply(encodeAnswer({ ...content, nonce }, identity.privateKey)),
  );
  assert.deepEqual(found, [
    {
      id: identity.id,
      name: "greenhouse",
      address: "127.0.0.1",
      port: 7415,
      version: "0.1.0",
      fingerprint: fingerprintOf(identity.publicKey),
      tags: [],
      instance: content.instance,
    },
  ]);
  assert.equal(reasons.size, 0);
});

test("a replayed answer is refused", async () => {
  let recorded: Buffer | undefined;
  await searchAmong(({ nonce }) => {
    recorded = encodeAnswer({ ...content, nonce }, identity.privateKey);
  });
  const replay = recorded;
  assert.ok(replay);
  const { found, reasons } = await searchAmong((_, reply) => reply(replay));
  assert.deepEqual(found, []);
  assert.deepEqual([...reasons], ["answers no question of ours"]);
});

test("an answer that its key did not sign is refused", async () => {
  const other = newIdentity();
  const forgeries: Record<string, (honest: Buffer) => Buffer> = {
    "another name": (honest) => {
      const forged = Buffer.from(honest);
      forged[forged.indexOf("greenhouse")] = 0x47;
      return forged;
    },
    "signed by another key": (honest) => resigned(honest, () => {}, other.privateKey, ANSWER),
    "signed as something else": (honest) =>
      resigned(honest, () => {}, identity.privateKey, "tether-discovery-goodbye-v1"),
    "another's key and signature under this id": (honest) =>
      resigned(
        honest,
        (message) => {
          const mine = subjectPublicKeyInfo(identity.publicKey);
          message.set(subjectPublicKeyInfo(other.publicKey), message.indexOf(mine));
        },
        other.privateKey,
        ANSWER,
      ),
    "another's id over this key": (honest) =>
      resigned(
        honest,
        (message) => message.set(Buffer.from(other.id), message.indexOf(identity.id)),
        identity.privateKey,
        ANSWER,
      ),
  };
  for (const [name, forge] of Object.entries(forgeries)) {
    const { found, reasons } = await searchAmong(({ nonce }, reply) =>
      reply(forge(encodeAnswer({ ...content, nonce }, identity.privateKey))),
    );
    assert.deepEqual(found, [], name);
    assert.deepEqual([...reasons], ["the signature or the id does not fit the key"], name);
  }
  assert.notEqual(agentIdOf(fingerprintOf(other.publicKey)), identity.id);
});

test("an unsigned answer, noise and an agent that signs no address count for nothing", async () => {
  const unsigned = await searchAmong(({ nonce }, reply) => {
    reply(encodeAnswer({ ...content, nonce }, identity.privateKey).subarray(0, -67));
    reply(Buffer.from("TTHR"));
    reply(Buffer.alloc(1_500));
  });
  assert.deepEqual(unsigned.found, []);
  const nowhere = await searchAmong(({ nonce }, reply) =>
    reply(encodeAnswer({ ...content, nonce, addresses: [] }, identity.privateKey)),
  );
  assert.deepEqual(nowhere.found, []);
  assert.deepEqual([...nowhere.reasons], ["no signed address can be reached"]);
});

test("each question has a nonce of its own, and an agent that was heard is asked no more", async () => {
  const nonces = new Set<string>();
  let questions = 0;
  await searchAmong(({ nonce }) => {
    questions++;
    nonces.add(Buffer.from(nonce).toString("hex"));
  });
  // Over loopback a question goes to its broadcast address and to 127.0.0.1.
  assert.ok(nonces.size >= 3, `${nonces.size} nonces`);
  assert.ok(questions > nonces.size);
  let exempting = 0;
  await searchAmong(({ nonce, have }, reply) => {
    if (have.length > 0) exempting++;
    reply(encodeAnswer({ ...content, nonce }, identity.privateKey));
  });
  assert.ok(exempting > 0);
});

test("a known agent and a target are asked where no broadcast goes; an unknown name is told of", async () => {
  const agent = testAgent();
  await agent.start();
  const notes: DiscoveryNote[] = [];
  const search = { port: agent.port, timeout: 300, interfaces: () => ({}) };
  try {
    assert.deepEqual(await discover(search), [], "no interface, no target");
    const known = [{ address: "127.0.0.1", port: 1 }];
    assert.equal((await discover({ ...search, known })).length, 1);
    assert.equal((await discover({ ...search, targets: ["[::1]"] }))[0]?.address, "::1");
    const targets = ["localhost", "no-such-host.invalid"];
    const found = await discover({ ...search, targets, onEvent: (note) => notes.push(note) });
    assert.equal(found.length, 1);
    await until(() => notes.length > 0, "the unknown name");
    assert.deepEqual(notes, [{ kind: "unresolved", target: "no-such-host.invalid" }]);
  } finally {
    await agent.stop();
  }
});

test("the agent with an id is found at once; a search can be aborted, and a port that is none is refused", async () => {
  const who = newIdentity();
  const agent = testAgent({ identity: who });
  await agent.start();
  const options = { port: agent.port, timeout: 30_000, interfaces: loopbackOnly };
  try {
    const begun = performance.now();
    assert.equal((await findAgent(who.id, options))?.id, who.id);
    assert.ok(performance.now() - begun < 10_000);
    assert.equal(await findAgent(identity.id, { ...options, timeout: 100 }), undefined);
    const abort = new AbortController();
    const search = discover({ ...options, signal: abort.signal });
    abort.abort(new TetherError("cancelled", "enough"));
    await assert.rejects(search, (thrown) => thrown instanceof TetherError && thrown.message === "enough");
    await assert.rejects(
      discover({ ...options, port: 0 }),
      (thrown) => thrown instanceof TetherError && thrown.code === "usage",
    );
  } finally {
    await agent.stop();
  }
});
