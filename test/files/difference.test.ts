import assert from "node:assert/strict";
import { createCipheriv, randomBytes } from "node:crypto";
import { test } from "node:test";
import {
  BlockSearch,
  BlockSignatures,
  blockBytes,
  inOrder,
  type Match,
  matchPieces,
  PieceDigests,
  type Pieces,
  pieceBytes,
  type Range,
  unmatched,
  unused,
} from "../../transfer/index.ts";
import { chosenSeed, Random } from "../wire/random.ts";

const key = randomBytes(32);

test("random edits are found again, and what is found is byte for byte what is there", () => {
  const seed = chosenSeed();
  const random = new Random(seed);
  for (let round = 0; round < 150; round++) {
    const before = contentOf(random, random.below(1_500_000));
    const after = edited(before, random);
    const { matches, bytes } = difference(before, after, random);
    const what = `seed ${seed}, round ${round}`;
    assert.ok(rebuilt(before, after, matches).equals(after), what);
    // No worse than to send it all, but for the signatures.
    assert.ok(bytes <= after.length * 1.1 + 20_000, `${what}: ${bytes} bytes for ${after.length}`);
  }
});

test("one change costs about its own size, wherever it is and whatever it moves", () => {
  const old = randomBytes(20_000_000);
  const piece = randomBytes(50_000);
  const cases: Record<string, Buffer> = {
    same: old,
    appended: Buffer.concat([old, piece]),
    "put before": Buffer.concat([piece, old]),
    inserted: Buffer.concat([old.subarray(0, 7_654_321), piece, old.subarray(7_654_321)]),
    removed: Buffer.concat([old.subarray(0, 7_654_321), old.subarray(7_777_777)]),
    cut: old.subarray(0, 12_345_678),
    overwritten: Buffer.concat([old.subarray(0, 9_000_001), piece, old.subarray(9_050_001)]),
    "inserted twice": Buffer.concat([
      old.subarray(0, 3_000_003),
      piece,
      old.subarray(3_000_003, 15_000_001),
      piece.subarray(0, 77),
      old.subarray(15_000_001),
    ]),
    "halves swapped": Buffer.concat([old.subarray(10_000_000), old.subarray(0, 10_000_000)]),
  };
  for (const [what, after] of Object.entries(cases)) {
    const { matches, bytes, signed } = difference(old, after, new Random(1));
    assert.ok(rebuilt(old, after, matches).equals(after), what);
    assert.ok(bytes < 50_000 + 25_000, `${what}: ${bytes} bytes of content`);
    assert.ok(signed < 100_000, `${what}: ${signed} bytes of signatures`);
  }
});

test("signatures of hostile sums cost a bounded time a call", () => {
  const length = 512;
  const zeros = Buffer.alloc(1_000_000);
  const signer = new BlockSignatures(key, length);
  signer.update(zeros);
  const signatures = signer.finish();
  // The sum of zeros, with digests that nothing has.
  for (let at = 4; at < signatures.length; at += 12) signatures.writeUInt32BE(at, at);
  const search = new BlockSearch(key, length, [{ from: 0, to: zeros.length }], signatures);
  let matches = 0;
  const done = search.search(zeros, 0, () => matches++);
  assert.equal(matches, 0);
  assert.ok(done > 0 && done < 2_000, `${done} places in one call`);
});

function contentOf(random: Random, length: number): Buffer {
  const kind = random.below(4);
  if (kind === 0) return Buffer.alloc(length);
  if (kind === 1) return Buffer.alloc(length, noise(1 + random.below(3_000), random));
  return noise(length, random);
}

/** Bytes that follow from the random numbers, made faster than one by one. */
function noise(length: number, random: Random): Buffer {
  const cipher = createCipheriv("chacha20", random.bytes(32), random.bytes(16));
  return cipher.update(Buffer.alloc(length));
}

function edited(content: Buffer, random: Random): Buffer {
  let edited = content;
  for (let edits = random.below(6); edits > 0; edits--) {
    const at = random.below(edited.length + 1);
    const gone = random.below(3) === 0 ? 0 : random.below(Math.min(200_000, edited.length - at) + 1);
    const come = random.below(3) === 0 ? 0 : random.below(200_000);
    edited = Buffer.concat([edited.subarray(0, at), noise(come, random), edited.subarray(at + gone)]);
  }
  return edited;
}

/** What both sides of a sync do with a file, in one place: the matches, bytes of content and bytes of signatures. */
function difference(
  old: Buffer,
  after: Buffer,
  random: Random,
): { readonly matches: readonly Match[]; readonly bytes: number; readonly signed: number } {
  const length = pieceBytes(after.length, old.length);
  const theirs = piecesOf(old, length, random);
  const matches = matchPieces(piecesOf(after, length, random), theirs, length);
  let signed = theirs.fromStart.length + theirs.toEnd.length;
  const spare = unused(matches, old.length);
  const block = blockBytes(sum(spare));
  const signatures = Buffer.concat(
    spare.map(({ from, to }) => {
      const signer = new BlockSignatures(key, block);
      for (const bytes of cut(old.subarray(from, to), random)) signer.update(bytes);
      return signer.finish();
    }),
  );
  signed += signatures.length;
  const search = new BlockSearch(key, block, spare, signatures);
  const found: Match[] = [];
  for (const { from, to } of unmatched(matches, after.length)) {
    for (let at = from; to - at >= block; ) {
      const part = after.subarray(at, Math.min(to, at + block + random.below(300_000)));
      at += search.search(part, at, (match) => found.push(match));
    }
  }
  const all = inOrder([...matches, ...found]);
  return { matches: all, bytes: sum(unmatched(all, after.length)), signed };
}

function piecesOf(content: Buffer, length: number, random: Random): Pieces {
  const digests = [new PieceDigests(key, 0, length), new PieceDigests(key, content.length % length, length)];
  for (const bytes of cut(content, random)) for (const one of digests) one.update(bytes);
  const [fromStart, toEnd] = digests.map((one) => one.finish()) as [Buffer, Buffer];
  return { size: content.length, fromStart, toEnd };
}

function* cut(content: Buffer, random: Random): Generator<Buffer> {
  for (let at = 0; at < content.length; ) {
    const end = at + 1 + random.below(1_000_000);
    yield content.subarray(at, end);
    at = end;
  }
}

function rebuilt(old: Buffer, after: Buffer, matches: readonly Match[]): Buffer {
  const result = Buffer.alloc(after.length);
  for (const { from, to } of unmatched(matches, after.length)) after.copy(result, from, from, to);
  for (const { at, from, length } of matches) old.copy(result, at, from, from + length);
  return result;
}

function sum(ranges: readonly Range[]): number {
  return ranges.reduce((bytes, { from, to }) => bytes + to - from, 0);
}
