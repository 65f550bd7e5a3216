import { TRANSFER } from "../protocol/index.ts";
import {
  atLeast,
  type EntryFacts,
  FACTS_BYTES,
  malformed,
  readFacts,
  readU64,
  text,
  writeFacts,
  writeU64,
} from "./record.ts";
import type { Range } from "./signature.ts";

/** What the sending side of a sync writes beside the records of a transfer. Those marked * are answered, in order. */
export const SYNC_RECORD = {
  /** The first: u8, 1 when what is synced is one file, 0 when it is a folder. */
  BEGIN: 32,
  /** * What is in a folder: path. For one file: its name, answered by a list of that one entry, or of none. */
  LIST: 33,
  /** * Opens an old file and asks for the digests of its pieces: u32 number, u32 bytes of a piece, u64 size of the new file, path. */
  PIECES: 34,
  /** * Signatures of the blocks of an open old file: u32 number, u32 bytes of a block, then u64 from, u64 to of each stretch. */
  BLOCKS: 35,
  /** An open old file is not needed any more: u32 number. */
  FORGET: 36,
  /** The file that begins next is made from an open old one, whose number is that of its digest: u32 number. */
  BASED: 37,
  /** Content of the file that has begun, from the old one: u64 from, u64 bytes. */
  COPY: 38,
  /** Removes something: u8 flags (1: with all below it, 2: because something else gets its name), path. */
  REMOVE: 39,
  /** Gives a file or folder its mode and time: facts, path. */
  SET: 40,
  /** * All that came before has its name: nothing. */
  SETTLE: 41,
  /** What would be done, in a dry run: u8 action, u64 bytes, path. */
  PLAN: 42,
  /** The last: u64 files that were equal, u8, 1 when nothing was removed because not all could be read. */
  COUNTS: 43,
} as const;

/** Flags of REMOVE. */
const RECURSIVE = 1;
const REPLACED = 2;

/** What a sync does, or would do, to a path of its target. */
export interface PlannedAction {
  readonly action: (typeof ACTIONS)[number];
  readonly path: string;
  /** Of a file that is to be sent; 0 for all else. */
  readonly bytes: number;
}

const ACTIONS = ["send", "update", "link", "folder", "set", "delete"] as const;

/** One of the records of {@link SYNC_RECORD}, read. */
export type SyncItem =
  | { readonly kind: "begin"; readonly isFile: boolean }
  | { readonly kind: "list"; readonly path: string }
  | {
      readonly kind: "pieces";
      readonly basis: number;
      readonly length: number;
      readonly size: number;
      readonly path: string;
    }
  | {
      readonly kind: "blocks";
      readonly basis: number;
      readonly length: number;
      readonly ranges: readonly Range[];
    }
  | { readonly kind: "forget"; readonly basis: number }
  | { readonly kind: "based"; readonly basis: number }
  | { readonly kind: "copy"; readonly from: number; readonly length: number }
  | {
      readonly kind: "remove";
      readonly isRecursive: boolean;
      readonly isReplaced: boolean;
      readonly path: string;
    }
  | { readonly kind: "set"; readonly facts: EntryFacts; readonly path: string }
  | { readonly kind: "settle" }
  | { readonly kind: "plan"; readonly action: PlannedAction }
  | { readonly kind: "counts"; readonly unchanged: number; readonly isIncomplete: boolean };

/** Stretches in one record of BLOCKS at most. */
export const RANGES = Math.floor((TRANSFER.record - 8) / 16);

/** The body of a record. */
export function syncBody(item: SyncItem): Buffer {
  switch (item.kind) {
    case "begin":
      return Buffer.from([item.isFile ? 1 : 0]);
    case "list":
      return Buffer.from(item.path, "utf8");
    case "pieces": {
      const body = withPath(16, item.path);
      body.writeUInt32BE(item.basis, 0);
      body.writeUInt32BE(item.length, 4);
      writeU64(body, 8, item.size);
      return body;
    }
    case "blocks": {
      const body = Buffer.allocUnsafe(8 + 16 * item.ranges.length);
      body.writeUInt32BE(item.basis, 0);
      body.writeUInt32BE(item.length, 4);
      for (const [index, { from, to }] of item.ranges.entries()) {
        writeU64(body, 8 + 16 * index, from);
        writeU64(body, 16 + 16 * index, to);
      }
      return body;
    }
    case "forget":
    case "based": {
      const body = Buffer.allocUnsafe(4);
      body.writeUInt32BE(item.basis, 0);
      return body;
    }
    case "copy": {
      const body = Buffer.allocUnsafe(16);
      writeU64(body, 0, item.from);
      writeU64(body, 8, item.length);
      return body;
    }
    case "remove": {
      const body = withPath(1, item.path);
      body[0] = (item.isRecursive ? RECURSIVE : 0) | (item.isReplaced ? REPLACED : 0);
      return body;
    }
    case "set": {
      const body = withPath(FACTS_BYTES, item.path);
      writeFacts(body, 0, item.facts);
      return body;
    }
    case "settle":
      return Buffer.alloc(0);
    case "plan": {
      const body = withPath(9, item.action.path);
      body[0] = ACTIONS.indexOf(item.action.action);
      writeU64(body, 1, item.action.bytes);
      return body;
    }
    case "counts": {
      const body = Buffer.allocUnsafe(9);
      writeU64(body, 0, item.unchanged);
      body[8] = item.isIncomplete ? 1 : 0;
      return body;
    }
  }
}

/** The number of a record's type. */
export function syncType(item: SyncItem): number {
  return SYNC_RECORD[item.kind.toUpperCase() as keyof typeof SYNC_RECORD];
}

/** Reads a record; undefined for one of a type that is not known. Throws `invalid` for what no sender writes. */
export function readSyncItem(type: number, body: Buffer): SyncItem | undefined {
  switch (type) {
    case SYNC_RECORD.BEGIN:
      atLeast(body, 1);
      return { kind: "begin", isFile: body[0] === 1 };
    case SYNC_RECORD.LIST:
      return { kind: "list", path: text(body) };
    case SYNC_RECORD.PIECES: {
      atLeast(body, 16);
      const [basis, length] = [body.readUInt32BE(0), partLength(body)];
      return { kind: "pieces", basis, length, size: readU64(body, 8), path: text(body.subarray(16)) };
    }
    case SYNC_RECORD.BLOCKS: {
      atLeast(body, 8);
      if (body.length % 16 !== 8) throw malformed();
      const ranges: Range[] = [];
      for (let at = 8; at < body.length; at += 16) {
        const range = { from: readU64(body, at), to: readU64(body, at + 8) };
        if (range.from >= range.to || range.from < (ranges.at(-1)?.to ?? 0)) throw malformed();
        ranges.push(range);
      }
      return { kind: "blocks", basis: body.readUInt32BE(0), length: partLength(body), ranges };
    }
    case SYNC_RECORD.FORGET:
      atLeast(body, 4);
      return { kind: "forget", basis: body.readUInt32BE(0) };
    case SYNC_RECORD.BASED:
      atLeast(body, 4);
      return { kind: "based", basis: body.readUInt32BE(0) };
    case SYNC_RECORD.COPY:
      atLeast(body, 16);
      return { kind: "copy", from: readU64(body, 0), length: readU64(body, 8) };
    case SYNC_RECORD.REMOVE: {
      atLeast(body, 1);
      const flags = body[0] as number;
      const [isRecursive, isReplaced] = [(flags & RECURSIVE) !== 0, (flags & REPLACED) !== 0];
      return { kind: "remove", isRecursive, isReplaced, path: text(body.subarray(1)) };
    }
    case SYNC_RECORD.SET:
      atLeast(body, FACTS_BYTES);
      return { kind: "set", facts: readFacts(body, 0), path: text(body.subarray(FACTS_BYTES)) };
    case SYNC_RECORD.SETTLE:
      return { kind: "settle" };
    case SYNC_RECORD.PLAN: {
      atLeast(body, 9);
      const action = ACTIONS[body[0] as number];
      if (action === undefined) return undefined;
      return { kind: "plan", action: { action, bytes: readU64(body, 1), path: text(body.subarray(9)) } };
    }
    case SYNC_RECORD.COUNTS:
      atLeast(body, 9);
      return { kind: "counts", unchanged: readU64(body, 0), isIncomplete: body[8] === 1 };
    default:
      return undefined;
  }
}

/** Bytes of a piece or block, where they stand in both records. */
function partLength(body: Buffer): number {
  const length = body.readUInt32BE(4);
  // Smaller ones would make the answer as large as the file.
  if (length < 512) throw malformed();
  return length;
}

function withPath(before: number, path: string): Buffer {
  const body = Buffer.allocUnsafe(before + Buffer.byteLength(path));
  body.write(path, before, "utf8");
  return body;
}
