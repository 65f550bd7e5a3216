import {
  chmodSync,
  closeSync,
  fchmodSync,
  fstatSync,
  futimesSync,
  lstatSync,
  openSync,
  rmdirSync,
  unlinkSync,
  utimesSync,
} from "node:fs";
import { readdir } from "node:fs/promises";
import { asTetherError, FILES, TetherError, TRANSFER } from "../protocol/index.ts";
import { answerRecords, refusalRecord } from "./answers.ts";
import { entryError } from "./entry-error.ts";
import type { Exclusions } from "./exclusions.ts";
import type { Folder } from "./folder.ts";
import { type ListedFolder, listedEntry, pathIn, readListing, writeListing } from "./listing.ts";
import { checkName, isPartial } from "./names.ts";
import { systemCode } from "./private-files.ts";
import { readRange } from "./read-range.ts";
import type { Target } from "./receive.ts";
import type { EntryFacts } from "./record.ts";
import { writeU64 } from "./record.ts";
import type { Room } from "./room.ts";
import { READ_FLAGS } from "./send.ts";
import { BlockSignatures, blockBytes, PieceDigests, pieceBytes, type Range } from "./signature.ts";
import type { PlannedAction, SyncItem } from "./sync-record.ts";
import { Turn } from "./turn.ts";

export interface SyncTargetOptions {
  readonly excluded: Exclusions;
  /** Whether folders may be removed with all that is in them. */
  readonly mayRemove: boolean;
  /** Whether nothing may be changed. */
  readonly isDryRun: boolean;
  /** Whether the target has to be a folder. */
  readonly isFolder: boolean;
  /** Sends bytes to the other side; gives what to wait for where it is slow to take them. */
  readonly answer: (bytes: Buffer) => Promise<void> | undefined;
  /** Told in a dry run of what would be done. */
  readonly onPlan: (action: PlannedAction) => void;
}

/** What the receiver gives of its own. */
export interface SyncSurroundings {
  readonly target: Target;
  readonly key: Buffer;
  readonly room: Room;
  readonly onFailed: (error: TetherError) => void;
  readonly onNote: (note: string) => void;
  /** Gives everything its name that has come so far. */
  readonly settle: () => Promise<void>;
  readonly isOver: () => boolean;
}

/** An old file that a new one is compared with. */
interface Basis {
  readonly descriptor: number;
  readonly size: number;
}

/** What the receiving side of a sync does beside receiving: it says what it has, and removes. */
export class SyncTarget {
  readonly #options: SyncTargetOptions;
  readonly #around: SyncSurroundings;
  readonly #bases = new Map<number, Basis>();
  readonly #turn = new Turn();
  #isFile = false;
  /** The folder that was last gone to, by its path: many questions are about the same. */
  #last: { readonly path: string; readonly folder: Folder } | undefined;
  #removed = 0;
  #unchanged = 0;

  constructor(options: SyncTargetOptions, around: SyncSurroundings) {
    this.#options = options;
    this.#around = around;
  }

  /** What was removed, a folder with all that was in it counted as one. */
  get removed(): number {
    return this.#removed;
  }

  /** Files that were found equal, as far as the other side has said. */
  get unchanged(): number {
    return this.#unchanged;
  }

  /** The descriptor of an open old file. Throws `invalid` where there is none. */
  basis(number: number): number {
    return this.#basis(number).descriptor;
  }

  /** Throws `forbidden` when nothing may be changed. */
  checkWriting(): void {
    if (this.#options.isDryRun) throw new TetherError("forbidden", "a dry run changes nothing");
  }

  /** Throws `forbidden` when what is to be written here, at a path as people know it, is excluded. */
  checkEntry(shownPath: string, isFolder: boolean): void {
    const { path: above, name } = this.#around.target;
    const below = shownPath.slice(above.length);
    const path = this.#isFile || name === undefined ? below : below.slice(name.length + 1);
    if (path !== "" && this.#options.excluded(path, isFolder)) {
      throw new TetherError("forbidden", "it is excluded");
    }
  }

  /** Does what a record says; gives what has to be done before the next one may be handled. */
  handle(item: SyncItem): Promise<void> | undefined {
    switch (item.kind) {
      case "begin":
        this.#isFile = item.isFile;
        if (item.isFile && this.#options.isFolder && this.#around.target.name !== undefined) {
          throw new TetherError("not-found", `there is no folder ${this.#shown("")}`);
        }
        return undefined;
      case "list":
        return this.#answer(() => this.#list(item.path));
      case "pieces":
        return this.#answer(() => this.#pieces(item));
      case "blocks":
        return this.#answer(() => this.#blocks(item.basis, item.length, item.ranges));
      case "forget":
        this.#forget(item.basis);
        return undefined;
      case "remove":
        this.checkWriting();
        return this.#remove(item);
      case "set":
        this.checkWriting();
        this.#set(item.path, item.facts);
        return undefined;
      case "settle":
        return this.#answer(async () => {
          await this.#around.settle();
          return Buffer.alloc(0);
        });
      case "plan":
        this.#options.onPlan(item.action);
        return undefined;
      case "counts":
        this.#unchanged = item.unchanged;
        if (item.isIncomplete) this.#around.onNote(NOTHING_REMOVED);
        return undefined;
      default:
        return undefined;
    }
  }

  /** Closes everything; nothing may be under way. */
  close(): void {
    for (const { descriptor } of this.#bases.values()) closeSync(descriptor);
    this.#bases.clear();
    this.#leaveLast();
  }

  async #answer(work: () => Promise<Buffer>): Promise<void> {
    let records: Iterable<Buffer>;
    try {
      records = answerRecords(await work());
    } catch (thrown) {
      records = [refusalRecord(asTetherError(thrown))];
    }
    for (const record of records) await this.#options.answer(record);
  }

  async #list(path: string): Promise<Buffer> {
    const { excluded } = this.#options;
    if (this.#isFile) return writeListing(this.#listFile(path));
    let folder: Folder;
    try {
      folder = this.#folder(path);
    } catch (error) {
      const code = systemCode(error);
      if (code === "ENOENT") return writeListing({ state: "missing", facts: undefined, entries: [] });
      const isOther = code === "ENOTDIR" || code === "ELOOP" || asTetherError(error).code === "exists";
      if (isOther) return writeListing({ state: "other", facts: undefined, entries: [] });
      throw entryError("list", this.#shown(path), error);
    }
    try {
      const { mode, mtimeMs: modified } = folder.stat();
      // What cannot be looked at is none of the sender's, who only learns of what it may replace.
      const options = { excluded, turn: this.#turn, onUnreadable: () => undefined };
      const entries = await readListing(folder, path, options);
      return writeListing({ state: "folder", facts: { mode, modified }, entries });
    } catch (error) {
      throw entryError("list", this.#shown(path), error);
    }
  }

  #listFile(path: string): ListedFolder {
    const { folder, name } = this.#entry(path);
    const facts = { mode: 0, modified: 0 };
    try {
      return { state: "folder", facts, entries: [{ ...listedEntry(folder, name), name: path }] };
    } catch (error) {
      if (systemCode(error) !== "ENOENT") throw entryError("read", this.#shown(path), error);
      return { state: "folder", facts, entries: [] };
    }
  }

  async #pieces({ basis, length, size, path }: Extract<SyncItem, { kind: "pieces" }>): Promise<Buffer> {
    if (this.#bases.size >= TRANSFER.comparisons || this.#bases.has(basis)) {
      throw new TetherError("invalid", `more than ${TRANSFER.comparisons} old files at once`);
    }
    let old: Basis;
    try {
      old = this.#openBasis(path);
    } catch (error) {
      throw entryError("read", this.#shown(path), error);
    }
    this.#bases.set(basis, old);
    if (length < pieceBytes(0, old.size)) throw new TetherError("invalid", "pieces that are too small");
    const { key } = this.#around;
    const fromStart = new PieceDigests(key, 0, length);
    // From the end as well where the lengths differ, for what comes after something put in or taken out.
    const toEnd = old.size === size ? undefined : new PieceDigests(key, old.size % length, length);
    await this.#read(old, { from: 0, to: old.size }, (bytes) => {
      fromStart.update(bytes);
      toEnd?.update(bytes);
    });
    const head = Buffer.allocUnsafe(8);
    writeU64(head, 0, old.size);
    return Buffer.concat([head, fromStart.finish(), toEnd?.finish() ?? Buffer.alloc(0)]);
  }

  async #blocks(number: number, length: number, ranges: readonly Range[]): Promise<Buffer> {
    const old = this.#basis(number);
    const bytes = ranges.reduce((sum, { from, to }) => sum + to - from, 0);
    if (length < blockBytes(bytes)) throw new TetherError("invalid", "blocks that are too small");
    const signatures: Buffer[] = [];
    for (const range of ranges) {
      const signer = new BlockSignatures(this.#around.key, length);
      await this.#read(old, range, (part) => signer.update(part));
      signatures.push(signer.finish());
    }
    return Buffer.concat(signatures);
  }

  async #read(old: Basis, range: Range, visit: (bytes: Buffer) => void): Promise<void> {
    if (this.#turn.isOver) await this.#turn.rest();
    await readRange(old.descriptor, range, visit, this.#around.isOver);
  }

  #openBasis(path: string): Basis {
    const { folder, name } = this.#entry(path);
    const descriptor = openSync(folder.path(name), READ_FLAGS);
    const facts = fstatSync(descriptor);
    if (facts.isFile()) return { descriptor, size: facts.size };
    closeSync(descriptor);
    throw new TetherError("invalid", "it is not a file");
  }

  #basis(number: number): Basis {
    const basis = this.#bases.get(number);
    if (basis === undefined) throw new TetherError("invalid", "an old file that is not open");
    return basis;
  }

  #forget(number: number): void {
    const basis = this.#bases.get(number);
    if (basis === undefined) return;
    this.#bases.delete(number);
    closeSync(basis.descriptor);
  }

  async #remove({ path, isRecursive, isReplaced }: Extract<SyncItem, { kind: "remove" }>): Promise<void> {
    const { excluded, mayRemove } = this.#options;
    try {
      const { folder, name } = this.#entry(path);
      folder.verify();
      const facts = lstatSync(folder.path(name), { throwIfNoEntry: false });
      if (facts === undefined) return;
      if (excluded(path, facts.isDirectory())) throw new TetherError("forbidden", "it is excluded");
      if (!facts.isDirectory()) {
        unlinkSync(folder.path(name));
        if (facts.isFile()) this.#around.room.removed(facts.size);
      } else if (isRecursive && mayRemove) {
        const isGone = await this.#removeFolder(folder, name, path, FILES.depth);
        if (!isGone) {
          this.#around.onNote(`${this.#shown(path)} stays, with what is excluded in it`);
          return;
        }
      } else {
        rmdirSync(folder.path(name));
      }
      if (!isReplaced) this.#removed++;
    } catch (error) {
      // Without leave to empty it, what was to come in its place is refused, and that is said.
      if (isReplaced && systemCode(error) === "ENOTEMPTY") return;
      this.#around.onFailed(entryError("remove", this.#shown(path), error));
    } finally {
      // It may be what was removed, or in it.
      this.#leaveLast();
    }
  }

  /** Removes what is in a folder, and the folder; false where something that is excluded keeps it. */
  async #removeFolder(parent: Folder, name: string, path: string, depth: number): Promise<boolean> {
    if (depth === 0) throw new TetherError("limit", `more than ${FILES.depth} folders inside each other`);
    const folder = parent.enter(name);
    let isEmpty = true;
    try {
      const entries = await readdir(folder.self, { withFileTypes: true });
      folder.verify();
      for (const entry of entries) {
        if (this.#turn.isOver) {
          await this.#turn.rest();
          if (this.#around.isOver()) return false;
          folder.verify();
        }
        const inner = pathIn(path, entry.name);
        if (this.#options.excluded(inner, entry.isDirectory())) {
          isEmpty = false;
        } else if (entry.isDirectory()) {
          if (!(await this.#removeFolder(folder, entry.name, inner, depth - 1))) isEmpty = false;
        } else {
          const system = folder.path(entry.name);
          const size = entry.isFile() ? lstatSync(system).size : 0;
          unlinkSync(system);
          // What is not whole was never counted.
          if (!isPartial(entry.name)) this.#around.room.removed(size);
        }
      }
    } finally {
      folder.close();
    }
    if (isEmpty) rmdirSync(parent.path(name));
    return isEmpty;
  }

  #set(path: string, { mode, modified }: EntryFacts): void {
    const seconds = modified / 1000;
    try {
      if (path === "" && !this.#isFile) {
        const folder = this.#folder("");
        folder.verify();
        setFolder(folder, mode, seconds);
        return;
      }
      const { folder, name } = this.#entry(path);
      folder.verify();
      if (lstatSync(folder.path(name)).isDirectory()) {
        const inner = folder.enter(name);
        try {
          setFolder(inner, mode, seconds);
        } finally {
          inner.close();
        }
        return;
      }
      const descriptor = openSync(folder.path(name), READ_FLAGS);
      try {
        futimesSync(descriptor, seconds, seconds);
        if (process.platform !== "win32") fchmodSync(descriptor, mode);
      } finally {
        closeSync(descriptor);
      }
    } catch (error) {
      this.#around.onNote(entryError("set the mode and time of", this.#shown(path), error).message);
    }
  }

  /** The folder that something lies in, and what it is called there. */
  #entry(path: string): { readonly folder: Folder; readonly name: string } {
    const end = path.lastIndexOf("/");
    const { target } = this.#around;
    if (this.#isFile) {
      const name = target.name ?? path;
      checkName(name);
      return { folder: target.folder, name };
    }
    const name = path.slice(end + 1);
    checkName(name);
    if (this.#options.excluded(path, false)) throw new TetherError("forbidden", "it is excluded");
    return { folder: this.#folder(end === -1 ? "" : path.slice(0, end)), name };
  }

  /** A folder below the target's top, gone to name by name and through no link; good until the next one. */
  #folder(path: string): Folder {
    if (this.#last?.path === path) return this.#last.folder;
    this.#leaveLast();
    const { target } = this.#around;
    if (Buffer.byteLength(path) > FILES.pathBytes)
      throw new TetherError("invalid", "a path that is too long");
    const names = path === "" ? [] : path.split("/");
    let above = "";
    for (const name of names) {
      checkName(name);
      above = pathIn(above, name);
      if (this.#options.excluded(above, true)) throw new TetherError("forbidden", "it is excluded");
    }
    if (target.name !== undefined) names.unshift(target.name);
    let folder = target.folder;
    try {
      for (const name of names) {
        const inner = folder.enter(name);
        if (folder !== target.folder) folder.close();
        folder = inner;
      }
      folder.verify();
    } catch (error) {
      if (folder !== target.folder) folder.close();
      throw error;
    }
    this.#last = { path, folder };
    return folder;
  }

  #leaveLast(): void {
    if (this.#last !== undefined && this.#last.folder !== this.#around.target.folder)
      this.#last.folder.close();
    this.#last = undefined;
  }

  /** A path as people know it. */
  #shown(path: string): string {
    const { path: above, name } = this.#around.target;
    if (this.#isFile) return above + (name ?? path);
    return above + (name === undefined ? path : pathIn(name, path).replace(/\/$/, ""));
  }
}

/** What is said where a sync has left everything in its place that the source has not. */
export const NOTHING_REMOVED = "nothing was removed, because not all of the source could be read";

function setFolder(folder: Folder, mode: number, seconds: number): void {
  utimesSync(folder.self, seconds, seconds);
  if (process.platform !== "win32") chmodSync(folder.self, mode);
}
