import {
  closeSync,
  constants,
  type Dirent,
  fstatSync,
  lstatSync,
  openSync,
  readlinkSync,
  readSync,
  type Stats,
} from "node:fs";
import { readdir } from "node:fs/promises";
import { FILES, TetherError, TRANSFER } from "../protocol/index.ts";
import { ContentDigests } from "./digest.ts";
import { entryError } from "./entry-error.ts";
import { readFully } from "./file-reading.ts";
import type { Folder } from "./folder.ts";
import { fileNumber } from "./history.ts";
import { isPartial } from "./names.ts";
import { type PartOffer, provenBytes } from "./prefix-proof.ts";
import type { Progress } from "./progress.ts";
import {
  type EntryFacts,
  endBody,
  errorBody,
  type FileHeader,
  fileBody,
  folderBody,
  fromBody,
  isSparse,
  linkBody,
  RECORD,
  totalBody,
} from "./record.ts";
import { type BulkOutput, CONTENT_BYTES, PIECE_BYTES, RecordWriter } from "./record-writer.ts";
import { sourceIdentity } from "./source-identity.ts";
import { Turn } from "./turn.ts";

/** Something to send, opened. */
export interface OpenSource {
  /** Where it lies; the sender closes it. */
  readonly folder: Folder;
  /** Its name there; empty for the folder itself. */
  readonly name: string;
  /** What the receiver is to call it; empty when a folder's contents go without the folder. */
  readonly base: string;
}

/** Something to send; it is opened when its turn comes. */
export interface Source {
  /** The path as people wrote it. */
  readonly path: string;
  /** Throws what stands in the way. */
  open(): OpenSource;
}

export interface SenderOptions {
  readonly output: BulkOutput;
  /** Key of the digests. */
  readonly key: Buffer;
  /** Whether folders are sent, with all that is in them. */
  readonly recursive: boolean;
  /** Whether the receiver says what it has of a large file already. */
  readonly resumes: boolean;
  /** Whether the receiver says first which files it has already. */
  readonly awaitsHistory?: boolean;
  readonly progress: Progress;
  /** Told of everything that could not be read. */
  readonly onFailed: (error: TetherError) => void;
}

/** Not through a link, and never waiting for the other end of a pipe. */
export const READ_FLAGS =
  constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0) | (constants.O_NOCTTY ?? 0);

/** Sends files and trees as records, without waiting for an answer to any of them. */
export class Sender {
  readonly #options: SenderOptions;
  readonly #writer: RecordWriter;
  readonly #turn = new Turn();
  /** Entries that the receiver does not take. */
  readonly #refused = new Set<number>();
  /** The file of which it is to be known how much of it is there already. */
  #asked: { readonly entry: number; readonly answer: (offer: PartOffer) => void } | undefined;
  #resumed = 0;
  /** Numbers of files that the receiver has. */
  readonly #there = new Set<number>();
  /** Called when all of those are known. */
  #toldThere: () => void = () => undefined;
  readonly #thereKnown: Promise<void>;
  /** The folders that what is sent is in, as the receiver is told. */
  readonly #names: string[] = [];
  #entries = 0;
  #failures = 0;
  #stopped: TetherError | undefined;
  #total: { readonly files: number; readonly bytes: number } | undefined;

  constructor(options: SenderOptions) {
    this.#options = options;
    this.#writer = new RecordWriter(options.output);
    this.#thereKnown = new Promise((resolve) => {
      this.#toldThere = resolve;
    });
  }

  /** How often something could not be sent. */
  get failures(): number {
    return this.#failures;
  }

  /** Counts something as not sent that was begun, and that the receiver knows of. */
  failed(error: TetherError): void {
    this.#failures++;
    this.#options.onFailed(error);
  }

  /** Bytes handed to the output so far. */
  get sent(): number {
    return this.#writer.sent;
  }

  /** Bytes of content that were not sent, because the receiver had them. */
  get resumed(): number {
    return this.#resumed;
  }

  /** The receiver does not take this entry: no use in reading on. */
  refused(entry: number): void {
    this.#refused.add(entry);
    this.offered(entry, NOTHING);
  }

  /** The receiver has the files of these numbers; `more`: and others. */
  has(numbers: readonly number[], more: boolean): void {
    if (this.#there.size > TRANSFER.historyFiles)
      throw new TetherError("limit", "too many files that are there");
    for (const number of numbers) this.#there.add(number);
    if (!more) this.#toldThere();
  }

  /** The receiver has a part of this entry. */
  offered(entry: number, offer: PartOffer): void {
    if (this.#asked?.entry !== entry) return;
    this.#asked.answer(offer);
    this.#asked = undefined;
  }

  /** Tells the receiver how much there is in all, as soon as there is a place for it. */
  announceTotal(total: { readonly files: number; readonly bytes: number }): void {
    this.#total = total;
  }

  /** Ends the sending; {@link send} rejects with the reason. */
  stop(reason: TetherError): void {
    this.#stopped ??= reason;
    this.#writer.fail(reason);
    this.#asked?.answer(NOTHING);
    this.#toldThere();
  }

  /** Throws the reason when the sending was ended. */
  checkStopped(): void {
    if (this.#stopped !== undefined) throw this.#stopped;
  }

  /** Writes a record that is no entry. */
  write(type: number, body: Buffer): Promise<void> {
    this.checkStopped();
    return this.#writer.write(type, body);
  }

  /** Hands over what is gathered, for a receiver that is to answer it. */
  flush(): void {
    this.#writer.flush();
  }

  /** Goes into a folder; what is sent next is in it, until {@link leave}. Gives its number. */
  async enter(base: string, facts: EntryFacts): Promise<number> {
    this.checkStopped();
    const number = this.#entries++;
    this.#names.push(base);
    await this.#writer.write(RECORD.FOLDER, folderBody(base, facts));
    return number;
  }

  /** Comes out of the folder. */
  leave(): Promise<void> {
    this.#names.pop();
    return this.#writer.write(RECORD.LEAVE, Buffer.alloc(0));
  }

  /** Sends a symbolic link. */
  async link(base: string, target: string): Promise<void> {
    this.checkStopped();
    this.#entries++;
    await this.#writer.write(RECORD.LINK, linkBody(base, target));
  }

  /** Begins a file, whose content and end are written next. Gives its number. */
  async begin(header: FileHeader): Promise<number> {
    this.checkStopped();
    const number = this.#entries++;
    await this.#writer.write(RECORD.FILE, fileBody(header));
    return number;
  }

  /** Sends bytes `from` to `to` of a file as content of the one that has begun; gives how many there were. */
  async content(descriptor: number, from: number, to: number): Promise<number> {
    const writer = this.#writer;
    let at = from;
    while (at < to) {
      this.checkStopped();
      const length = Math.min(CONTENT_BYTES, to - at);
      let count: number;
      if (length <= TRANSFER.smallFile) {
        const position = at;
        count = await writer.writeContent(length, (target) =>
          readSync(descriptor, target, 0, target.length, position),
        );
      } else {
        const buffer = await writer.takeContent();
        count = await readFully(descriptor, buffer, writer.contentAt, length, at).catch((error) => {
          writer.release(buffer);
          throw error;
        });
        writer.sendContent(buffer, count);
      }
      at += count;
      if (count < length) break;
    }
    return at - from;
  }

  /** Sends everything; resolves once the last record is handed to the output. Rejects only when stopped. */
  async send(sources: readonly Source[]): Promise<void> {
    if (this.#options.awaitsHistory === true) await this.#thereKnown;
    for (const source of sources) {
      let opened: OpenSource;
      try {
        opened = source.open();
      } catch (error) {
        await this.fail(entryError("read", source.path, error));
        continue;
      }
      try {
        await this.#source(opened, source.path);
      } finally {
        opened.folder.close();
      }
    }
    await this.#announce();
    this.#writer.flush();
  }

  async #source({ folder, name, base }: OpenSource, path: string): Promise<void> {
    let facts: Stats;
    try {
      facts = name === "" ? folder.stat() : lstatSync(folder.path(name));
    } catch (error) {
      await this.fail(entryError("read", path, error));
      return;
    }
    if (!facts.isDirectory()) {
      await this.#entry(folder, name, kindOf(facts), base, path, 0);
    } else if (!this.#options.recursive) {
      await this.fail(
        new TetherError("invalid", `${path} is a folder`, {
          hint: "add -r to move it with all that is in it",
        }),
      );
    } else if (name === "") {
      await this.#inFolder(folder, facts, base, path, 0);
    } else {
      await this.#folder(folder, name, base, path, 0);
    }
  }

  /** Sends one thing in a folder as `base`. */
  async #entry(
    folder: Folder,
    name: string,
    kind: Kind,
    base: string,
    path: string,
    depth: number,
  ): Promise<void> {
    this.checkStopped();
    if (this.#turn.isOver) await this.#turn.rest();
    if (this.#total !== undefined) await this.#announce();
    switch (kind) {
      case "file":
        return this.file(folder, name, base, path);
      case "folder":
        return this.#folder(folder, name, base, path, depth);
      case "link":
        return this.#link(folder, name, base, path);
      default:
        return this.fail(new TetherError("invalid", `${path} is neither a file nor a folder`));
    }
  }

  async #folder(parent: Folder, name: string, base: string, path: string, depth: number): Promise<void> {
    if (depth >= FILES.depth) {
      await this.fail(
        new TetherError("limit", `${path}: more than ${FILES.depth} folders inside each other`),
      );
      return;
    }
    let folder: Folder;
    try {
      folder = parent.enter(name);
    } catch (error) {
      await this.fail(entryError("read", path, error));
      return;
    }
    try {
      await this.#inFolder(folder, folder.stat(), base, path, depth);
    } finally {
      folder.close();
    }
  }

  async #inFolder(folder: Folder, facts: Stats, base: string, path: string, depth: number): Promise<void> {
    let entries: Dirent[];
    try {
      entries = await readdir(folder.self, { withFileTypes: true });
    } catch (error) {
      await this.fail(entryError("read", path, error));
      return;
    }
    const number = await this.enter(base, { mode: facts.mode, modified: facts.mtimeMs });
    entries.sort((a, b) => (a.name < b.name ? -1 : 1));
    for (const entry of entries) {
      if (this.#refused.has(number)) break;
      if (isPartial(entry.name)) continue;
      const { name } = entry;
      await this.#entry(folder, name, kindOf(entry), name, path === "" ? name : `${path}/${name}`, depth + 1);
    }
    await this.leave();
  }

  async #link(folder: Folder, name: string, base: string, path: string): Promise<void> {
    let target: string;
    try {
      target = readlinkSync(folder.path(name));
    } catch (error) {
      await this.fail(entryError("read", path, error));
      return;
    }
    await this.link(base, target);
  }

  /** Sends a file of a folder as `base`; the path is for messages. */
  async file(folder: Folder, name: string, base: string, path: string): Promise<void> {
    let descriptor: number;
    try {
      descriptor = openSync(folder.path(name), READ_FLAGS);
    } catch (error) {
      await this.fail(entryError("read", path, error));
      return;
    }
    try {
      const facts = fstatSync(descriptor);
      if (facts.isFile()) await this.#openFile(descriptor, facts, base, path);
      else await this.fail(new TetherError("invalid", `${path} is neither a file nor a folder`));
    } finally {
      closeSync(descriptor);
    }
  }

  async #openFile(descriptor: number, facts: Stats, base: string, path: string): Promise<void> {
    const { progress, key, resumes } = this.#options;
    const { size } = facts;
    progress.begin(path, size);
    const header = {
      name: base,
      size,
      mode: facts.mode,
      modified: facts.mtimeMs,
      isSparse: isSparse(facts),
    };
    if (this.#isThere(header)) {
      await this.#keep(header);
      return;
    }
    const number = await this.begin(header);
    const digests = new ContentDigests(key, number);
    const content = { descriptor, size, digests, number };
    let failure: TetherError | undefined;
    try {
      let read: number;
      if (size <= TRANSFER.smallFile) read = await this.#smallContent(content);
      else if (size < TRANSFER.resumable || !resumes) read = await this.#largeContent(content, 0, size);
      else read = await this.#resumedContent(content);
      if (read !== size && this.#refused.has(number)) failure = new TetherError("cancelled", "not wanted");
      else failure = changeOf(facts, fstatSync(descriptor), read, path);
    } catch (error) {
      if (this.#stopped !== undefined) throw this.#stopped;
      failure = entryError("read", path, error);
    }
    if (failure === undefined) {
      const grew = fstatSync(descriptor).size > size;
      await this.#writer.write(RECORD.END, endBody(digests.finish(), grew));
      progress.files++;
      return;
    }
    progress.undo();
    await this.#writer.write(RECORD.ABORT, errorBody(failure));
    if (!this.#refused.has(number)) this.failed(failure);
  }

  #isThere({ name, size, modified }: FileHeader): boolean {
    if (this.#there.size === 0) return false;
    return this.#there.has(fileNumber([...this.#names, name].join("/"), size, modified));
  }

  /** Leaves out a file that the receiver has. */
  async #keep(header: FileHeader): Promise<void> {
    const { progress } = this.#options;
    this.checkStopped();
    this.#entries++;
    await this.#writer.write(RECORD.KEPT, fileBody(header));
    this.#resumed += header.size;
    progress.advance(header.size);
    progress.files++;
  }

  async #smallContent({ descriptor, size, digests }: Content): Promise<number> {
    if (size === 0) return 0;
    const filled = await this.#writer.writeContent(size, (target) => {
      let at = 0;
      while (at < target.length) {
        const count = readSync(descriptor, target, at, target.length - at, at);
        if (count === 0) break;
        at += count;
      }
      digests.update(target.subarray(0, at));
      return at;
    });
    this.#options.progress.advance(filled);
    return filled;
  }

  /**
   * Sends what the receiver does not have of a file. Until it has said what it has, that may be all, so that the
   * first piece goes out without waiting for it.
   */
  async #resumedContent(content: Content): Promise<number> {
    const { descriptor, size, digests, number } = content;
    const { key, progress } = this.#options;
    const asked = new Promise<PartOffer>((answer) => {
      this.#asked = { entry: number, answer };
    });
    if (this.#refused.has(number)) this.offered(number, NOTHING);
    await this.#writer.write(RECORD.SOURCE, sourceIdentity(descriptor));
    this.#writer.flush();
    const early = await this.#largeContent(content, 0, PIECE_BYTES);
    if (early < PIECE_BYTES) return early;
    const { bytes, proof } = await asked;
    if (this.#stopped !== undefined) throw this.#stopped;
    if (bytes === 0) return this.#largeContent(content, early, size);
    if (bytes > size) throw new TetherError("invalid", "the receiver has more of the file than there is");
    const from = proof === undefined ? bytes : await provenBytes(descriptor, key, number, proof);
    if (this.#stopped !== undefined) throw this.#stopped;
    progress.undo();
    progress.advance(from);
    this.#resumed += from;
    digests.skip();
    await this.#writer.write(RECORD.FROM, fromBody(from));
    return this.#largeContent(content, from, size);
  }

  /** Reads ahead on other threads while this one sends, up to `end`; gives the bytes that there were till there. */
  async #largeContent(content: Content, start: number, end: number): Promise<number> {
    const { descriptor, digests, number } = content;
    const writer = this.#writer;
    const ahead: { readonly buffer: Buffer; readonly filled: Promise<number> }[] = [];
    let asked = start;
    let got = start;
    try {
      while (got < end && !this.#refused.has(number)) {
        while (asked < end && ahead.length < TRANSFER.readAhead && (writer.hasFree || ahead.length === 0)) {
          const buffer = await writer.takeContent();
          const length = Math.min(CONTENT_BYTES, end - asked);
          const filled = readFully(descriptor, buffer, writer.contentAt, length, asked);
          // Whoever waits for it is told; if nobody will, its failure is nobody's concern.
          filled.catch(() => undefined);
          ahead.push({ buffer, filled });
          asked += length;
        }
        const next = ahead[0];
        if (next === undefined) break;
        const count = await next.filled;
        ahead.shift();
        if (this.#stopped !== undefined) throw this.#stopped;
        this.#options.progress.advance(count);
        got += count;
        if (count === 0) {
          writer.release(next.buffer);
          break;
        }
        const check = digests.bytes >= PIECE_BYTES ? digests.next() : undefined;
        digests.update(next.buffer.subarray(writer.contentAt, writer.contentAt + count));
        writer.sendContent(next.buffer, count, check);
        if (count < CONTENT_BYTES) break;
      }
    } finally {
      // The descriptor is closed next: no thread may still read from its number.
      for (const { buffer, filled } of ahead) {
        await filled.catch(() => undefined);
        writer.release(buffer);
      }
    }
    return got;
  }

  /** Says of something that it cannot be sent. */
  async fail(error: TetherError): Promise<void> {
    this.checkStopped();
    this.#entries++;
    this.failed(error);
    await this.#writer.write(RECORD.FAILED, errorBody(error));
  }

  async #announce(): Promise<void> {
    if (this.#total === undefined) return;
    const { files, bytes } = this.#total;
    this.#total = undefined;
    await this.#writer.write(RECORD.TOTAL, totalBody(files, bytes));
  }
}

/** A file that is being sent. */
interface Content {
  readonly descriptor: number;
  readonly size: number;
  readonly digests: ContentDigests;
  /** Of its entry. */
  readonly number: number;
}

/** For a receiver that has nothing of a file. */
const NOTHING: PartOffer = { bytes: 0, proof: undefined };

type Kind = "file" | "folder" | "link" | "other";

function kindOf(entry: Stats | Dirent): Kind {
  if (entry.isFile()) return "file";
  if (entry.isDirectory()) return "folder";
  return entry.isSymbolicLink() ? "link" : "other";
}

/** What a sender has to say when the file is not as it was when the reading began; a longer one has what it had. */
export function changeOf(before: Stats, after: Stats, read: number, path: string): TetherError | undefined {
  const grew = after.size > before.size;
  if (read === before.size && (grew || after.mtimeMs === before.mtimeMs)) return undefined;
  return new TetherError("integrity", `${path} changed while it was read`, { hint: "try again" });
}
