import { asTetherError, FILES, TetherError, TRANSFER } from "../protocol/index.ts";
import { entryError } from "./entry-error.ts";
import type { Folder } from "./folder.ts";
import { type FilledFolder, GroupCommit, type WholeFile } from "./group-commit.ts";
import { isSameFile, type TransferHistory } from "./history.ts";
import { IncomingFile } from "./incoming-file.ts";
import { isPartOf, type KeptPart, KeptParts, removePart, takePart } from "./kept-part.ts";
import { enterFolder, leadsOut, makeFolder, makeLink } from "./make-entry.ts";
import { checkName } from "./names.ts";
import { partShape } from "./prefix-proof.ts";
import type { Progress } from "./progress.ts";
import { type EntryFacts, type FileHeader, type Item, RecordReader } from "./record.ts";
import type { Report } from "./requests.ts";
import type { Room } from "./room.ts";
import { readSyncItem, type SyncItem } from "./sync-record.ts";
import { SyncTarget, type SyncTargetOptions } from "./sync-target.ts";
import { VerifiedFolders } from "./verified-folders.ts";
import type { Writers } from "./writers.ts";

/** What changes something. */
const WRITING: ReadonlySet<Item["kind"]> = new Set(["file", "folder", "link"]);

/** Where received things go. */
export interface Target {
  /** The receiver closes it. */
  readonly folder: Folder;
  /** What the one source is to be called there; undefined: what the sender calls it. */
  readonly name: string | undefined;
  /** The folder as people wrote it, for messages; ends with a slash unless empty. */
  readonly path: string;
  /** Folders above it that are still inside of what a symbolic link may lead to. */
  readonly above: number;
}

export interface ReceiverOptions {
  readonly target: Target;
  /** Key of the digests. */
  readonly key: Buffer;
  readonly room: Room;
  readonly writers: Writers;
  readonly progress: Progress;
  /** Lets the sender send so many bytes more. */
  readonly consumed: (bytes: number) => void;
  readonly report: (report: Report) => void;
  /** Told of everything that was not taken, by this side or by the sender. */
  readonly onFailed: (error: TetherError) => void;
  /** Told of what is worth knowing and no failure. */
  readonly onNote: (note: string) => void;
  readonly leftovers?: Leftovers;
  /** What an earlier try of the same transfer has brought, where that is of use. */
  readonly history?: TransferHistory | undefined;
  /** Given where what comes is a sync. */
  readonly sync?: SyncTargetOptions;
}

/** Who looks after the parts that broken transfers leave. */
export interface Leftovers {
  /** A part is left. */
  left(folder: Folder, partial: string, bytes: number): void;
  /** A part is left no more: it is gone on with, or of no use. */
  taken(folder: Folder, partial: string): void;
}

/** What was received. */
export interface Received {
  readonly files: number;
  readonly bytes: number;
  /** Of a sync: files that were equal already, and what was removed. */
  readonly unchanged: number;
  readonly removed: number;
}

/** A folder that the records are in. */
interface Level extends FilledFolder {
  /** Its path in the transfer, as the sender has it; ends with a slash. */
  readonly sentPath: string;
  /** Made by this transfer: nothing else is in it. */
  readonly isNew: boolean;
}

/**
 * Receives what a {@link Sender} sends: every file beside its name first, checked, synced in batches, then
 * renamed. A name never stands for a file that is not whole.
 */
export class Receiver {
  /** Settles when everything is on the disk under its name; rejects when the transfer is given up. */
  readonly done: Promise<Received>;
  readonly #options: ReceiverOptions;
  readonly #reader = new RecordReader();
  readonly #levels: Level[] = [];
  #resolve: (received: Received) => void = () => undefined;
  #reject: (error: TetherError) => void = () => undefined;
  #entries = 0;
  #file: WholeFile | undefined;
  /** True inside the content of a file that is not taken. */
  #ignoringFile = false;
  /** Folders inside each other that are not taken. */
  #ignoredLevels = 0;
  readonly #verified = new VerifiedFolders();
  readonly #commits: GroupCommit;
  readonly #parts: KeptParts;
  #resumed = 0;
  readonly #sync: SyncTarget | undefined;
  /** The old file that the next one is made from, or the one under way. */
  #basis: number | undefined;
  /** Reading and copying, which holds files open. */
  #working: Promise<void> | undefined;
  #discarding: Promise<void> | undefined;
  #telling: Promise<void> | undefined;
  /** True while what comes next has to wait for the disk. */
  #blocked = false;
  #ended = false;
  #over = false;
  #failures = 0;

  constructor(options: ReceiverOptions) {
    this.#options = options;
    this.#parts = new KeptParts(options.writers);
    this.#commits = new GroupCommit({
      verified: this.#verified,
      onFile: ({ sentPath, incoming }) => {
        options.progress.files++;
        options.history?.note(sentPath, incoming.size, incoming.modified);
      },
      onTaken: (taken) => {
        options.history?.write();
        options.report({ taken });
      },
      onFailed: (entry, error) => this.#fail(entry, error),
      onNote: options.onNote,
      onBroken: (error) => void this.abort(error),
    });
    if (options.sync !== undefined) {
      this.#sync = new SyncTarget(options.sync, {
        ...options,
        onFailed: (error) => this.#countFailure(error),
        settle: () => this.#commits.settle(),
        isOver: () => this.#over,
      });
    }
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.done.catch(() => undefined);
  }

  /** Tells the sender which files are there, before it sends anything; for a sender that waits for it. */
  async tellHistory(): Promise<void> {
    const { history, report } = this.#options;
    const telling = async () => {
      for await (const have of history?.there(() => this.#over) ?? []) report({ have, more: true });
      if (!this.#over) report({ have: [], more: false });
    };
    this.#telling = telling();
    await this.#telling.catch((thrown) => this.abort(asTetherError(thrown)));
  }

  /** True when it is given up, or all is received; {@link done} settles in a moment. */
  get isOver(): boolean {
    return this.#over;
  }

  /** Bytes of content that an earlier transfer had brought. */
  get resumed(): number {
    return this.#resumed;
  }

  /** Takes in what the stream brought. */
  push(bytes: Buffer): void {
    if (this.#over) return;
    this.#reader.push(bytes);
    this.#verified.forget();
    this.#run();
  }

  /** The sender has sent all. */
  end(): void {
    this.#ended = true;
    this.#run();
  }

  /**
   * Gives up: what is whole gets its name, and of a large file that is not another transfer can go on with what is
   * there. Resolves when all is closed.
   */
  async abort(reason: TetherError): Promise<void> {
    if (this.#over) {
      await this.done.catch(() => undefined);
      return;
    }
    this.#over = true;
    this.#commits.willEnd();
    await this.#discarding;
    await this.#telling?.catch(() => undefined);
    const left = this.#file?.incoming.leave();
    await this.#working;
    await left;
    await this.#commits.finish().catch(() => undefined);
    this.#options.history?.leave();
    this.#closeFolders();
    this.#reject(reason);
  }

  #run(): void {
    this.#guard(() => {
      while (!this.#blocked && !this.#over) {
        const before = this.#reader.held;
        const item = this.#reader.next();
        // Content is credited when it is written, the rest at once.
        const content = item?.kind === "content" ? item.bytes.length : 0;
        const others = before - this.#reader.held - content;
        if (others > 0) this.#options.consumed(others);
        if (item === undefined) {
          if (this.#ended) this.#finish();
          break;
        }
        this.#handle(item);
      }
    });
  }

  /** Whatever breaks the rules of a transfer ends it. */
  #guard(work: () => void): void {
    try {
      work();
    } catch (thrown) {
      void this.abort(asTetherError(thrown));
    }
  }

  #handle(item: Item): void {
    if (WRITING.has(item.kind)) this.#sync?.checkWriting();
    switch (item.kind) {
      case "file":
        this.#beginFile(item.header);
        break;
      case "content":
        this.#content(item.bytes);
        break;
      case "end":
        this.#endFile(item.digest, item.grew);
        break;
      case "abort":
        this.#abortFile(item.error);
        break;
      case "folder":
        this.#enter(item.name, item.facts);
        break;
      case "leave":
        this.#leave();
        break;
      case "link":
        this.#link(item.name, item.target);
        break;
      case "failed":
        this.#between();
        this.#entries++;
        this.#countFailure(item.error);
        break;
      case "total":
        this.#options.progress.total = { files: item.files, bytes: item.bytes };
        break;
      case "check":
        this.#check(item.digest);
        break;
      case "source":
        this.#offer(item.identity);
        break;
      case "from":
        this.#goOn(item.offset);
        break;
      case "kept":
        this.#keep(item.header);
        break;
      case "sync":
        this.#handleSync(readSyncItem(item.type, item.body));
    }
  }

  #handleSync(item: SyncItem | undefined): void {
    const sync = this.#sync;
    // Types that are not known are skipped, and so are these where nobody asked for a sync.
    if (item === undefined || sync === undefined) return;
    if (item.kind === "copy") {
      this.#copy(sync, item.from, item.length);
      return;
    }
    this.#between();
    if (item.kind === "based") this.#basis = item.basis;
    const work = sync.handle(item);
    if (work !== undefined) this.#work(work);
  }

  #copy(sync: SyncTarget, from: number, length: number): void {
    const file = this.#file;
    if (file === undefined || this.#basis === undefined) {
      if (!this.#ignoringFile)
        throw new TetherError("invalid", "content of an old file outside of a new one");
      return;
    }
    this.#options.progress.advance(length);
    let failure: unknown;
    const copying = file.incoming.copy(sync.basis(this.#basis), from, length).catch((error) => {
      failure = error;
    });
    this.#work(copying, () => {
      if (failure !== undefined) this.#giveUpBased(file, entryError("write", file.path, failure));
    });
  }

  /** A new file that could not be made from the old one comes again as a whole. */
  #giveUpBased(file: WholeFile, error: TetherError): void {
    if (error.code !== "integrity" && error.code !== "invalid") {
      this.#giveUp(file, error);
      return;
    }
    this.#file = undefined;
    this.#ignoringFile = true;
    this.#options.progress.undo();
    this.#options.report({ again: file.entry });
    this.#discard(file.incoming);
  }

  /** Handles nothing more until `work` is done, which giving up waits for too. */
  #work(work: Promise<void>, then?: () => void): void {
    const working = work.catch((thrown) => {
      void this.abort(asTetherError(thrown));
    });
    this.#working = working;
    this.#wait(working, () => {
      this.#working = undefined;
      then?.();
    });
  }

  #beginFile(header: FileHeader): void {
    this.#between();
    const entry = this.#entries++;
    if (this.#ignoredLevels > 0) {
      this.#ignoringFile = true;
      return;
    }
    this.#begin(header, entry, true);
  }

  #begin(header: FileHeader, entry: number, mayAskAgain: boolean): void {
    // Of what is made from an old file nothing is kept.
    const isKept = header.size >= TRANSFER.resumable && this.#basis === undefined;
    if (isKept) this.#findPart(header, entry, mayAskAgain);
    else this.#openFile(header, entry, mayAskAgain);
  }

  /** Looks for what an earlier transfer has left of a large file, and opens it. */
  #findPart(header: FileHeader, entry: number, mayAskAgain: boolean): void {
    const { folder, path } = this.#where();
    const name = this.#ownName(header.name);
    let kept: KeptPart | undefined;
    let failure: unknown;
    const find = this.#parts.find(folder, name).then(
      (found) => {
        kept = found;
      },
      (thrown) => {
        failure = thrown;
      },
    );
    this.#wait(find, () => {
      if (failure !== undefined) {
        this.#ignoringFile = true;
        this.#fail(entry, entryError("write", path + name, failure));
        return;
      }
      if (kept !== undefined && !isPartOf(kept, header.size, header.modified)) {
        // The source has changed: what there is of it is of no use.
        this.#options.leftovers?.taken(folder, kept.partial);
        removePart(folder, kept.partial);
        kept = undefined;
      }
      this.#openFile(header, entry, mayAskAgain, kept);
    });
  }

  /** A file that the sender leaves out, because it has been told that it is here. */
  #keep({ name, size, modified }: FileHeader): void {
    this.#between();
    const entry = this.#entries++;
    if (this.#ignoredLevels > 0) return;
    const { folder, path, sentPath } = this.#where();
    const own = this.#ownName(name);
    try {
      checkName(own);
      this.#verified.verify(folder);
      if (!isSameFile(folder, own, size, modified)) {
        throw new TetherError("integrity", "it was here, and somebody has changed it since", {
          hint: "try again",
        });
      }
    } catch (error) {
      this.#fail(entry, entryError("write", path + own, error));
      return;
    }
    this.#options.history?.note(sentPath + name, size, modified);
    this.#options.progress.begin(path + own, size);
    this.#options.progress.advance(size);
    this.#options.progress.files++;
    this.#resumed += size;
    this.#commits.count(size);
  }

  #openFile(header: FileHeader, entry: number, mayAskAgain: boolean, kept?: KeptPart): void {
    const { folder, path, sentPath, isNew } = this.#where();
    const name = this.#ownName(header.name);
    const { room, writers, key, progress, leftovers } = this.#options;
    progress.begin(path + name, header.size);
    try {
      this.#sync?.checkEntry(path + name, false);
      this.#verified.verify(folder);
      const context = {
        room,
        writers,
        isNew,
        onWritten: this.#options.consumed,
        onKept: (partial: string, bytes: number) => leftovers?.left(folder, partial, bytes),
      };
      const left = kept && {
        bytes: kept.record.pieces.reduce((sum, { length }) => sum + length, 0),
        take: (fresh: string) => {
          leftovers?.taken(folder, kept.partial);
          return takePart(folder, kept, fresh);
        },
      };
      const digests =
        this.#basis === undefined ? { key, entry } : ({ key, entry: this.#basis, what: "basis" } as const);
      const incoming = new IncomingFile(folder, name, header, digests, context, left);
      this.#file = { incoming, entry, path: path + name, sentPath: sentPath + header.name };
    } catch (thrown) {
      const error = entryError("write", path + name, thrown);
      const refuse = () => {
        this.#ignoringFile = true;
        this.#fail(entry, error);
      };
      if ((error.code !== "quota" && error.code !== "busy") || !mayAskAgain) {
        refuse();
        return;
      }
      if (error.code === "busy") {
        this.#wait(writers.freed(folder, name), () => this.#begin(header, entry, false));
        return;
      }
      // Others may have made room; nobody is refused for what was counted long ago.
      let looked = false;
      const look = room.refresh().then(
        (again) => {
          looked = again;
        },
        () => undefined,
      );
      this.#wait(look, () => (looked ? this.#openFile(header, entry, false, kept) : refuse()));
    }
  }

  #content(bytes: Buffer): void {
    const file = this.#file;
    if (file === undefined) {
      if (!this.#ignoringFile) throw new TetherError("invalid", "content outside of a file");
      this.#options.consumed(bytes.length);
      return;
    }
    this.#options.progress.advance(bytes.length);
    try {
      file.incoming.take(bytes);
      if (file.incoming.isFull) this.#wait(file.incoming.emptied());
    } catch (error) {
      this.#options.consumed(bytes.length);
      this.#giveUp(file, entryError("write", file.path, error));
    }
  }

  #check(digest: Buffer): void {
    const file = this.#file;
    if (file === undefined) {
      if (!this.#ignoringFile) throw new TetherError("invalid", "a digest outside of a file");
      return;
    }
    try {
      file.incoming.check(digest);
    } catch (error) {
      this.#giveUp(file, entryError("write", file.path, error));
    }
  }

  /** Tells the sender what there is of the file already. */
  #offer(identity: Buffer): void {
    const file = this.#file;
    if (file === undefined) {
      if (!this.#ignoringFile) throw new TetherError("invalid", "a source outside of a file");
      return;
    }
    const offer = file.incoming.offer(identity).then(
      (part) => {
        if (!this.#over) this.#options.report({ part: partShape(file.entry, part) });
      },
      (thrown) => {
        if (!this.#over) this.#giveUp(file, entryError("read", file.path, thrown));
      },
    );
    this.#wait(offer);
  }

  #goOn(offset: number): void {
    const file = this.#file;
    if (file === undefined) {
      if (!this.#ignoringFile) throw new TetherError("invalid", "content outside of a file");
      return;
    }
    file.incoming.goOn(offset);
    this.#resumed += offset;
    this.#options.progress.undo();
    this.#options.progress.advance(offset);
  }

  #endFile(digest: Buffer, grew: boolean): void {
    if (this.#ignoringFile) {
      this.#ignoringFile = false;
      this.#basis = undefined;
      return;
    }
    const file = this.#file;
    if (file === undefined) throw new TetherError("invalid", "the end of a file that has not begun");
    if (file.incoming.isBusy) {
      this.#wait(file.incoming.idle(), () => this.#completeFile(file, digest, grew));
    } else {
      this.#completeFile(file, digest, grew);
    }
  }

  #completeFile(file: WholeFile, digest: Buffer, grew: boolean): void {
    this.#file = undefined;
    const isBased = this.#basis !== undefined;
    this.#basis = undefined;
    try {
      file.incoming.complete(digest);
    } catch (thrown) {
      const error = entryError("write", file.path, thrown);
      this.#options.progress.undo();
      if (isBased && error.code === "integrity") this.#options.report({ again: file.entry });
      else this.#fail(file.entry, error);
      this.#discard(file.incoming);
      return;
    }
    if (grew) this.#options.onNote(`${file.path} grew while it was read; this is what it was at first`);
    this.#paced(this.#commits.addFile(file));
  }

  #abortFile(error: TetherError): void {
    this.#basis = undefined;
    if (this.#ignoringFile) {
      this.#ignoringFile = false;
      return;
    }
    const file = this.#file;
    if (file === undefined) throw new TetherError("invalid", "the end of a file that has not begun");
    this.#file = undefined;
    this.#options.progress.undo();
    this.#countFailure(error);
    this.#discard(file.incoming);
  }

  #enter(name: string, facts: EntryFacts): void {
    this.#between();
    const entry = this.#entries++;
    if (this.#levels.length + this.#ignoredLevels > FILES.depth) {
      throw new TetherError("limit", `more than ${FILES.depth} folders inside each other`);
    }
    if (this.#ignoredLevels > 0) {
      this.#ignoredLevels++;
      return;
    }
    const { folder: parent, path, sentPath: above } = this.#where();
    const sentPath = `${above}${name}/`;
    const own = this.#ownName(name);
    if (own === "" && this.#levels.length === 0) {
      this.#levels.push({ folder: parent, facts, path, sentPath, isTarget: true, isNew: false });
      return;
    }
    try {
      checkName(own);
      this.#sync?.checkEntry(path + own, true);
      this.#verified.verify(parent);
      const isNew = makeFolder(parent, own);
      if (isNew) this.#commits.touch(parent);
      this.#levels.push({
        folder: enterFolder(parent, own),
        facts,
        path: `${path}${own}/`,
        sentPath,
        isTarget: false,
        isNew,
      });
    } catch (error) {
      this.#ignoredLevels = 1;
      this.#fail(entry, entryError("write", path + own, error));
    }
  }

  #leave(): void {
    this.#between();
    if (this.#ignoredLevels > 0) {
      this.#ignoredLevels--;
      return;
    }
    const level = this.#levels.pop();
    if (level === undefined) throw new TetherError("invalid", "the end of a folder that has not begun");
    this.#paced(this.#commits.addFolder(level));
  }

  #link(name: string, target: string): void {
    this.#between();
    const entry = this.#entries++;
    if (this.#ignoredLevels > 0) return;
    const { folder, path } = this.#where();
    const own = this.#ownName(name);
    try {
      checkName(own);
      if (leadsOut(target, this.#options.target.above + this.#levels.length)) {
        throw new TetherError("forbidden", `a symbolic link to ${target}, which leads out of what is moved`);
      }
      this.#sync?.checkEntry(path + own, false);
      this.#verified.verify(folder);
      makeLink(folder, own, target, this.#options.writers.freshName());
      this.#commits.touch(folder);
    } catch (error) {
      this.#fail(entry, entryError("write", path + own, error));
    }
  }

  #between(): void {
    if (this.#file !== undefined || this.#ignoringFile)
      throw new TetherError("invalid", "a file that does not end");
  }

  #where(): Pick<Level, "folder" | "path" | "sentPath" | "isNew"> {
    return this.#levels.at(-1) ?? { ...this.#options.target, sentPath: "", isNew: false };
  }

  /** What an entry is called here: only those of the top may have another name. */
  #ownName(name: string): string {
    return this.#levels.length === 0 ? (this.#options.target.name ?? name) : name;
  }

  #giveUp(file: WholeFile, error: TetherError): void {
    this.#file = undefined;
    this.#ignoringFile = true;
    this.#options.progress.undo();
    this.#fail(file.entry, error);
    this.#discard(file.incoming);
  }

  #discard(incoming: IncomingFile): void {
    this.#discarding = incoming.discard();
    this.#wait(this.#discarding);
  }

  /** Handles nothing more until `work` is done, and then first `then`. */
  #wait(work: Promise<void>, then: () => void = () => undefined): void {
    this.#blocked = true;
    void work.then(() => {
      this.#blocked = false;
      if (this.#over) return;
      this.#guard(then);
      this.#run();
    });
  }

  #fail(entry: number, error: TetherError): void {
    const { code, message, hint } = error;
    this.#options.report({ failed: { entry, code, message, ...(hint !== undefined && { hint }) } });
    this.#countFailure(error);
  }

  #countFailure(error: TetherError): void {
    this.#options.onFailed(error);
    if (++this.#failures > TRANSFER.failures) {
      throw new TetherError(
        "limit",
        `more than ${TRANSFER.failures} files and folders failed; the last: ${error.message}`,
      );
    }
  }

  /** Takes nothing more until there is room for it among what waits for its name. */
  #paced(full: Promise<void> | undefined): void {
    if (full !== undefined) this.#wait(full, () => this.#commits.start());
  }

  #finish(): void {
    this.#between();
    if (this.#levels.length > 0 || this.#ignoredLevels > 0 || !this.#reader.isBetween) {
      throw new TetherError("invalid", "the transfer ends in the middle");
    }
    this.#blocked = true;
    void this.#commitAll();
  }

  async #commitAll(): Promise<void> {
    await this.#commits.idle();
    // Giving up may have come first.
    if (this.#over) return;
    this.#over = true;
    try {
      await this.#commits.finish();
      const { files, bytes } = this.#commits.committed;
      this.#options.history?.remove();
      const { removed = 0, unchanged = 0 } = this.#sync ?? {};
      this.#options.report({ done: { files, bytes, ...(this.#sync !== undefined && { removed }) } });
      this.#resolve({ files, bytes, removed, unchanged });
    } catch (thrown) {
      this.#reject(asTetherError(thrown));
    } finally {
      this.#closeFolders();
    }
  }

  #closeFolders(): void {
    for (const { folder, isTarget } of this.#levels) if (!isTarget) folder.close();
    this.#levels.length = 0;
    this.#sync?.close();
    this.#options.target.folder.close();
  }
}
