import { promisify } from "node:util";
import * as zlib from "node:zlib";
import { TetherError, WIRE } from "../protocol/index.ts";

/**
 * How the bytes of a transfer may be packed, best first. Zstandard (RFC 8878) is in Node from 22.15 on, DEFLATE
 * (RFC 1951) in all.
 */
export const PACKINGS = ["zstd", "deflate"] as const;

export type Packing = (typeof PACKINGS)[number];

/** What a person chooses: `auto` packs where that is faster. */
export const PACKING_MODES = ["auto", "on", "off"] as const;

export type PackingMode = (typeof PACKING_MODES)[number];

/** Bytes before packing, at most: what one frame carries, and the room before its content. */
export const PACKED_FROM = WIRE.framePayload + 64;

interface Codec {
  /** In another thread; for speed, not for size. */
  readonly pack: (bytes: Uint8Array) => Promise<Buffer>;
  readonly unpack: (bytes: Uint8Array) => Promise<Buffer>;
}

type Transform = (bytes: Uint8Array, options: object) => Promise<Buffer>;

/** Node 20 has no Zstandard; the types are of Node 20. */
interface ZstdFunctions {
  readonly zstdCompress?: typeof zlib.deflateRaw;
  readonly zstdDecompress?: typeof zlib.inflateRaw;
}

/** ZSTD_c_compressionLevel, which the types of Node 20 do not know. */
const ZSTD_LEVEL = 100;

function zstdCodec({ zstdCompress, zstdDecompress }: ZstdFunctions): Codec | undefined {
  if (zstdCompress === undefined || zstdDecompress === undefined) return undefined;
  const pack = promisify(zstdCompress) as Transform;
  const unpack = promisify(zstdDecompress) as Transform;
  return {
    pack: (bytes) => pack(bytes, { params: { [ZSTD_LEVEL]: 1 } }),
    unpack: (bytes) => unpack(bytes, { maxOutputLength: PACKED_FROM }),
  };
}

function deflateCodec(): Codec {
  const pack = promisify(zlib.deflateRaw) as Transform;
  const unpack = promisify(zlib.inflateRaw) as Transform;
  return {
    pack: (bytes) => pack(bytes, { level: zlib.constants.Z_BEST_SPEED }),
    unpack: (bytes) => unpack(bytes, { maxOutputLength: PACKED_FROM }),
  };
}

/** The packings that this Node has. */
export function ownPackings(): Packing[] {
  return PACKINGS.filter((packing) => packing === "deflate" || "zstdCompress" in zlib);
}

/** The best that both sides have; `theirs` are the features of their HELLO. */
export function commonPacking(theirs: readonly string[]): Packing | undefined {
  return ownPackings().find((packing) => theirs.includes(packing));
}

/** Packs and unpacks. Throws `invalid` for what this Node has not. */
export function codecOf(packing: Packing): Codec {
  const codec = packing === "zstd" ? zstdCodec(zlib as ZstdFunctions) : deflateCodec();
  if (codec === undefined) {
    throw new TetherError(
      "invalid",
      `this side cannot pack with ${packing}; allowed: ${ownPackings().join(", ")}`,
    );
  }
  return codec;
}

/**
 * Where bytes may be packed they come in chunks: u8 kind, u32 length of what follows, big-endian. A chunk has no
 * regard for where records begin.
 */
export const CHUNK = {
  /** Bytes as they are. */
  PLAIN: 0,
  /** u32 how many bytes they were, then those bytes packed. */
  PACKED: 1,
} as const;

/** Bytes before a chunk's own. */
export const CHUNK_HEADER = 5;

/** Writes a chunk's header at `at`. */
export function writeChunkHeader(target: Buffer, at: number, kind: number, length: number): void {
  target[at] = kind;
  target.writeUInt32BE(length, at + 1);
}
