import { ContentDigest } from "./digest.ts";
import { rollingSum } from "./rolling-sum.ts";

/** Bytes of a piece's or block's digest: enough to decide by, as the whole file is compared in the end. */
export const SHORT_DIGEST = 8;
/** Bytes of a block's signature: the rolling sum and the digest. */
export const BLOCK_SIGNATURE = 4 + SHORT_DIGEST;

/** Pieces of one file at most, and the smallest piece. */
const PIECES = 65_536;
const SMALLEST_PIECE = 64 * 1024;
/** Blocks of one file at most, and the smallest and the usual largest block. */
const BLOCKS = 131_072;
const SMALLEST_BLOCK = 512;
const LARGEST_BLOCK = 16 * 1024;

/** A stretch of a file: from this byte on, up to that one. */
export interface Range {
  readonly from: number;
  readonly to: number;
}

/** Bytes of the pieces that files of these lengths are compared by. */
export function pieceBytes(size: number, otherSize: number): number {
  return powerOfTwo(Math.max(SMALLEST_PIECE, Math.max(size, otherSize) / PIECES));
}

/** Bytes of the blocks by which `bytes` bytes are looked for: as many blocks as bytes in one, as far as that is sensible. */
export function blockBytes(bytes: number): number {
  const usual = Math.min(LARGEST_BLOCK, Math.max(SMALLEST_BLOCK, powerOfTwo(Math.sqrt(bytes))));
  return Math.max(usual, powerOfTwo(bytes / BLOCKS));
}

function powerOfTwo(least: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(1, least)));
}

/** The digest by which a piece or block is told from others in the same transfer. */
export function shortDigest(key: Buffer, bytes: Buffer): Buffer {
  const digest = new ContentDigest(key, 0, "part");
  digest.update(bytes);
  return digest.finish().subarray(0, SHORT_DIGEST);
}

/** Digests of the pieces of a file that comes bit by bit: from byte `start` on, each of `length` bytes. */
export class PieceDigests {
  readonly #key: Buffer;
  readonly #length: number;
  readonly #digests: Buffer[] = [];
  /** Bytes that belong to no piece, at the front. */
  #skip: number;
  #digest: ContentDigest | undefined;
  #filled = 0;

  constructor(key: Buffer, start: number, length: number) {
    this.#key = key;
    this.#skip = start;
    this.#length = length;
  }

  update(bytes: Buffer): void {
    let at = Math.min(this.#skip, bytes.length);
    this.#skip -= at;
    while (at < bytes.length) {
      this.#digest ??= new ContentDigest(this.#key, 0, "part");
      const end = Math.min(bytes.length, at + this.#length - this.#filled);
      this.#digest.update(bytes.subarray(at, end));
      this.#filled += end - at;
      at = end;
      if (this.#filled === this.#length) this.#close();
    }
  }

  /** The digests one after the other; the last one may be that of a shorter piece. */
  finish(): Buffer {
    if (this.#filled > 0) this.#close();
    return Buffer.concat(this.#digests);
  }

  #close(): void {
    const digest = this.#digest?.finish();
    if (digest !== undefined) this.#digests.push(digest.subarray(0, SHORT_DIGEST));
    this.#digest = undefined;
    this.#filled = 0;
  }
}

/** Signatures of the blocks of a stretch that comes bit by bit; what is left at its end has none. */
export class BlockSignatures {
  readonly #key: Buffer;
  readonly #length: number;
  readonly #signatures: Buffer[] = [];
  /** The beginning of a block. */
  #rest = Buffer.alloc(0);

  constructor(key: Buffer, length: number) {
    this.#key = key;
    this.#length = length;
  }

  update(bytes: Buffer): void {
    let at = 0;
    if (this.#rest.length > 0) {
      at = Math.min(bytes.length, this.#length - this.#rest.length);
      this.#rest = Buffer.concat([this.#rest, bytes.subarray(0, at)]);
      if (this.#rest.length < this.#length) return;
      this.#sign(this.#rest);
    }
    for (; at + this.#length <= bytes.length; at += this.#length) {
      this.#sign(bytes.subarray(at, at + this.#length));
    }
    // A copy: the bytes are the caller's again.
    this.#rest = Buffer.from(bytes.subarray(at));
  }

  finish(): Buffer {
    return Buffer.concat(this.#signatures);
  }

  #sign(block: Buffer): void {
    const signature = Buffer.allocUnsafe(BLOCK_SIGNATURE);
    signature.writeInt32BE(rollingSum(block, 0, block.length), 0);
    shortDigest(this.#key, block).copy(signature, 4);
    this.#signatures.push(signature);
  }
}
