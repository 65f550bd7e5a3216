import { leavingFactor, roll, rollingSum } from "./rolling-sum.ts";
import { BLOCK_SIGNATURE, type Range, SHORT_DIGEST, shortDigest } from "./signature.ts";

/** A stretch of the new file that is in the old one too. */
export interface Match {
  /** Where it is in the new file. */
  readonly at: number;
  /** Where it is in the old one. */
  readonly from: number;
  readonly length: number;
}

/** Digests of a file's pieces. */
export interface Pieces {
  /** Bytes of the file. */
  readonly size: number;
  /** Of the pieces from the file's beginning on. */
  readonly fromStart: Buffer;
  /** Of the pieces that end with the file; what is over is at its front. Empty where nobody asked for them. */
  readonly toEnd: Buffer;
}

/**
 * The stretches of a file that are in another at the same distance from its beginning or from its end; ordered,
 * and none over another.
 *
 * @param length bytes of a piece
 */
export function matchPieces(own: Pieces, other: Pieces, length: number): Match[] {
  const matches: Match[] = [];
  const count = Math.min(own.fromStart.length, other.fromStart.length) / SHORT_DIGEST;
  for (let n = 0; n < count; n++) {
    const at = n * length;
    const bytes = Math.min(length, own.size - at);
    if (bytes !== Math.min(length, other.size - at)) break;
    if (sameDigest(own.fromStart, n, other.fromStart, n)) add(matches, { at, from: at, length: bytes });
  }
  if (own.size === other.size) return matches;
  const [ownCount, otherCount] = [own.toEnd.length / SHORT_DIGEST, other.toEnd.length / SHORT_DIGEST];
  const shifted: Match[] = [];
  for (let n = Math.min(ownCount, otherCount); n >= 1; n--) {
    if (!sameDigest(own.toEnd, ownCount - n, other.toEnd, otherCount - n)) continue;
    add(shifted, { at: own.size - n * length, from: other.size - n * length, length });
  }
  return merged(matches, shifted);
}

/** All of the first, and of the second what lies between them. */
function merged(first: readonly Match[], second: readonly Match[]): Match[] {
  const matches = [...first];
  let index = 0;
  for (const { at, from, length } of second) {
    let position = at;
    const end = at + length;
    while (position < end) {
      while (index < first.length && endOf(first[index] as Match) <= position) index++;
      const next = first[index];
      if (next !== undefined && next.at <= position) {
        position = endOf(next);
        continue;
      }
      const stop = Math.min(end, next?.at ?? end);
      matches.push({ at: position, from: from + position - at, length: stop - position });
      position = stop;
    }
  }
  return inOrder(matches);
}

/** The stretches of a new file of `size` bytes that no match covers. */
export function unmatched(matches: readonly Match[], size: number): Range[] {
  return between(
    matches.map(({ at, length }) => ({ from: at, to: at + length })),
    size,
  );
}

/** The stretches of an old file of `size` bytes that no match takes. */
export function unused(matches: readonly Match[], size: number): Range[] {
  const taken = matches.map(({ from, length }) => ({ from, to: from + length }));
  return between(
    taken.sort((a, b) => a.from - b.from),
    size,
  );
}

function between(covered: readonly Range[], size: number): Range[] {
  const ranges: Range[] = [];
  let at = 0;
  for (const { from, to } of covered) {
    if (from > at) ranges.push({ from: at, to: from });
    at = Math.max(at, to);
  }
  if (at < size) ranges.push({ from: at, to: size });
  return ranges;
}

/** Matches by where they are in the new file, with those that go on in both files joined. */
export function inOrder(matches: readonly Match[]): Match[] {
  const ordered: Match[] = [];
  for (const match of [...matches].sort((a, b) => a.at - b.at)) add(ordered, match);
  return ordered;
}

function add(matches: Match[], match: Match): void {
  const last = matches.at(-1);
  if (last === undefined || endOf(last) !== match.at || last.from + last.length !== match.from) {
    matches.push(match);
  } else {
    matches[matches.length - 1] = { ...last, length: last.length + match.length };
  }
}

function endOf({ at, length }: Match): number {
  return at + length;
}

function sameDigest(a: Buffer, n: number, b: Buffer, m: number): boolean {
  const [at, other] = [n * SHORT_DIGEST, m * SHORT_DIGEST];
  return a.compare(b, other, other + SHORT_DIGEST, at, at + SHORT_DIGEST) === 0;
}

/** Blocks of the same sum that are looked at; more have no content that is worth it. */
const CHAIN = 8;
/** Digests that one call of {@link BlockSearch.search} computes in vain at most: 2 µs each. */
const VAIN_DIGESTS = 1_000;
/** Places that are looked at by the rolling sum in one call: 3 ns each. */
const PLACES = 1_000_000;

/** Finds blocks of an old file in a new one, wherever they are in it. */
export class BlockSearch {
  readonly #key: Buffer;
  readonly #length: number;
  readonly #factor: number;
  /** The blocks' sums and where they begin, one after the other. */
  readonly #sums: Int32Array;
  readonly #offsets: Float64Array;
  readonly #digests: Buffer;
  /** By the high bits of a sum, the first block with such a one; by that block, the next. -1: none. */
  readonly #heads: Int32Array;
  readonly #next: Int32Array;
  readonly #shift: number;

  /**
   * @param length bytes of a block
   * @param ranges the stretches of the old file that were signed, in order
   * @param signatures what signing them gave, one after the other
   */
  constructor(key: Buffer, length: number, ranges: readonly Range[], signatures: Buffer) {
    this.#key = key;
    this.#length = length;
    this.#factor = leavingFactor(length);
    const count = Math.floor(signatures.length / BLOCK_SIGNATURE);
    this.#sums = new Int32Array(count);
    this.#offsets = new Float64Array(count);
    this.#digests = signatures;
    this.#next = new Int32Array(count).fill(-1);
    // Eight places for each, so that seven of eight looks end at the first.
    const bits = Math.min(22, Math.max(10, Math.ceil(Math.log2(count + 1)) + 3));
    this.#shift = 32 - bits;
    this.#heads = new Int32Array(2 ** bits).fill(-1);
    let block = 0;
    for (const { from, to } of ranges) {
      for (let offset = from; offset + length <= to && block < count; offset += length, block++) {
        this.#sums[block] = signatures.readInt32BE(block * BLOCK_SIGNATURE);
        this.#offsets[block] = offset;
        this.#insert(block);
      }
    }
  }

  #insert(block: number): void {
    const head = (this.#sums[block] as number) >>> this.#shift;
    let links = 0;
    for (let other = this.#heads[head] as number; other >= 0; other = this.#next[other] as number) {
      if (++links >= CHAIN || this.#isSame(block, other)) return;
    }
    this.#next[block] = this.#heads[head] as number;
    this.#heads[head] = block;
  }

  /** True for blocks with one content, as in a run of zeros. */
  #isSame(block: number, other: number): boolean {
    const [at, otherAt] = [block * BLOCK_SIGNATURE, other * BLOCK_SIGNATURE];
    return (
      this.#digests.compare(this.#digests, otherAt, otherAt + BLOCK_SIGNATURE, at, at + BLOCK_SIGNATURE) === 0
    );
  }

  /**
   * Looks for blocks in a part of the new file, for a few milliseconds at most.
   *
   * @param at where the part begins in the new file
   * @param found told of each match, in order
   * @returns bytes of the part that are done with; the next part begins there
   */
  search(bytes: Buffer, at: number, found: (match: Match) => void): number {
    const length = this.#length;
    const heads = this.#heads;
    const shift = this.#shift;
    const factor = this.#factor;
    const last = bytes.length - length;
    let position = 0;
    let vain = 0;
    let places = PLACES;
    /** The block that follows the last match in the old file. */
    let expected = -1;
    while (position <= last && vain < VAIN_DIGESTS && places > 0) {
      if (expected >= 0) {
        if (this.#matches(expected, bytes, position)) {
          found({ at: at + position, from: this.#offsets[expected] as number, length });
          position += length;
          expected = this.#following(expected);
          places -= length >> 2;
          continue;
        }
        vain++;
        expected = -1;
      }
      let sum = rollingSum(bytes, position, position + length);
      const end = Math.min(last, position + places);
      places -= length >> 2;
      for (;;) {
        const head = heads[sum >>> shift] as number;
        if (head >= 0) {
          const block = this.#lookup(head, sum, bytes, position);
          if (block >= 0) {
            found({ at: at + position, from: this.#offsets[block] as number, length });
            position += length;
            expected = this.#following(block);
            break;
          }
          if (block === VAIN && ++vain >= VAIN_DIGESTS) {
            position++;
            break;
          }
        }
        if (position >= end) {
          position++;
          places = position > last ? places : 0;
          break;
        }
        sum = roll(sum, bytes[position] as number, bytes[position + length] as number, factor);
        position++;
        places--;
      }
    }
    return position;
  }

  /** The block that is at `position`; {@link NONE} when no sum is right, {@link VAIN} when only a sum was. */
  #lookup(head: number, sum: number, bytes: Buffer, position: number): number {
    let result = NONE;
    let digest: Buffer | undefined;
    for (let block = head; block >= 0; block = this.#next[block] as number) {
      if (this.#sums[block] !== sum) continue;
      digest ??= shortDigest(this.#key, bytes.subarray(position, position + this.#length));
      if (this.#hasDigest(block, digest)) return block;
      result = VAIN;
    }
    return result;
  }

  #matches(block: number, bytes: Buffer, position: number): boolean {
    return this.#hasDigest(block, shortDigest(this.#key, bytes.subarray(position, position + this.#length)));
  }

  #hasDigest(block: number, digest: Buffer): boolean {
    const at = block * BLOCK_SIGNATURE + 4;
    return digest.compare(this.#digests, at, at + SHORT_DIGEST) === 0;
  }

  /** The block that begins where this one ends, or -1. */
  #following(block: number): number {
    const next = block + 1;
    const adjoins = this.#offsets[next] === (this.#offsets[block] as number) + this.#length;
    return next < this.#sums.length && adjoins ? next : -1;
  }
}

const NONE = -1;
const VAIN = -2;
