import { TetherError, TRANSFER } from "../protocol/index.ts";
import { ContentDigest, DIGEST_BYTES } from "./digest.ts";
import { readChunks } from "./file-reading.ts";

/** What a receiver has of a file: the answer to SOURCE. */
export interface PartOffer {
  /** Bytes from the file's beginning. */
  readonly bytes: number;
  /** How that is proven; undefined when the source is known to be the one that they came from. */
  readonly proof: PrefixProof | undefined;
}

/** Digests of the pieces of what a receiver has. */
export interface PrefixProof {
  /** Where each piece ends, ascending. */
  readonly ends: readonly number[];
  readonly digests: readonly Buffer[];
}

/** Digests the pieces of a file for a {@link PrefixProof}, as its bytes come by. */
export class PrefixDigests {
  readonly #key: Buffer;
  readonly #entry: number;
  readonly digests: Buffer[] = [];
  #digest: ContentDigest;

  /** `entry` is the number of the file in its transfer, and `key` the transfer's. */
  constructor(key: Buffer, entry: number) {
    this.#key = key;
    this.#entry = entry;
    this.#digest = this.#fresh();
  }

  update(bytes: Buffer): void {
    this.#digest.update(bytes);
  }

  /** A piece is complete; gives its digest. */
  end(): Buffer {
    const digest = this.#digest.finish();
    this.digests.push(digest);
    this.#digest = this.#fresh();
    return digest;
  }

  #fresh(): ContentDigest {
    return new ContentDigest(this.#key, this.#entry, "proof", this.digests.length);
  }
}

/** The bytes at the beginning of a file that are as a proof says. Rejects with what the system says. */
export async function provenBytes(
  descriptor: number,
  key: Buffer,
  entry: number,
  { ends, digests }: PrefixProof,
): Promise<number> {
  const own = new PrefixDigests(key, entry);
  let proven = 0;
  let position = 0;
  for await (const chunk of readChunks(descriptor, 0, ends.at(-1) ?? 0, ends)) {
    own.update(chunk);
    position += chunk.length;
    const index = own.digests.length;
    if (position !== ends[index]) continue;
    if (!own.end().equals(digests[index] as Buffer)) break;
    proven = position;
  }
  return proven;
}

/** The shape of a {@link PartOffer} in a document. */
export interface PartShape {
  readonly entry: number;
  readonly bytes: number;
  readonly ends?: readonly number[];
  /** Base 64. */
  readonly digests?: string;
}

/** An offer about the entry of this number, for a document. */
export function partShape(entry: number, { bytes, proof }: PartOffer): PartShape {
  if (proof === undefined) return { entry, bytes };
  return { entry, bytes, ends: proof.ends, digests: Buffer.concat(proof.digests).toString("base64") };
}

/** Reads what {@link partShape} gives. Throws `invalid` for anything else. */
export function readPartShape(value: { readonly [name: string]: unknown }): {
  readonly entry: number;
  readonly offer: PartOffer;
} {
  const { entry, bytes, ends, digests } = value;
  if (!isCount(entry) || !isCount(bytes)) throw malformed();
  if (ends === undefined && digests === undefined) return { entry, offer: { bytes, proof: undefined } };
  if (!Array.isArray(ends) || typeof digests !== "string" || ends.length > TRANSFER.proofs) throw malformed();
  const all = Buffer.from(digests, "base64");
  const isAscending = ends.every((end, index) => isCount(end) && end > (index === 0 ? 0 : ends[index - 1]));
  if (!isAscending || (ends.at(-1) ?? 0) !== bytes || all.length !== ends.length * DIGEST_BYTES)
    throw malformed();
  const list = ends.map((_, index) => all.subarray(index * DIGEST_BYTES, (index + 1) * DIGEST_BYTES));
  return { entry, offer: { bytes, proof: { ends, digests: list } } };
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function malformed(): TetherError {
  return new TetherError("invalid", "an answer about a part of a file that no receiver gives");
}
