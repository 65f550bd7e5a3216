import { asTetherError, TetherError, TRANSFER } from "../protocol/index.ts";
import { DIGEST_BYTES } from "./digest.ts";

/**
 * What a sender writes: records, one after the other, in the DATA of a stream of kind `files`. Each is u8 type,
 * u32 length of its body, body; big-endian. Files and folders come depth first, so each has but one name.
 *
 * Entries are counted from 0: each FILE, FOLDER, LINK, FAILED and KEPT is one.
 */
export const RECORD = {
  /** Begins a file: u64 size, u16 mode, i64 seconds and u32 nanoseconds of its time, name. */
  FILE: 1,
  /** Bytes of the file that has begun. */
  CONTENT: 2,
  /** The file's content is complete: u8 flags, 16 bytes digest of what came since the last CHECK. */
  END: 3,
  /** The file's content cannot be completed: JSON `{code, message, hint?}`. */
  ABORT: 4,
  /** Goes into a folder: u16 mode, i64 seconds and u32 nanoseconds of its time, name. */
  FOLDER: 5,
  /** Leaves the folder; nothing. */
  LEAVE: 6,
  /** A symbolic link: u16 bytes of its name, name, target. */
  LINK: 7,
  /** Something that cannot be sent: JSON `{code, message, hint?}`. */
  FAILED: 8,
  /** How much will come, as far as is known: u64 files, u64 bytes. */
  TOTAL: 9,
  /** A piece of the file's content is complete: 16 bytes digest of what came since the last CHECK. */
  CHECK: 10,
  /**
   * Asks how much of the file that has begun the receiver has: what tells the file's content from what it is
   * after any change, up to 64 bytes, or nothing when that cannot be told.
   */
  SOURCE: 11,
  /** The content goes on somewhere else, and what came of it before is void: u64 offset. */
  FROM: 12,
  /** A file that the receiver has said it has: as FILE, and nothing of it follows. */
  KEPT: 13,
} as const;

const LAST_RECORD = RECORD.KEPT;
/** Types from here to {@link LAST_SYNC} are those of `sync`: see sync-record.ts. */
const FIRST_SYNC = 32;
const LAST_SYNC = 47;

/** Bytes of what SOURCE holds. */
const SOURCE_BYTES = 64;

/** Bytes before a record's body. */
export const RECORD_HEADER = 5;

/** Flags of END. */
const GREW = 1;

/** What is kept of a file or folder beside its name. */
export interface EntryFacts {
  /** Permission bits: nothing that gives rights to whoever runs the file. */
  readonly mode: number;
  /** Milliseconds since 1970, with a fraction. */
  readonly modified: number;
}

/** The beginning of a file. */
export interface FileHeader extends EntryFacts {
  readonly name: string;
  readonly size: number;
  /** True when the file has holes: blocks of zeros that take no room on the disk. */
  readonly isSparse: boolean;
}

/** Whether a file of these facts has holes; of the smallest it makes no difference. */
export function isSparse({ size, blocks }: { readonly size: number; readonly blocks: number }): boolean {
  return size > TRANSFER.smallFile && process.platform !== "win32" && blocks * 512 < size;
}

/** What came out of the records. A file's content comes in pieces. */
export type Item =
  | { readonly kind: "file"; readonly header: FileHeader }
  | { readonly kind: "content"; readonly bytes: Buffer }
  | { readonly kind: "end"; readonly digest: Buffer; readonly grew: boolean }
  | { readonly kind: "abort"; readonly error: TetherError }
  | { readonly kind: "folder"; readonly name: string; readonly facts: EntryFacts }
  | { readonly kind: "leave" }
  | { readonly kind: "link"; readonly name: string; readonly target: string }
  | { readonly kind: "failed"; readonly error: TetherError }
  | { readonly kind: "total"; readonly files: number; readonly bytes: number }
  | { readonly kind: "check"; readonly digest: Buffer }
  | { readonly kind: "source"; readonly identity: Buffer }
  | { readonly kind: "from"; readonly offset: number }
  | { readonly kind: "kept"; readonly header: FileHeader }
  | { readonly kind: "sync"; readonly type: number; readonly body: Buffer };

/** Permission bits that travel: no set-user-id, set-group-id or sticky bit. */
const MODE_BITS = 0o777;
/** Bit beside the mode of a file that has holes; whoever does not know it writes the zeros. */
const SPARSE = 0x8000;
/** Bytes of {@link writeFacts}. */
export const FACTS_BYTES = 14;
const U32 = 0x1_0000_0000;

/** Writes a record's header at `at`; gives where its body begins. */
export function writeRecordHeader(target: Buffer, at: number, type: number, length: number): number {
  target[at] = type;
  target.writeUInt32BE(length, at + 1);
  return at + RECORD_HEADER;
}

/** The body of FILE. */
export function fileBody({ name, size, isSparse, ...facts }: FileHeader): Buffer {
  const body = Buffer.allocUnsafe(8 + FACTS_BYTES + Buffer.byteLength(name));
  writeU64(body, 0, size);
  writeFacts(body, 8, facts);
  if (isSparse) body.writeUInt16BE(body.readUInt16BE(8) | SPARSE, 8);
  body.write(name, 8 + FACTS_BYTES, "utf8");
  return body;
}

/** The body of FOLDER. */
export function folderBody(name: string, facts: EntryFacts): Buffer {
  const body = Buffer.allocUnsafe(FACTS_BYTES + Buffer.byteLength(name));
  writeFacts(body, 0, facts);
  body.write(name, FACTS_BYTES, "utf8");
  return body;
}

/** The body of LINK. */
export function linkBody(name: string, target: string): Buffer {
  const length = Buffer.byteLength(name);
  const body = Buffer.allocUnsafe(2 + length + Buffer.byteLength(target));
  body.writeUInt16BE(length, 0);
  body.write(name, 2, "utf8");
  body.write(target, 2 + length, "utf8");
  return body;
}

/** The body of END. `grew`: the file had become longer by the time it had been read. */
export function endBody(digest: Buffer, grew: boolean): Buffer {
  return Buffer.concat([Buffer.from([grew ? GREW : 0]), digest]);
}

/** The body of ABORT and FAILED. */
export function errorBody(error: TetherError): Buffer {
  const { code, message, hint } = error;
  const short = new TetherError(code, message.slice(0, 1_000), { hint: hint?.slice(0, 500) });
  return Buffer.from(JSON.stringify(short), "utf8");
}

/** The body of TOTAL. */
export function totalBody(files: number, bytes: number): Buffer {
  const body = Buffer.allocUnsafe(16);
  writeU64(body, 0, files);
  writeU64(body, 8, bytes);
  return body;
}

/** The body of FROM. */
export function fromBody(offset: number): Buffer {
  const body = Buffer.allocUnsafe(8);
  writeU64(body, 0, offset);
  return body;
}

/** Turns the bytes of a transfer into items, however they were cut. Content is handed on without a copy. */
export class RecordReader {
  #chunks: Buffer[] = [];
  /** Where in the first chunk to go on. */
  #at = 0;
  #available = 0;
  #header: { readonly type: number; readonly length: number } | undefined;
  /** Bytes of the CONTENT record, or of an unknown one, that are still to come. */
  #passing = 0;
  #skipping = false;

  /** Bytes that were pushed and not yet given out. */
  get held(): number {
    return this.#available;
  }

  /** True where a record may begin, so that the records may end there. */
  get isBetween(): boolean {
    return this.#available === 0 && this.#header === undefined && this.#passing === 0;
  }

  push(chunk: Buffer): void {
    if (chunk.length === 0) return;
    this.#chunks.push(chunk);
    this.#available += chunk.length;
  }

  /** The next item; undefined until more is pushed. Throws `invalid` or `limit` for what no sender writes. */
  next(): Item | undefined {
    for (;;) {
      if (this.#passing > 0) {
        const bytes = this.#pass();
        if (bytes === undefined) return undefined;
        if (!this.#skipping) return { kind: "content", bytes };
        continue;
      }
      if (this.#header === undefined) {
        if (this.#available < RECORD_HEADER) return undefined;
        const bytes = this.#take(RECORD_HEADER);
        this.#header = { type: bytes[0] as number, length: bytes.readUInt32BE(1) };
      }
      const { type, length } = this.#header;
      const isSync = type >= FIRST_SYNC && type <= LAST_SYNC;
      if (type === RECORD.CONTENT || type === 0 || (type > LAST_RECORD && !isSync)) {
        this.#header = undefined;
        this.#passing = length;
        this.#skipping = type !== RECORD.CONTENT;
        continue;
      }
      if (length > TRANSFER.record)
        throw new TetherError("limit", `a record of type ${type} with ${length} bytes`);
      if (this.#available < length) return undefined;
      this.#header = undefined;
      return readItem(type, this.#take(length));
    }
  }

  #pass(): Buffer | undefined {
    const first = this.#chunks[0];
    if (first === undefined) return undefined;
    const length = Math.min(this.#passing, first.length - this.#at);
    this.#passing -= length;
    return this.#take(length);
  }

  /** The next `length` bytes, which are there; copied only where they lie in two chunks. */
  #take(length: number): Buffer {
    const first = this.#chunks[0];
    if (first === undefined) return Buffer.alloc(0);
    this.#available -= length;
    const end = this.#at + length;
    if (end <= first.length) {
      const bytes = first.subarray(this.#at, end);
      this.#at = end;
      if (end === first.length) this.#dropFirst();
      return bytes;
    }
    const bytes = Buffer.allocUnsafe(length);
    let filled = 0;
    while (filled < length) {
      const chunk = this.#chunks[0] as Buffer;
      const copied = chunk.copy(bytes, filled, this.#at);
      filled += copied;
      this.#at += copied;
      if (this.#at === chunk.length) this.#dropFirst();
    }
    return bytes;
  }

  #dropFirst(): void {
    this.#chunks.shift();
    this.#at = 0;
  }
}

function readItem(type: number, body: Buffer): Item {
  switch (type) {
    case RECORD.FILE:
      return { kind: "file", header: readHeader(body) };
    case RECORD.KEPT:
      return { kind: "kept", header: readHeader(body) };
    case RECORD.END:
      if (body.length !== 1 + DIGEST_BYTES) throw malformed();
      return { kind: "end", digest: body.subarray(1), grew: ((body[0] as number) & GREW) !== 0 };
    case RECORD.ABORT:
      return { kind: "abort", error: readError(body) };
    case RECORD.FOLDER:
      atLeast(body, FACTS_BYTES);
      return { kind: "folder", name: text(body.subarray(FACTS_BYTES)), facts: readFacts(body, 0) };
    case RECORD.LEAVE:
      return { kind: "leave" };
    case RECORD.LINK: {
      atLeast(body, 2);
      const end = 2 + body.readUInt16BE(0);
      atLeast(body, end);
      return { kind: "link", name: text(body.subarray(2, end)), target: text(body.subarray(end)) };
    }
    case RECORD.FAILED:
      return { kind: "failed", error: readError(body) };
    case RECORD.CHECK:
      if (body.length !== DIGEST_BYTES) throw malformed();
      return { kind: "check", digest: body };
    case RECORD.SOURCE:
      if (body.length > SOURCE_BYTES) throw malformed();
      return { kind: "source", identity: body };
    case RECORD.FROM:
      atLeast(body, 8);
      return { kind: "from", offset: readU64(body, 0) };
    case RECORD.TOTAL:
      atLeast(body, 16);
      return { kind: "total", files: readU64(body, 0), bytes: readU64(body, 8) };
    default:
      return { kind: "sync", type, body };
  }
}

function readHeader(body: Buffer): FileHeader {
  atLeast(body, 8 + FACTS_BYTES);
  const name = text(body.subarray(8 + FACTS_BYTES));
  const isSparse = (body.readUInt16BE(8) & SPARSE) !== 0;
  return { name, size: readU64(body, 0), isSparse, ...readFacts(body, 8) };
}

/** Writes mode and time: u16 mode, i64 seconds, u32 nanoseconds. */
export function writeFacts(target: Buffer, at: number, { mode, modified }: EntryFacts): void {
  const seconds = Math.floor(modified / 1000);
  const nanoseconds = Math.min(999_999_999, Math.round((modified - seconds * 1000) * 1e6));
  target.writeUInt16BE(mode & MODE_BITS, at);
  target.writeInt32BE(Math.floor(seconds / U32), at + 2);
  target.writeUInt32BE(seconds >>> 0, at + 6);
  target.writeUInt32BE(nanoseconds, at + 10);
}

/** Reads what {@link writeFacts} writes. Throws `invalid` for a time that no file system keeps. */
export function readFacts(body: Buffer, at: number): EntryFacts {
  const seconds = body.readInt32BE(at + 2) * U32 + body.readUInt32BE(at + 6);
  // Beyond what any file system keeps, and what a number holds exactly.
  if (Math.abs(seconds) > 2 ** 40) throw malformed();
  return {
    mode: body.readUInt16BE(at) & MODE_BITS,
    modified: seconds * 1000 + body.readUInt32BE(at + 10) / 1e6,
  };
}

/** Writes a number of 64 bits. */
export function writeU64(target: Buffer, at: number, value: number): void {
  target.writeUInt32BE(Math.floor(value / U32), at);
  target.writeUInt32BE(value % U32, at + 4);
}

/** Reads a number of 64 bits. Throws `invalid` for one that a number does not hold exactly. */
export function readU64(body: Buffer, at: number): number {
  const value = body.readUInt32BE(at) * U32 + body.readUInt32BE(at + 4);
  if (!Number.isSafeInteger(value)) throw malformed();
  return value;
}

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Reads UTF-8. Throws `invalid` for anything else. */
export function text(bytes: Buffer): string {
  try {
    return strict.decode(bytes);
  } catch {
    throw new TetherError("invalid", "a name that is not UTF-8");
  }
}

/** Reads the body of ABORT and FAILED. */
export function readError(body: Buffer): TetherError {
  try {
    return TetherError.fromJSON(JSON.parse(body.toString("utf8")));
  } catch (error) {
    return asTetherError(error);
  }
}

/** Throws `invalid` for a body that is too short. */
export function atLeast(body: Buffer, bytes: number): void {
  if (body.length < bytes) throw malformed();
}

/** What is said of a record that cannot be read. */
export function malformed(): TetherError {
  return new TetherError("invalid", "a record that no sender of files writes");
}
