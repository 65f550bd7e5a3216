import assert from "node:assert/strict";
import { createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes, verify } from "node:crypto";
import { test } from "node:test";
import {
  type AnswerContent,
  asksAgent,
  DISCOVERY,
  decodeDatagram,
  encodeAnnouncement,
  encodeAnswer,
  encodeGoodbye,
  encodeQuestion,
  fingerprintOf,
  keyHash,
  TetherError,
  verifyAnswer,
  verifyGoodbye,
} from "../../protocol/index.ts";

/** RFC 8032 §7.1, test 1, as PKCS #8: Ed25519 signatures are the same every time. */
const privateKey = createPrivateKey({
  key: Buffer.from(
    "302e020100300506032b6570042204209d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
    "hex",
  ),
  format: "der",
  type: "pkcs8",
});
const publicKey = createPublicKey(privateKey);
const id = "a3r73d62fg5wbk2z";
const nonce = Buffer.from("000102030405060708090a0b0c0d0e0f", "hex");
const content: AnswerContent = {
  nonce,
  instance: "0011223344556677",
  name: "grün",
  addresses: ["10.77.1.2", "fe80::1"],
  port: 7415,
  version: "0.1.0",
  tags: ["lab"],
};

test("each datagram is these bytes", () => {
  const table: [string, Buffer, string][] = [
    [
      "question",
      encodeQuestion(nonce, [fingerprintOf(publicKey)]).subarray(0, 41),
      "545448520101" + // TTHR, version, type
        "010010000102030405060708090a0b0c0d0e0f" + // nonce
        `0a000a${keyHash(publicKey).subarray(0, 10).toString("hex")}` + // have
        "000487", // padding
    ],
    [
      "answer, but for its signature",
      encodeAnswer(content, privateKey).subarray(0, -64),
      "545448520102" +
        "010010000102030405060708090a0b0c0d0e0f" +
        `020010${Buffer.from(id).toString("hex")}` +
        `03002c302a300506032b6570032100d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a` +
        "0400080011223344556677" +
        "0700021cf7" +
        "080005302e312e30" +
        "0500056772c3bc6e" +
        "0600040a4d0102" +
        "060010fe800000000000000000000000000001" +
        "0900036c6162" +
        "0b0040",
    ],
    [
      "announcement",
      encodeAnnouncement(id, "0011223344556677"),
      `545448520103020010${Buffer.from(id).toString("hex")}0400080011223344556677`,
    ],
    [
      "goodbye, but for its signature",
      encodeGoodbye("0011223344556677", privateKey).subarray(0, -64),
      `545448520104020010${Buffer.from(id).toString("hex")}04000800112233445566770b0040`,
    ],
  ];
  for (const [name, bytes, expected] of table) assert.equal(bytes.toString("hex"), expected, name);
  assert.equal(encodeQuestion(nonce).length, 1_200);
  for (const [context, bytes] of [
    ["tether-discovery-answer-v1", encodeAnswer(content, privateKey)],
    ["tether-discovery-goodbye-v1", encodeGoodbye(content.instance, privateKey)],
  ] as const) {
    const signed = Buffer.concat([Buffer.from(`${context}\0`), bytes.subarray(0, -67)]);
    assert.ok(verify(null, signed, publicKey, bytes.subarray(-64)), context);
  }
});

test("what was written is read again", () => {
  const answer = decodeDatagram(encodeAnswer(content, privateKey));
  assert.equal(answer?.type, "answer");
  const { key: _, signed: __, signature: ___, nonce: read, ...rest } = answer;
  const { nonce: sent, ...expected } = content;
  assert.deepEqual({ ...rest }, { ...expected, type: "answer", id });
  assert.deepEqual(Buffer.from(read), sent);
  assert.equal(verifyAnswer(answer)?.fingerprint, fingerprintOf(publicKey));
  const goodbye = decodeDatagram(encodeGoodbye(content.instance, privateKey));
  assert.equal(goodbye?.type, "goodbye");
  assert.ok(verifyGoodbye(goodbye, publicKey));
  assert.ok(!verifyGoodbye(goodbye, generateKeyPairSync("ed25519").publicKey));
  assert.deepEqual(decodeDatagram(encodeAnnouncement(id, content.instance)), {
    type: "announcement",
    id,
    instance: content.instance,
  });
});

test("a question exempts the agents that it names, as many as fit", () => {
  const others = Array.from({ length: 300 }, () => `SHA256:${randomBytes(32).toString("base64")}`);
  const bytes = encodeQuestion(nonce, others);
  assert.equal(bytes.length, DISCOVERY.datagram);
  const question = decodeDatagram(bytes);
  assert.equal(question?.type, "question");
  const exempt = others.filter((one) => !asksAgent(question, Buffer.from(one.slice(7), "base64")));
  assert.deepEqual(exempt, others.slice(0, exempt.length));
  assert.ok(exempt.length > 100, `${exempt.length} fit`);
  assert.ok(asksAgent(question, keyHash(publicKey)));
});

test("an answer is never larger than a question, whatever the agent has", () => {
  const bytes = encodeAnswer(
    {
      ...content,
      name: "ü".repeat(128),
      version: "9".repeat(DISCOVERY.versionBytes),
      addresses: Array.from({ length: 99 }, (_, i) => `2001:db8::${i.toString(16)}`),
      tags: Array.from({ length: 99 }, (_, i) => `${i}`.padEnd(DISCOVERY.tagLength, "ü")),
    },
    privateKey,
  );
  assert.ok(bytes.length <= DISCOVERY.datagram, `${bytes.length} bytes`);
  const answer = decodeDatagram(bytes);
  assert.equal(answer?.type, "answer");
  assert.ok(verifyAnswer(answer));
  assert.equal(answer.addresses.length, DISCOVERY.addresses);
  assert.ok(answer.tags.length > 0);
});

test("a name that could steer a terminal is neither sent nor taken", () => {
  for (const name of ["", "a\u001b[2J", "a\nb", "a\u202eb", "x".repeat(257)]) {
    assert.throws(
      () => encodeAnswer({ ...content, name }, privateKey),
      (thrown) => thrown instanceof TetherError && thrown.code === "invalid",
    );
  }
  const bytes = encodeAnswer({ ...content, name: "abcd" }, privateKey);
  bytes[bytes.indexOf("abcd")] = 0x1b;
  assert.equal(decodeDatagram(bytes), undefined);
});

test("an unknown field is skipped; a malformed datagram is none", () => {
  const good = encodeAnnouncement(id, content.instance);
  const unknown = Buffer.concat([good, Buffer.from("c80003616263", "hex")]);
  assert.equal(decodeDatagram(unknown)?.type, "announcement");
  const answer = encodeAnswer(content, privateKey);
  const at = (bytes: Buffer, index: number, value: number) => {
    const copy = Buffer.from(bytes);
    copy[index] = value;
    return copy;
  };
  const bad: Record<string, Buffer> = {
    empty: Buffer.alloc(0),
    "another magic": at(good, 0, 0x55),
    "another version": at(good, 4, 2),
    "another type": at(good, 5, 9),
    "cut in a field": good.subarray(0, -1),
    "cut in a field's header": Buffer.concat([good, Buffer.from([0, 0])]),
    "a field twice": Buffer.concat([good, good.subarray(6)]),
    "a length beyond the end": at(good, 8, 0xff),
    "an id in capitals": at(good, 9, 0x41),
    "bytes after the signature": Buffer.concat([answer, Buffer.from([0, 0, 0])]),
    "no signature": answer.subarray(0, -67),
    "port 0": Buffer.from(answer.toString("hex").replace("0700021cf7", "0700020000"), "hex"),
    "a short question": encodeQuestion(nonce).subarray(0, -1),
    "a question without nonce": at(encodeQuestion(nonce), 6, 200),
    "a question too long": Buffer.concat([encodeQuestion(nonce), Buffer.from([0, 0, 0])]),
  };
  for (const [name, bytes] of Object.entries(bad)) assert.equal(decodeDatagram(bytes), undefined, name);
});

test("no bytes make the reader throw, and no changed answer is believed", () => {
  const answer = encodeAnswer(content, privateKey);
  for (let i = 0; i < answer.length * 8; i++) {
    const flipped = Buffer.from(answer);
    flipped[i >> 3] = (flipped[i >> 3] ?? 0) ^ (1 << (i & 7));
    const read = decodeDatagram(flipped);
    if (read?.type === "answer") assert.equal(verifyAnswer(read), undefined, `bit ${i}`);
  }
  for (let i = 0; i < 20_000; i++) {
    const noise = randomBytes(Math.floor(Math.random() * DISCOVERY.datagram));
    const start = Math.floor(Math.random() * 40);
    const mixed = Buffer.concat([answer.subarray(0, start), noise]);
    const read = decodeDatagram(mixed);
    if (read?.type === "answer") assert.equal(verifyAnswer(read), undefined);
  }
});
