import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  ftruncateSync,
  futimesSync,
  lstatSync,
  openSync,
  renameSync,
  write,
  writeSync,
  writev,
} from "node:fs";
import { TetherError, TRANSFER } from "../protocol/index.ts";
import { ContentDigests } from "./digest.ts";
import { ExistingFile } from "./existing-file.ts";
import type { Folder } from "./folder.ts";
import { endsOf, type ProvenPart, provePart, removePart, type TakenPart } from "./kept-part.ts";
import { checkName } from "./names.ts";
import { type PartFacts, PartJournal, type Piece } from "./part-journal.ts";
import type { PartOffer } from "./prefix-proof.ts";
import { readRange } from "./read-range.ts";
import type { FileHeader } from "./record.ts";
import type { HeldRoom, Room } from "./room.ts";
import type { Writers } from "./writers.ts";

const CREATE_FLAGS = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | (constants.O_NOFOLLOW ?? 0);

/** What receiving a file needs beside the folder it goes to. */
export interface IncomingContext {
  readonly room: Room;
  readonly writers: Writers;
  /** True when the folder was made by this transfer, so that there is nothing to replace. */
  readonly isNew: boolean;
  /** Called with the bytes of content that have been written, or dropped, and are held no more. */
  readonly onWritten: (bytes: number) => void;
  /** Called with the partial file, and its length, when it is left for another transfer to go on with. */
  readonly onKept: (partial: string, bytes: number) => void;
}

/** What of a transfer a file's digests are made with. */
export interface DigestContext {
  /** The transfer's. */
  readonly key: Buffer;
  /** The number of the file in it, or of the old file that it is made from. */
  readonly entry: number;
  readonly what?: "basis";
}

/**
 * One file that is being received: its content goes to a partial file beside the name, which takes the name's
 * place only when it is whole.
 */
export class IncomingFile {
  readonly folder: Folder;
  readonly name: string;
  readonly descriptor: number;
  readonly #header: FileHeader;
  readonly #partial: string;
  readonly #digests: ContentDigests;
  readonly #digestContext: DigestContext;
  readonly #context: IncomingContext;
  readonly #room: HeldRoom;
  readonly #unclaim: () => void;
  readonly #ended: () => void;
  /** What another transfer has left of it, until it is known what use that is. */
  #taken: TakenPart | undefined;
  /** A file of this name that may be the one that is coming, until it is known whether it is. */
  #existing: ExistingFile | undefined;
  /** True when it is. */
  #isThere = false;
  /** Where the content may go on, while the sender has not said where it does. */
  #offered: readonly number[] | undefined;
  #proving: Promise<void> | undefined;
  #source = "";
  #journal: PartJournal | undefined;
  /** Pieces that are right and not yet noted, by where they end. */
  #pieces: { readonly end: number; readonly piece: Piece }[] = [];
  #received = 0;
  /** Where the next write begins. */
  #position = 0;
  /** Where the writes that are under way began. */
  readonly #under = new Set<number>();
  #gathered: Buffer[] = [];
  #gatheredBytes = 0;
  #writes = 0;
  #failure: unknown;
  /** True when what was there before need not be read to its end. */
  #givenUp = false;
  /** Told at the end of every write. */
  #waiting: (() => void)[] = [];

  /**
   * Opens the partial file. Throws what stands in the way: `busy`, `quota`, `exists`, or what the system says.
   *
   * @param take takes over, under the name that it is given, what another transfer has left of the file; the
   * number is that of its bytes
   */
  constructor(
    folder: Folder,
    name: string,
    header: FileHeader,
    digestContext: DigestContext,
    context: IncomingContext,
    left: { readonly bytes: number; take(fresh: string): TakenPart | undefined } | undefined,
  ) {
    checkName(name);
    this.folder = folder;
    this.name = name;
    this.#header = header;
    this.#digestContext = digestContext;
    this.#digests = new ContentDigests(digestContext.key, digestContext.entry, digestContext.what);
    this.#context = context;
    this.#unclaim = context.writers.claim(folder, name);
    try {
      const replaced = context.isNew ? 0 : replacedBytes(folder, name);
      this.#room = context.room.hold(folder, header.size, replaced, left?.bytes ?? 0);
    } catch (error) {
      this.#unclaim();
      throw error;
    }
    this.#partial = context.writers.freshName();
    this.#ended = context.writers.begin(this.#partial);
    try {
      this.#taken = left?.take(this.#partial);
      this.#journal = this.#taken?.journal;
      this.descriptor = this.#taken?.descriptor ?? openSync(folder.path(this.#partial), CREATE_FLAGS, 0o600);
    } catch (error) {
      this.#release();
      this.#room.drop();
      throw error;
    }
  }

  get size(): number {
    return this.#header.size;
  }

  /** The time that it gets. */
  get modified(): number {
    return this.#header.modified;
  }

  /** True while so much waits to be written that no more should be taken. */
  get isFull(): boolean {
    return this.#gatheredBytes >= TRANSFER.writeBytes && this.#writes >= TRANSFER.writes;
  }

  /** True while a thread writes, or reads what was there before. */
  get isBusy(): boolean {
    return this.#writes > 0 || this.#proving !== undefined;
  }

  /**
   * What is there of the file already, for its sender, whose file has this identity. Where power may have been
   * lost since it was written, or the file may be another one, it is read first; else while the rest comes.
   */
  async offer(identity: Buffer): Promise<PartOffer> {
    this.#source = identity.toString("hex");
    const taken = this.#taken;
    if (taken === undefined || taken.pieces.length === 0) {
      this.#taken = undefined;
      this.#dropJournal();
      // From now on it is known whose part it is, whatever ends this process.
      this.#journal = PartJournal.create(this.folder, this.#partial, this.#facts, []);
      return this.#offerExisting();
    }
    const isKnown = this.#source !== "" && taken.source === this.#source;
    let { pieces } = taken;
    let proof: PartOffer["proof"];
    if (isKnown && taken.isOfThisBoot) {
      this.#proving = this.#proveMeanwhile(pieces);
    } else {
      const proven = await this.#prove(pieces);
      pieces = pieces.slice(0, proven.pieces);
      if (!isKnown) proof = proven.proof;
    }
    const ends = endsOf(pieces);
    const bytes = ends.at(-1) ?? 0;
    if (bytes === 0) return { bytes, proof: undefined };
    this.#offered = proof?.ends ?? [bytes];
    return { bytes, proof };
  }

  /** The content goes on at `offset`, which was offered, or is 0. Throws `invalid` for anything else. */
  goOn(offset: number): void {
    if (this.#offered === undefined || (offset !== 0 && !this.#offered.includes(offset))) {
      throw new TetherError("invalid", "content from where nobody has asked for it");
    }
    this.#offered = undefined;
    this.#digests.skip();
    this.#received = offset;
    this.#position = offset;
    if (this.#existing !== undefined) {
      this.#isThere = offset > 0;
      return;
    }
    const taken = this.#taken as TakenPart;
    this.#taken = undefined;
    this.#clearFrom(offset);
    const kept = endsOf(taken.pieces).indexOf(offset) + 1;
    if (kept === taken.pieces.length && taken.source === this.#source) return;
    this.#dropJournal();
    if (kept > 0) {
      const pieces = taken.pieces.slice(0, kept);
      this.#journal = PartJournal.create(this.folder, this.#partial, this.#facts, pieces);
    }
  }

  /** A piece of the content is complete. Throws `integrity` when it is not what the sender had. */
  check(digest: Buffer): void {
    if (this.#offered !== undefined) return;
    const { bytes: length, mark } = this.#digests;
    if (length < TRANSFER.leastPiece) throw new TetherError("invalid", "digests that come too often");
    if (!this.#digests.matches(digest)) throw damaged();
    this.#digests.skip();
    this.#pieces.push({ end: this.#received, piece: { length, ...mark, digest: Buffer.from(digest) } });
    this.#note();
  }

  /** Takes a piece of the content. Throws what the system says, or said to an earlier write. */
  take(bytes: Buffer): void {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#offered !== undefined) {
      // Sent before the sender knew that it is here.
      this.#context.onWritten(bytes.length);
      return;
    }
    if (this.#taken !== undefined) {
      // Nothing of it is of use: it is written over.
      this.#taken = undefined;
      this.#clearFrom(0);
      this.#dropJournal();
    }
    this.#received += bytes.length;
    if (this.#received > this.size) throw new TetherError("invalid", "more content than was announced");
    this.#digests.update(bytes);
    if (this.size <= TRANSFER.smallFile) {
      this.#writeNow(bytes);
      return;
    }
    this.#gathered.push(bytes);
    this.#gatheredBytes += bytes.length;
    if (this.#gatheredBytes >= TRANSFER.writeBytes || this.#received === this.size) this.#startWrite();
  }

  /**
   * Takes content from a file that is here, after all that is still to be written.
   *
   * @throws TetherError `integrity` when there is less, or what the system says
   */
  async copy(descriptor: number, from: number, length: number): Promise<void> {
    await this.idle();
    this.#startWrite();
    await this.idle();
    if (this.#failure !== undefined) throw this.#failure;
    this.#received += length;
    if (this.#received > this.size) throw new TetherError("invalid", "more content than was announced");
    this.#writes++;
    try {
      const range = { from, to: from + length };
      const isOver = () => this.#givenUp || this.#failure !== undefined;
      const copied = await readRange(descriptor, range, (bytes) => this.#writeCopied(bytes), isOver);
      if (copied !== length) throw new TetherError("integrity", "the old file has become shorter");
    } finally {
      this.#writes--;
      this.#changed();
    }
  }

  /**
   * The content is complete: once {@link isBusy} no more, compares it with what the sender had and gives it
   * its mode and time.
   *
   * @throws TetherError `integrity` when it is not the same, or what the system says
   */
  complete(digest: Buffer): void {
    if (this.#failure !== undefined) throw this.#failure;
    const matches = this.#digests.matches(digest);
    if (this.#received !== this.size || !matches) throw damaged();
    if (this.#isThere) return;
    // What ends with a hole has not been written to its end.
    if (this.#header.isSparse) ftruncateSync(this.descriptor, this.size);
    const seconds = this.#header.modified / 1000;
    futimesSync(this.descriptor, seconds, seconds);
    // Windows has none of these bits, and would make the file read-only for the lack of one.
    if (process.platform !== "win32") fchmodSync(this.descriptor, this.#header.mode);
  }

  /** Gives the complete and synced file its name. Throws what the system says; then {@link forget} it. */
  commit(): void {
    if (this.#isThere) {
      this.#existing?.confirm(this.#header.mode);
      this.forget();
      return;
    }
    renameSync(this.folder.path(this.#partial), this.folder.path(this.name));
    closeSync(this.descriptor);
    this.#journal?.remove();
    this.#room.keep();
    this.#release();
  }

  /** Like {@link discard}, for a file that nothing is being written to any more. */
  forget(): void {
    closeSync(this.descriptor);
    this.#journal?.close();
    try {
      removePart(this.folder, this.#partial);
    } catch {
      // It is gone already, or the folder is: nothing is left over either way.
    }
    this.#room.drop();
    this.#release();
  }

  /** Leaves the old file as it was and nothing of the new one, as soon as no thread writes to it any more. */
  async discard(): Promise<void> {
    this.#failure ??= new TetherError("cancelled", "given up");
    this.#givenUp = true;
    this.#drop();
    await this.idle();
    this.forget();
  }

  /** Leaves the old file as it was, and of the new one what another transfer can go on with, if anything. */
  async leave(): Promise<void> {
    this.willEnd();
    while (this.#gatheredBytes > 0) {
      if (this.#writes >= TRANSFER.writes) await this.#change();
      this.#startWrite();
    }
    this.#givenUp = true;
    await this.idle();
    if (this.#failure !== undefined || this.#journal === undefined || this.#journal.isEmpty) {
      this.forget();
      return;
    }
    const { size } = fstatSync(this.descriptor);
    closeSync(this.descriptor);
    this.#journal.close();
    this.#room.drop();
    this.#release();
    this.#context.onKept(this.#partial, size);
  }

  /** Lets whoever wants the name next wait for it: this file has it, or has come to nothing, in a moment. */
  willEnd(): void {
    this.#context.writers.ending(this.folder, this.name);
  }

  /** Resolves when no thread writes or reads. */
  async idle(): Promise<void> {
    await this.#proving;
    while (this.#writes > 0) await this.#change();
  }

  /** Resolves when more may be taken. */
  async emptied(): Promise<void> {
    while (this.isFull) await this.#change();
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
    });
  }

  #writeNow(bytes: Buffer): void {
    let at = 0;
    while (at < bytes.length) {
      at += writeSync(this.descriptor, bytes, at, bytes.length - at, this.#position + at);
    }
    this.#position += bytes.length;
    this.#context.onWritten(bytes.length);
  }

  #startWrite(): void {
    if (this.#gatheredBytes === 0 || this.#writes >= TRANSFER.writes) return;
    const buffers = this.#gathered;
    const bytes = this.#gatheredBytes;
    const position = this.#position;
    this.#gathered = [];
    this.#gatheredBytes = 0;
    this.#position += bytes;
    this.#under.add(position);
    this.#writes++;
    this.#write(buffers, bytes, position, position);
  }

  #write(buffers: Buffer[], bytes: number, position: number, begin: number): void {
    const hole = this.#header.isSparse ? zerosAtFront(buffers) : 0;
    if (hole > 0 && hole < bytes) {
      this.#context.onWritten(hole);
      this.#write(dropFront(buffers, hole), bytes - hole, position + hole, begin);
      return;
    }
    const after = (error: NodeJS.ErrnoException | null, written: number) => {
      if (error === null && written < bytes) {
        // A full disk takes a part, and says why at the next try.
        this.#write(dropFront(buffers, written), bytes - written, position + written, begin);
        this.#context.onWritten(written);
        return;
      }
      this.#writes--;
      this.#under.delete(begin);
      if (error !== null) {
        this.#failure ??= error;
        this.#drop();
      } else if (this.#gatheredBytes >= TRANSFER.writeBytes || this.#received === this.size) {
        this.#startWrite();
      }
      this.#note();
      this.#context.onWritten(bytes);
      this.#changed();
    };
    if (hole === bytes) setImmediate(after, null, bytes);
    else writev(this.descriptor, this.#header.isSparse ? dataAtFront(buffers) : buffers, position, after);
  }

  /** What another transfer has left from `offset` on would show through the holes. */
  #clearFrom(offset: number): void {
    if (this.#header.isSparse) ftruncateSync(this.descriptor, offset);
  }

  /** Notes the pieces that are written. */
  #note(): void {
    if (this.#failure !== undefined || this.#pieces.length === 0) return;
    const written = Math.min(this.#position, ...this.#under);
    const ready = this.#pieces.filter(({ end }) => end <= written).map(({ piece }) => piece);
    if (ready.length === 0) return;
    this.#pieces.splice(0, ready.length);
    try {
      if (this.#journal === undefined) {
        this.#journal = PartJournal.create(this.folder, this.#partial, this.#facts, ready);
      } else {
        this.#journal.add(ready);
      }
    } catch (error) {
      this.#failure ??= error;
    }
  }

  #dropJournal(): void {
    this.#journal?.remove();
    this.#journal = undefined;
  }

  get #facts(): PartFacts {
    const { size, modified } = this.#header;
    return { name: this.name, size, modified, source: this.#source };
  }

  #prove(pieces: readonly Piece[]): Promise<ProvenPart> {
    const { key, entry } = this.#digestContext;
    return provePart(this.descriptor, pieces, key, entry, () => this.#givenUp);
  }

  async #proveMeanwhile(pieces: readonly Piece[]): Promise<void> {
    try {
      const { pieces: proven } = await this.#prove(pieces);
      if (proven < pieces.length && !this.#givenUp) throw damaged();
    } catch (error) {
      this.#failure ??= error;
    } finally {
      this.#proving = undefined;
    }
  }

  #changed(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }

  /** Writes what came from a file that is here; the sender gets no credit for it. */
  #writeCopied(bytes: Buffer): Promise<void> | undefined {
    this.#digests.update(bytes);
    const position = this.#position;
    this.#position += bytes.length;
    if (this.#header.isSparse) return writeData(this.descriptor, bytes, position);
    if (bytes.length > TRANSFER.smallFile) return writeAll(this.descriptor, bytes, position);
    let at = 0;
    while (at < bytes.length) {
      at += writeSync(this.descriptor, bytes, at, bytes.length - at, position + at);
    }
    return undefined;
  }

  #drop(): void {
    const bytes = this.#gatheredBytes;
    this.#gathered = [];
    this.#gatheredBytes = 0;
    if (bytes > 0) this.#context.onWritten(bytes);
  }

  async #offerExisting(): Promise<PartOffer> {
    this.#existing = ExistingFile.open(this.folder, this.name, this.#header);
    if (this.#existing === undefined) return { bytes: 0, proof: undefined };
    const { key, entry } = this.#digestContext;
    const offer = await this.#existing.offer(key, entry);
    this.#offered = [offer.bytes];
    return offer;
  }

  #release(): void {
    this.#existing?.close();
    this.#existing = undefined;
    this.#ended();
    this.#unclaim();
  }
}

function writeAll(descriptor: number, bytes: Buffer, position: number): Promise<void> {
  return new Promise((resolve, reject) => {
    write(descriptor, bytes, 0, bytes.length, position, (error, written) => {
      if (error !== null) reject(error);
      else if (written === bytes.length) resolve();
      // A full disk takes a part, and says why at the next try.
      else writeAll(descriptor, bytes.subarray(written), position + written).then(resolve, reject);
    });
  });
}

/** Writes what is not zeros, where holes are to stay holes. */
async function writeData(descriptor: number, bytes: Buffer, position: number): Promise<void> {
  for (let at = 0; at < bytes.length; at += TRANSFER.smallFile) {
    const part = bytes.subarray(at, at + TRANSFER.smallFile);
    if (!isZero(part)) await writeAll(descriptor, part, position + at);
  }
}

function damaged(): TetherError {
  return new TetherError("integrity", "what arrived is not what was sent; the old file stays", {
    hint: "try again",
  });
}

/** Bytes of the file that will be replaced. Throws `exists` for what a file cannot replace. */
function replacedBytes(folder: Folder, name: string): number {
  const facts = lstatSync(folder.path(name), { throwIfNoEntry: false });
  if (facts?.isDirectory()) throw new TetherError("exists", "a folder of that name is there");
  return facts?.isFile() ? facts.size : 0;
}

function dropFront(buffers: readonly Buffer[], bytes: number): Buffer[] {
  const rest: Buffer[] = [];
  let left = bytes;
  for (const buffer of buffers) {
    if (left < buffer.length) rest.push(left === 0 ? buffer : buffer.subarray(left));
    left = Math.max(0, left - buffer.length);
  }
  return rest;
}

/** Bytes of the buffers at the front that hold nothing but zeros. */
function zerosAtFront(buffers: readonly Buffer[]): number {
  let bytes = 0;
  for (const buffer of buffers) {
    if (!isZero(buffer)) break;
    bytes += buffer.length;
  }
  return bytes;
}

/** The buffers before the first that holds nothing but zeros. */
function dataAtFront(buffers: readonly Buffer[]): readonly Buffer[] {
  const end = buffers.findIndex(isZero);
  return end < 0 ? buffers : buffers.slice(0, end);
}

function isZero(bytes: Buffer): boolean {
  // Each byte is compared with the one before it, which memcmp does faster than any loop here.
  return bytes[0] === 0 && bytes.compare(bytes, 1, bytes.length, 0, bytes.length - 1) === 0;
}
