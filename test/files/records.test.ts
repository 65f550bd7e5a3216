import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, test } from "node:test";
import { TetherError } from "../../protocol/index.ts";
import {
  ContentDigest,
  DIGEST_BYTES,
  endBody,
  errorBody,
  fileBody,
  folderBody,
  type Item,
  linkBody,
  RECORD,
  RecordReader,
  totalBody,
  writeRecordHeader,
} from "../../transfer/index.ts";

function record(type: number, body: Buffer): Buffer {
  const bytes = Buffer.alloc(5 + body.length);
  body.copy(bytes, writeRecordHeader(bytes, 0, type, body.length));
  return bytes;
}

/** Reads chunks, with the pieces of content joined again. */
function read(chunks: readonly Buffer[]): Item[] {
  const reader = new RecordReader();
  const items: Item[] = [];
  for (const chunk of chunks) {
    reader.push(chunk);
    for (let item = reader.next(); item !== undefined; item = reader.next()) {
      const last = items.at(-1);
      if (item.kind === "content" && last?.kind === "content") {
        items[items.length - 1] = { kind: "content", bytes: Buffer.concat([last.bytes, item.bytes]) };
      } else {
        items.push(item.kind === "content" ? { kind: "content", bytes: Buffer.from(item.bytes) } : item);
      }
    }
  }
  assert.equal(reader.held, 0);
  assert.ok(reader.isBetween);
  return items;
}

const facts = { mode: 0o644, modified: 1_700_000_000_123.457 };
const digest = randomBytes(DIGEST_BYTES);
const content = randomBytes(3_000);
const stream = Buffer.concat([
  record(RECORD.TOTAL, totalBody(3, 2 ** 40 + 1)),
  record(RECORD.FOLDER, folderBody("Ordner ä", { mode: 0o755, modified: -86_400_000.25 })),
  record(RECORD.FILE, fileBody({ name: "日本\n", size: content.length, isSparse: true, ...facts })),
  record(RECORD.CONTENT, content.subarray(0, 1_000)),
  record(77, randomBytes(200)),
  record(RECORD.CONTENT, content.subarray(1_000)),
  record(RECORD.END, endBody(digest, true)),
  record(RECORD.LINK, linkBody("link", "../there")),
  record(RECORD.FAILED, errorBody(new TetherError("forbidden", "no", { hint: "ask" }))),
  record(RECORD.LEAVE, Buffer.alloc(0)),
]);

function expected(items: readonly Item[]): void {
  assert.deepEqual(
    items.map(({ kind }) => kind),
    ["total", "folder", "file", "content", "end", "link", "failed", "leave"],
  );
  const [total, folder, file, bytes, end, link, failed] = items;
  assert.deepEqual(total, { kind: "total", files: 3, bytes: 2 ** 40 + 1 });
  assert.deepEqual(folder, {
    kind: "folder",
    name: "Ordner ä",
    facts: { mode: 0o755, modified: -86_400_000.25 },
  });
  assert.ok(file?.kind === "file");
  assert.equal(file.header.name, "日本\n");
  assert.equal(file.header.size, content.length);
  assert.equal(file.header.isSparse, true);
  assert.ok(Math.abs(file.header.modified - facts.modified) < 0.001);
  assert.deepEqual(bytes, { kind: "content", bytes: content });
  assert.ok(end?.kind === "end" && end.grew && end.digest.equals(digest));
  assert.deepEqual(link, { kind: "link", name: "link", target: "../there" });
  assert.ok(failed?.kind === "failed" && failed.error.code === "forbidden" && failed.error.hint === "ask");
}

describe("records", () => {
  test("are read whole, byte by byte, and however they are cut", () => {
    expected(read([stream]));
    expected(read([...stream].map((byte) => Buffer.from([byte]))));
    for (const size of [2, 3, 7, 64, 999]) {
      const chunks = [];
      for (let at = 0; at < stream.length; at += size) chunks.push(stream.subarray(at, at + size));
      expected(read(chunks));
    }
  });

  test("that no sender writes are refused", () => {
    const fails = (bytes: Buffer, code: string) => {
      const reader = new RecordReader();
      reader.push(bytes);
      assert.throws(
        () => reader.next(),
        (error: TetherError) => error.code === code,
      );
    };
    fails(record(RECORD.FILE, Buffer.alloc(5)), "invalid");
    fails(record(RECORD.END, Buffer.alloc(3)), "invalid");
    fails(record(RECORD.LINK, Buffer.from([0, 9, 65])), "invalid");
    fails(record(RECORD.FOLDER, Buffer.concat([Buffer.alloc(14), Buffer.from([0xff, 0xfe])])), "invalid");
    fails(record(RECORD.FILE, Buffer.concat([Buffer.alloc(8, 0xff), Buffer.alloc(15)])), "invalid");
    const long = Buffer.alloc(5);
    writeRecordHeader(long, 0, RECORD.LINK, 1 << 30);
    fails(long, "limit");
  });

  test("set-user-id, set-group-id and sticky bits do not travel", () => {
    const [item] = read([record(RECORD.FOLDER, folderBody("a", { mode: 0o107_755, modified: 0 }))]);
    assert.ok(item?.kind === "folder");
    assert.equal(item.facts.mode, 0o755);
  });
});

describe("the digest", () => {
  const key = randomBytes(32);
  const bytes = randomBytes(100_000);

  test("does not depend on how the content is cut, and tells every change", () => {
    const of = (pieces: readonly Buffer[], entry = 0, ownKey = key) => {
      const own = new ContentDigest(ownKey, entry);
      for (const piece of pieces) own.update(piece);
      return own.finish().toString("hex");
    };
    const whole = of([bytes]);
    assert.equal(of([bytes.subarray(0, 1), bytes.subarray(1, 17), bytes.subarray(17)]), whole);
    const changed = Buffer.from(bytes);
    changed[50_000] = (changed[50_000] as number) ^ 1;
    assert.notEqual(of([changed]), whole);
    assert.notEqual(of([bytes.subarray(1)]), whole);
    assert.notEqual(of([bytes, Buffer.from([0])]), whole);
    assert.notEqual(of([bytes], 1), whole);
    assert.notEqual(of([bytes], 0, randomBytes(32)), whole);
    assert.notEqual(of([]), of([Buffer.from([0])]));
  });

  test("is Poly1305 under the key that RFC 8439 §2.8 makes", () => {
    // The first half of ChaCha20's first block (Appendix A.1, test vector 1) is the one-time key.
    const own = new ContentDigest(Buffer.alloc(32), 0);
    own.update(Buffer.alloc(0));
    const block = Buffer.from("76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7", "hex");
    assert.equal(own.finish().toString("hex"), poly1305(block, lengths(0)).toString("hex"));
    const more = new ContentDigest(Buffer.alloc(32), 0);
    more.update(bytes);
    const padded = Buffer.concat([
      bytes,
      Buffer.alloc((16 - (bytes.length % 16)) % 16),
      lengths(bytes.length),
    ]);
    assert.equal(more.finish().toString("hex"), poly1305(block, padded).toString("hex"));
  });
});

function lengths(length: number): Buffer {
  const bytes = Buffer.alloc(16);
  bytes.writeUInt32LE(length, 0);
  return bytes;
}

/** RFC 8439 §2.5.1, with whole numbers. */
function poly1305(key: Buffer, message: Buffer): Buffer {
  const little = (bytes: Buffer) => BigInt(`0x${Buffer.from(bytes).reverse().toString("hex") || "0"}`);
  const r = little(key.subarray(0, 16)) & 0x0ffffffc0ffffffc0ffffffc0fffffffn;
  const s = little(key.subarray(16));
  const p = (1n << 130n) - 5n;
  let sum = 0n;
  for (let at = 0; at < message.length; at += 16) {
    const block = message.subarray(at, at + 16);
    sum = ((sum + little(Buffer.concat([block, Buffer.from([1])]))) * r) % p;
  }
  const tag = (sum + s) & ((1n << 128n) - 1n);
  return Buffer.from(tag.toString(16).padStart(32, "0"), "hex").reverse();
}
