import { createHash } from "node:crypto";
import { closeSync, constants, fstatSync, openSync, readSync, unlinkSync, writeSync } from "node:fs";
import { TRANSFER } from "../protocol/index.ts";
import { DIGEST_BYTES, DIGEST_KEY_BYTES } from "./digest.ts";
import type { Folder } from "./folder.ts";
import { journalName } from "./names.ts";
import { systemCode } from "./private-files.ts";
import { type ProcessMark, parseProcessMark, thisProcess } from "./process-mark.ts";

const NO_FOLLOW = constants.O_NOFOLLOW ?? 0;
const CREATE_FLAGS = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | NO_FOLLOW;
const READ_FLAGS = constants.O_RDONLY | NO_FOLLOW | (constants.O_NONBLOCK ?? 0);

/** What a part is a part of. */
export interface PartFacts {
  /** The name that the file is to have. */
  readonly name: string;
  readonly size: number;
  /** As in `EntryFacts`. */
  readonly modified: number;
  /** The identity of the source, in hexadecimal digits; empty when it has none. */
  readonly source: string;
}

/** Some bytes of a part, which follow those of the piece before, and their digest. */
export interface Piece {
  readonly length: number;
  readonly key: Buffer;
  /** The numbers of its entry in the transfer that brought it, and of itself in the entry. */
  readonly entry: number;
  readonly number: number;
  readonly digest: Buffer;
}

/** What a journal says. */
export interface PartRecord {
  readonly facts: PartFacts;
  /** Who has written it. */
  readonly writer: ProcessMark;
  readonly pieces: readonly Piece[];
}

const PIECE_RECORD = 4 + DIGEST_KEY_BYTES + 8 + DIGEST_BYTES;
const CHECKSUM_BYTES = 16;
/** Bytes of the first record's text: a name of 255 bytes that JSON writes with six characters each, and the rest. */
const LONGEST_HEAD = 2_048;

/**
 * The journal beside a part: what it is a part of, and a digest of each piece of it that is written. It is not
 * brought to the disk, so after lost power it may say anything; what it says is believed only of what the digests
 * are right for.
 *
 * u32 length, JSON, 16 bytes of the JSON's SHA-256; then for each piece u32 length, 32 bytes key, u32 entry, u32 number,
 * 16 bytes digest.
 */
export class PartJournal {
  readonly #descriptor: number;
  readonly #path: string;
  #at: number;
  #pieces = 0;

  private constructor(descriptor: number, path: string, at: number) {
    this.#descriptor = descriptor;
    this.#path = path;
    this.#at = at;
  }

  /** Begins the journal of a partial file. Throws what the system says. */
  static create(folder: Folder, partial: string, facts: PartFacts, pieces: readonly Piece[]): PartJournal {
    const path = folder.path(journalName(partial));
    const descriptor = openSync(path, CREATE_FLAGS, 0o600);
    const text = Buffer.from(JSON.stringify({ version: 1, ...facts, writer: thisProcess() }), "utf8");
    const length = Buffer.allocUnsafe(4);
    length.writeUInt32BE(text.length, 0);
    const journal = new PartJournal(descriptor, path, 0);
    journal.#pieces = pieces.length;
    journal.#write(Buffer.concat([length, text, checksum(text), ...pieces.map(pieceRecord)]));
    return journal;
  }

  /** Notes a piece that is written. Throws what the system says. */
  add(pieces: readonly Piece[]): void {
    // A part with more is kept as far as is noted.
    if (this.#at >= TRANSFER.journalBytes) return;
    this.#pieces += pieces.length;
    this.#write(Buffer.concat(pieces.map(pieceRecord)));
  }

  /** True when nothing of the part is noted. */
  get isEmpty(): boolean {
    return this.#pieces === 0;
  }

  close(): void {
    closeSync(this.#descriptor);
  }

  /** Closes and removes it. */
  remove(): void {
    closeSync(this.#descriptor);
    try {
      unlinkSync(this.#path);
    } catch {
      // Without its part it means nothing, and goes when leftovers do.
    }
  }

  #write(bytes: Buffer): void {
    let done = 0;
    while (done < bytes.length) {
      done += writeSync(this.#descriptor, bytes, done, bytes.length - done, this.#at + done);
    }
    this.#at += bytes.length;
  }
}

/** Reads the journal of a partial file; undefined when there is none that makes sense. Throws what the system says. */
export function readPartJournal(folder: Folder, partial: string): PartRecord | undefined {
  let descriptor: number;
  try {
    descriptor = openSync(folder.path(journalName(partial)), READ_FLAGS);
  } catch (error) {
    if (systemCode(error) === "ENOENT" || systemCode(error) === "ELOOP") return undefined;
    throw error;
  }
  try {
    const facts = fstatSync(descriptor);
    if (!facts.isFile()) return undefined;
    const bytes = Buffer.alloc(Math.min(facts.size, TRANSFER.journalBytes + 64 * 1024));
    return parseJournal(bytes.subarray(0, readSync(descriptor, bytes, 0, bytes.length, 0)));
  } finally {
    closeSync(descriptor);
  }
}

function parseJournal(bytes: Buffer): PartRecord | undefined {
  const length = bytes.length < 4 ? 0 : bytes.readUInt32BE(0);
  const end = 4 + length + CHECKSUM_BYTES;
  if (length === 0 || length > LONGEST_HEAD || bytes.length < end) return undefined;
  const text = bytes.subarray(4, 4 + length);
  if (!checksum(text).equals(bytes.subarray(4 + length, end))) return undefined;
  const head = JSON.parse(text.toString("utf8")) as PartFacts & { version: number; writer: unknown };
  const writer = parseProcessMark(JSON.stringify(head.writer));
  if (head.version !== 1 || writer === undefined) return undefined;
  const { name, size, modified, source } = head;
  const pieces: Piece[] = [];
  for (let at = end; at + PIECE_RECORD <= bytes.length; at += PIECE_RECORD) {
    const keyEnd = at + 4 + DIGEST_KEY_BYTES;
    pieces.push({
      length: bytes.readUInt32BE(at),
      key: bytes.subarray(at + 4, keyEnd),
      entry: bytes.readUInt32BE(keyEnd),
      number: bytes.readUInt32BE(keyEnd + 4),
      digest: bytes.subarray(keyEnd + 8, keyEnd + 8 + DIGEST_BYTES),
    });
  }
  return { facts: { name, size, modified, source }, writer, pieces };
}

function pieceRecord({ length, key, entry, number, digest }: Piece): Buffer {
  const record = Buffer.allocUnsafe(PIECE_RECORD);
  record.writeUInt32BE(length, 0);
  key.copy(record, 4);
  record.writeUInt32BE(entry, 4 + DIGEST_KEY_BYTES);
  record.writeUInt32BE(number, 8 + DIGEST_KEY_BYTES);
  digest.copy(record, PIECE_RECORD - DIGEST_BYTES);
  return record;
}

function checksum(text: Buffer): Buffer {
  return createHash("sha256").update(text).digest().subarray(0, CHECKSUM_BYTES);
}
