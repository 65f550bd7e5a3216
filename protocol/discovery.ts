/**
 * The datagrams by which a controller finds agents on the link, over UDP.
 *
 *      0               4       5       6
 *     +-------+-------+-------+-------+-------+-------+-- - - - --+
 *     | 'T'   | 'T'   | 'H'   | 'R'   |version| type  |  fields   |
 *     +-------+-------+-------+-------+-------+-------+-- - - - --+
 *
 *     a field:
 *     +-------+-------+-------+-- - - - --+
 *     | kind  |    length     |   value   |
 *     +-------+-------+-------+-- - - - --+
 *
 * Numbers are big-endian, texts UTF-8 without control characters. A field of unknown kind is skipped, a
 * datagram of unknown version or type is dropped; a malformed one is dropped too, without an answer.
 *
 * | kind | field | value |
 * | --- | --- | --- |
 * | 0 | padding | any bytes, any number of times |
 * | 1 | nonce | 16 random bytes |
 * | 2 | id | 16 letters, those that follow from the key |
 * | 3 | key | SubjectPublicKeyInfo of an Ed25519 key, 44 bytes (RFC 8410 §4) |
 * | 4 | instance | 8 random bytes, new at each start of the agent |
 * | 5 | name | text |
 * | 6 | address | 4 or 16 bytes, repeated, the one most likely to be reached first |
 * | 7 | port | 2 bytes, TCP |
 * | 8 | version | text, of the program |
 * | 9 | tag | text, repeated |
 * | 10 | have | the first 10 bytes of each agent's key hash that need not answer |
 * | 11 | signature | 64 bytes, always last, over the context, a zero byte and all bytes before this field |
 *
 * | type | datagram | fields | signed under |
 * | --- | --- | --- | --- |
 * | 1 | question | nonce, have, padding up to 1,200 bytes | |
 * | 2 | answer | nonce, id, key, instance, port, version, name, addresses, tags | `tether-discovery-answer-v1` |
 * | 3 | announcement | id, instance | |
 * | 4 | goodbye | id, instance | `tether-discovery-goodbye-v1` |
 *
 * A question of fewer than 1,200 bytes gets no answer, and no answer has more, so that an agent is of no
 * use for flooding a third party. Announcements prove nothing: they only make a controller ask.
 */
import { createPublicKey, type KeyObject } from "node:crypto";
import { addressFromBytes, addressToBytes } from "./addresses.ts";
import { TetherError } from "./errors.ts";
import {
  agentIdOf,
  formatFingerprint,
  keyHash,
  SIGNATURE_BYTES,
  signInContext,
  subjectPublicKeyInfo,
  verifyInContext,
} from "./keys.ts";
import { DISCOVERY } from "./limits.ts";

const MAGIC = 0x54544852;
const VERSION = 1;
const HEADER = 6;
const FIELD_HEADER = 3;

const TYPE = { question: 1, answer: 2, announcement: 3, goodbye: 4 } as const;
const KIND = {
  padding: 0,
  nonce: 1,
  id: 2,
  key: 3,
  instance: 4,
  name: 5,
  address: 6,
  port: 7,
  version: 8,
  tag: 9,
  have: 10,
  signature: 11,
} as const;

const ANSWER_CONTEXT = "tether-discovery-answer-v1";
const GOODBYE_CONTEXT = "tether-discovery-goodbye-v1";

/** Bytes of a question's nonce. */
export const NONCE_BYTES = 16;
/** Bytes of an agent's instance. */
const INSTANCE_BYTES = 8;
/** The IPv6 group that agents join: link-local and not assigned by IANA (RFC 4291 §2.7, RFC 3307 §4.3). */
export const DISCOVERY_GROUP = "ff12::8000:7415";
/**
 * All nodes of the link (RFC 4291 §2.7.1), asked besides the group: switches never prune it (RFC 4541 §3),
 * and it reaches an agent that has not yet joined the group on a new interface.
 */
export const ALL_NODES_GROUP = "ff02::1";

const SHORT_HASH = 10;
const ED25519_SPKI_BYTES = 44;

/** The port on which watching controllers hear announcements; undefined where there is no next port. */
export function announcementPort(port: number): number | undefined {
  return port < 65_535 ? port + 1 : undefined;
}

/** A controller asks. */
export interface Question {
  readonly type: "question";
  readonly nonce: Uint8Array;
  /** Short hashes of agents that need not answer, ten bytes each, end to end. */
  readonly have: Uint8Array;
}

/** An agent answers; nothing of it holds before {@link verifyAnswer}. */
export interface Answer {
  readonly type: "answer";
  readonly nonce: Uint8Array;
  readonly id: string;
  /** SubjectPublicKeyInfo. */
  readonly key: Uint8Array;
  /** Hexadecimal. */
  readonly instance: string;
  readonly name: string;
  /** IP addresses without zones. */
  readonly addresses: readonly string[];
  readonly port: number;
  readonly version: string;
  readonly tags: readonly string[];
  readonly signed: Uint8Array;
  readonly signature: Uint8Array;
}

/** An agent has started or has new addresses; not signed. */
export interface Announcement {
  readonly type: "announcement";
  readonly id: string;
  readonly instance: string;
}

/** An agent stops; nothing of it holds before {@link verifyGoodbye}. */
export interface Goodbye {
  readonly type: "goodbye";
  readonly id: string;
  readonly instance: string;
  readonly signed: Uint8Array;
  readonly signature: Uint8Array;
}

export type DiscoveryDatagram = Question | Answer | Announcement | Goodbye;

/** What an agent says of itself. */
export interface AnswerContent {
  readonly nonce: Uint8Array;
  /** Hexadecimal, 8 bytes. */
  readonly instance: string;
  readonly name: string;
  /** IP addresses, best first; those beyond the limit or the datagram's room are left out. */
  readonly addresses: readonly string[];
  readonly port: number;
  readonly version: string;
  /** Tags beyond the limit or the datagram's room are left out. */
  readonly tags: readonly string[];
}

/**
 * Writes a question of exactly `DISCOVERY.datagram` bytes.
 *
 * `have` holds fingerprints of agents that need not answer; those beyond the datagram's room are left out.
 */
export function encodeQuestion(nonce: Uint8Array, have: readonly string[] = []): Buffer {
  const fields = [field(KIND.nonce, nonce)];
  const room = DISCOVERY.datagram - HEADER - 3 * FIELD_HEADER - NONCE_BYTES;
  const hashes = have.slice(0, Math.floor(room / SHORT_HASH)).map(shortHash);
  if (hashes.length > 0) fields.push(field(KIND.have, Buffer.concat(hashes)));
  const left = DISCOVERY.datagram - HEADER - FIELD_HEADER - byteLength(fields);
  fields.push(field(KIND.padding, Buffer.alloc(left)));
  return datagram(TYPE.question, fields);
}

/**
 * Writes and signs an answer of at most `DISCOVERY.datagram` bytes.
 *
 * Throws `invalid` when the name, the version or a tag is empty, too long or holds control characters.
 */
export function encodeAnswer(content: AnswerContent, privateKey: KeyObject): Buffer {
  const port = Buffer.alloc(2);
  port.writeUInt16BE(content.port);
  const fields = [
    field(KIND.nonce, content.nonce),
    field(KIND.id, Buffer.from(idOf(privateKey))),
    field(KIND.key, subjectPublicKeyInfo(privateKey)),
    field(KIND.instance, Buffer.from(content.instance, "hex")),
    field(KIND.port, port),
    textField(KIND.version, content.version, DISCOVERY.versionBytes, "the version"),
    textField(KIND.name, content.name, DISCOVERY.nameBytes, "the agent's name"),
  ];
  const tags = content.tags
    .slice(0, DISCOVERY.tags)
    .map((tag) => textField(KIND.tag, tag, 4 * DISCOVERY.tagLength, "a tag"));
  const addresses = content.addresses
    .slice(0, DISCOVERY.addresses)
    .flatMap((address) => addressToBytes(address) ?? [])
    .map((bytes) => field(KIND.address, bytes));
  let room = DISCOVERY.datagram - HEADER - FIELD_HEADER - SIGNATURE_BYTES - byteLength(fields);
  for (const candidate of [...addresses, ...tags]) {
    if (candidate.length > room) continue;
    room -= candidate.length;
    fields.push(candidate);
  }
  return signedDatagram(TYPE.answer, fields, ANSWER_CONTEXT, privateKey);
}

/** Writes an announcement. */
export function encodeAnnouncement(id: string, instance: string): Buffer {
  return datagram(TYPE.announcement, [
    field(KIND.id, Buffer.from(id)),
    field(KIND.instance, Buffer.from(instance, "hex")),
  ]);
}

/** Writes and signs a goodbye of this instance. */
export function encodeGoodbye(instance: string, privateKey: KeyObject): Buffer {
  const fields = [
    field(KIND.id, Buffer.from(idOf(privateKey))),
    field(KIND.instance, Buffer.from(instance, "hex")),
  ];
  return signedDatagram(TYPE.goodbye, fields, GOODBYE_CONTEXT, privateKey);
}

/** Reads a datagram; undefined for anything that is none. Never throws, and holds no more than its input. */
export function decodeDatagram(bytes: Uint8Array): DiscoveryDatagram | undefined {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.length < HEADER || view.length > DISCOVERY.datagram) return undefined;
  if (view.readUInt32BE(0) !== MAGIC || view[4] !== VERSION) return undefined;
  const fields = readFields(view);
  if (!fields) return undefined;
  switch (view[5]) {
    case TYPE.question:
      return readQuestion(fields, view.length);
    case TYPE.answer:
      return readAnswer(fields, view);
    case TYPE.announcement:
      return readAnnouncement(fields);
    case TYPE.goodbye:
      return readGoodbye(fields, view);
    default:
      return undefined;
  }
}

/** True when the question asks the agent of this key hash, which no `have` field exempts. */
export function asksAgent(question: Question, hash: Uint8Array): boolean {
  const short = Buffer.from(hash).subarray(0, SHORT_HASH);
  for (let at = 0; at < question.have.length; at += SHORT_HASH) {
    if (short.equals(question.have.subarray(at, at + SHORT_HASH))) return false;
  }
  return true;
}

/** The fingerprint of the key that signed the answer, when the id follows from it; otherwise undefined. */
export function verifyAnswer(answer: Answer): { fingerprint: string; key: KeyObject } | undefined {
  const key = readKey(answer.key);
  if (!key || !verifyInContext(key, ANSWER_CONTEXT, answer.signed, answer.signature)) return undefined;
  const fingerprint = formatFingerprint(keyHash(key));
  return agentIdOf(fingerprint) === answer.id ? { fingerprint, key } : undefined;
}

/** True when the goodbye was signed by this key. The caller compares id and instance. */
export function verifyGoodbye(goodbye: Goodbye, key: KeyObject): boolean {
  return verifyInContext(key, GOODBYE_CONTEXT, goodbye.signed, goodbye.signature);
}

type Fields = ReadonlyMap<number, readonly Buffer[]>;

function readFields(view: Buffer): Fields | undefined {
  const fields = new Map<number, Buffer[]>();
  let at = HEADER;
  while (at < view.length) {
    if (at + FIELD_HEADER > view.length) return undefined;
    const kind = view.readUInt8(at);
    const end = at + FIELD_HEADER + view.readUInt16BE(at + 1);
    if (end > view.length) return undefined;
    if (kind === KIND.signature && end !== view.length) return undefined;
    const value = view.subarray(at + FIELD_HEADER, end);
    const values = fields.get(kind);
    if (values) values.push(value);
    else fields.set(kind, [value]);
    at = end;
  }
  return fields;
}

function readQuestion(fields: Fields, length: number): Question | undefined {
  if (length < DISCOVERY.datagram) return undefined;
  const nonce = sized(fields, KIND.nonce, NONCE_BYTES);
  const have = fields.has(KIND.have) ? single(fields, KIND.have) : Buffer.alloc(0);
  if (!nonce || !have || have.length % SHORT_HASH !== 0) return undefined;
  return { type: "question", nonce, have };
}

function readAnswer(fields: Fields, view: Buffer): Answer | undefined {
  const sender = readSender(fields);
  const seal = readSeal(fields, view);
  const nonce = sized(fields, KIND.nonce, NONCE_BYTES);
  const key = sized(fields, KIND.key, ED25519_SPKI_BYTES);
  const port = sized(fields, KIND.port, 2)?.readUInt16BE(0);
  const name = text(single(fields, KIND.name), DISCOVERY.nameBytes);
  const version = text(single(fields, KIND.version), DISCOVERY.versionBytes);
  const addresses = fields.get(KIND.address)?.map(addressFromBytes) ?? [];
  const tags = fields.get(KIND.tag)?.map((value) => text(value, 4 * DISCOVERY.tagLength)) ?? [];
  if (!sender || !seal || !nonce || !key || !port || name === undefined || version === undefined)
    return undefined;
  if (addresses.length > DISCOVERY.addresses || tags.length > DISCOVERY.tags) return undefined;
  if (!isComplete(addresses) || !isComplete(tags)) return undefined;
  return { type: "answer", ...sender, ...seal, nonce, key, port, name, version, addresses, tags };
}

function readAnnouncement(fields: Fields): Announcement | undefined {
  const sender = readSender(fields);
  return sender && { type: "announcement", ...sender };
}

function readGoodbye(fields: Fields, view: Buffer): Goodbye | undefined {
  const sender = readSender(fields);
  const seal = readSeal(fields, view);
  return sender && seal && { type: "goodbye", ...sender, ...seal };
}

function readSender(fields: Fields): { id: string; instance: string } | undefined {
  const id = single(fields, KIND.id)?.toString("latin1");
  const instance = sized(fields, KIND.instance, INSTANCE_BYTES)?.toString("hex");
  return id !== undefined && instance !== undefined && /^[a-z2-7]{16}$/.test(id)
    ? { id, instance }
    : undefined;
}

function readSeal(fields: Fields, view: Buffer): { signed: Buffer; signature: Buffer } | undefined {
  const signature = sized(fields, KIND.signature, SIGNATURE_BYTES);
  return signature && { signature, signed: view.subarray(0, -SIGNATURE_BYTES - FIELD_HEADER) };
}

function single(fields: Fields, kind: number): Buffer | undefined {
  const values = fields.get(kind);
  return values?.length === 1 ? values[0] : undefined;
}

function sized(fields: Fields, kind: number, bytes: number): Buffer | undefined {
  const value = single(fields, kind);
  return value?.length === bytes ? value : undefined;
}

function isComplete(values: (string | undefined)[]): values is string[] {
  return !values.includes(undefined);
}

function text(value: Buffer | undefined, limit: number): string | undefined {
  if (!value || value.length > limit) return undefined;
  try {
    const decoded = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(value);
    return isPlainText(decoded) ? decoded : undefined;
  } catch {
    return undefined;
  }
}

/** A name ends up on a terminal: nothing in it may steer one or turn the reading order. */
function isPlainText(value: string): boolean {
  return value.length > 0 && !/[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\p{Bidi_Control}]/u.test(value);
}

function readKey(spki: Uint8Array): KeyObject | undefined {
  try {
    const key = createPublicKey({ key: Buffer.from(spki), format: "der", type: "spki" });
    return key.asymmetricKeyType === "ed25519" ? key : undefined;
  } catch {
    return undefined;
  }
}

function idOf(privateKey: KeyObject): string {
  return agentIdOf(formatFingerprint(keyHash(privateKey)));
}

function shortHash(fingerprint: string): Buffer {
  return Buffer.from(fingerprint.slice("SHA256:".length), "base64").subarray(0, SHORT_HASH);
}

function byteLength(parts: readonly Uint8Array[]): number {
  return parts.reduce((sum, part) => sum + part.length, 0);
}

function field(kind: number, value: Uint8Array): Buffer {
  const header = Buffer.alloc(FIELD_HEADER);
  header.writeUInt8(kind, 0);
  header.writeUInt16BE(value.length, 1);
  return Buffer.concat([header, value]);
}

function textField(kind: number, value: string, limit: number, what: string): Buffer {
  const bytes = Buffer.from(value, "utf8");
  if (bytes.length > limit || !isPlainText(value)) {
    throw new TetherError(
      "invalid",
      `${what} in discovery is 1 to ${limit} bytes without control characters`,
    );
  }
  return field(kind, bytes);
}

function datagram(type: number, fields: readonly Uint8Array[]): Buffer {
  const header = Buffer.alloc(HEADER);
  header.writeUInt32BE(MAGIC, 0);
  header.writeUInt8(VERSION, 4);
  header.writeUInt8(type, 5);
  return Buffer.concat([header, ...fields]);
}

function signedDatagram(
  type: number,
  fields: readonly Uint8Array[],
  context: string,
  key: KeyObject,
): Buffer {
  const message = datagram(type, fields);
  return Buffer.concat([message, field(KIND.signature, signInContext(key, context, message))]);
}
