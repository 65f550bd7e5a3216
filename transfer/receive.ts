import { chmodSync, utimesSync } from "node:fs";
import { asTetherError, FILES, TetherError, TRANSFER } from "../protocol/index.ts";
import { ContentDigest } from "./digest.ts";
import { entryError } from "./entry-error.ts";
import type { Folder } from "./folder.ts";
import { IncomingFile } from "./incoming-file.ts";
import { enterFolder, leadsOut, makeFolder, makeLink } from "./make-entry.ts";
import { checkName } from "./names.ts";
import type { Progress } from "./progress.ts";
import { type EntryFacts, type FileHeader, type Item, RecordReader } from "./record.ts";
import type { Report } from "./requests.ts";
import type { Room } from "./room.ts";
import { SyncPace } from "./sync-pace.ts";
import { Turn } from "./turn.ts";
import type { Writers } from "./writers.ts";

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
}

/** What was received. */
export interface Received {
  readonly files: number;
  readonly bytes: number;
}

/** A folder that the records are in. */
interface Level {
  readonly folder: Folder;
  readonly facts: EntryFacts;
  /** For messages; ends with a slash unless empty. */
  readonly path: string;
  /** The target's own folder is closed at the end. */
  readonly isTarget: boolean;
  /** Made by this transfer: nothing else is in it. */
  readonly isNew: boolean;
}

/** A file under way. */
interface Receiving {
  readonly incoming: IncomingFile;
  readonly entry: number;
  /** For messages. */
  readonly path: string;
}

/** What is done, in this order, once the files of a batch are on the disk. */
type Finishing =
  | { readonly kind: "file"; readonly file: Receiving }
  | { readonly kind: "leave"; readonly level: Level };

interface Batch {
  readonly finishing: Finishing[];
  /** Folders in which names appear. */
  readonly touched: Set<Folder>;
  bytes: number;
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
  #file: Receiving | undefined;
  /** True inside the content of a file that is not taken. */
  #ignoringFile = false;
  /** Folders inside each other that are not taken. */
  #ignoredLevels = 0;
  readonly #pace = new SyncPace();
  /** Folders that have been seen to be where they were, in this turn of the event loop. */
  readonly #verified = new Set<Folder>();
  #batch = newBatch();
  #committing: Promise<void> | undefined;
  #discarding: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** True while what comes next has to wait for the disk. */
  #blocked = false;
  #ended = false;
  #over = false;
  #failures = 0;
  #files = 0;
  #bytes = 0;

  constructor(options: ReceiverOptions) {
    this.#options = options;
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.done.catch(() => undefined);
  }

  /** Takes in what the stream brought. */
  push(bytes: Buffer): void {
    if (this.#over) return;
    this.#reader.push(bytes);
    this.#verified.clear();
    this.#run();
  }

  /** The sender has sent all. */
  end(): void {
    this.#ended = true;
    this.#run();
  }

  /** Gives up: what is whole gets its name, nothing is left of the rest. Resolves when all is closed. */
  async abort(reason: TetherError): Promise<void> {
    if (this.#over) {
      await this.done.catch(() => undefined);
      return;
    }
    this.#over = true;
    clearTimeout(this.#timer);
    await this.#discarding;
    await this.#file?.incoming.discard();
    await this.#committing;
    await this.#commit(this.#batch).catch(() => undefined);
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
    }
  }

  #beginFile(header: FileHeader): void {
    this.#between();
    const entry = this.#entries++;
    if (this.#ignoredLevels > 0) {
      this.#ignoringFile = true;
      return;
    }
    this.#openFile(header, entry, true);
  }

  #openFile(header: FileHeader, entry: number, mayAskAgain: boolean): void {
    const { folder, path, isNew } = this.#where();
    const name = this.#ownName(header.name);
    const { room, writers, key, progress } = this.#options;
    progress.begin(path + name, header.size);
    try {
      this.#verify(folder);
      const digest = new ContentDigest(key, entry);
      const context = { room, writers, isNew, onWritten: this.#options.consumed };
      const incoming = new IncomingFile(folder, name, header, digest, context);
      this.#file = { incoming, entry, path: path + name };
    } catch (thrown) {
      const error = entryError("write", path + name, thrown);
      const refuse = () => {
        this.#ignoringFile = true;
        this.#fail(entry, error);
      };
      if (error.code !== "quota" || !mayAskAgain) {
        refuse();
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
      this.#wait(look, () => (looked ? this.#openFile(header, entry, false) : refuse()));
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

  #endFile(digest: Buffer, grew: boolean): void {
    if (this.#ignoringFile) {
      this.#ignoringFile = false;
      return;
    }
    const file = this.#file;
    if (file === undefined) throw new TetherError("invalid", "the end of a file that has not begun");
    if (file.incoming.isWriting) {
      this.#wait(file.incoming.idle(), () => this.#completeFile(file, digest, grew));
    } else {
      this.#completeFile(file, digest, grew);
    }
  }

  #completeFile(file: Receiving, digest: Buffer, grew: boolean): void {
    this.#file = undefined;
    try {
      file.incoming.complete(digest);
    } catch (error) {
      this.#options.progress.undo();
      this.#fail(file.entry, entryError("write", file.path, error));
      this.#discard(file.incoming);
      return;
    }
    if (grew) this.#options.onNote(`${file.path} grew while it was read; this is what it was at first`);
    const { incoming } = file;
    this.#batch.touched.add(incoming.folder);
    this.#batch.bytes += incoming.size;
    this.#enqueue({ kind: "file", file });
  }

  #abortFile(error: TetherError): void {
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
    const { folder: parent, path } = this.#where();
    const own = this.#ownName(name);
    if (own === "" && this.#levels.length === 0) {
      this.#levels.push({ folder: parent, facts, path, isTarget: true, isNew: false });
      return;
    }
    try {
      checkName(own);
      this.#verify(parent);
      const isNew = makeFolder(parent, own);
      if (isNew) this.#batch.touched.add(parent);
      this.#levels.push({
        folder: enterFolder(parent, own),
        facts,
        path: `${path}${own}/`,
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
    this.#enqueue({ kind: "leave", level });
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
      this.#verify(folder);
      makeLink(folder, own, target, this.#options.writers.freshName());
      this.#batch.touched.add(folder);
    } catch (error) {
      this.#fail(entry, entryError("write", path + own, error));
    }
  }

  #between(): void {
    if (this.#file !== undefined || this.#ignoringFile)
      throw new TetherError("invalid", "a file that does not end");
  }

  #where(): { readonly folder: Folder; readonly path: string; readonly isNew: boolean } {
    return this.#levels.at(-1) ?? { ...this.#options.target, isNew: false };
  }

  /** What an entry is called here: only those of the top may have another name. */
  #ownName(name: string): string {
    return this.#levels.length === 0 ? (this.#options.target.name ?? name) : name;
  }

  #giveUp(file: Receiving, error: TetherError): void {
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

  #enqueue(finishing: Finishing): void {
    const batch = this.#batch;
    batch.finishing.push(finishing);
    if (batch.finishing.length < TRANSFER.batchFiles && batch.bytes < TRANSFER.batchBytes) {
      this.#timer ??= setTimeout(() => this.#startCommit(), TRANSFER.batchWait);
    } else if (this.#committing === undefined) {
      this.#startCommit();
    } else {
      this.#wait(this.#committing, () => this.#startCommit());
    }
  }

  /** Finishes what is gathered, unless that is under way for what was gathered before. */
  #startCommit(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#committing !== undefined || this.#over) return;
    const batch = this.#batch;
    this.#batch = newBatch();
    this.#committing = this.#commit(batch).then(
      () => {
        this.#committing = undefined;
        if (this.#batch.finishing.length > 0 && !this.#over) {
          this.#timer ??= setTimeout(() => this.#startCommit(), TRANSFER.batchWait);
        }
      },
      (thrown) => {
        this.#committing = undefined;
        void this.abort(asTetherError(thrown));
      },
    );
  }

  /** Brings the files of a batch to the disk, gives them their names, and brings those to the disk. */
  async #commit({ finishing, touched }: Batch): Promise<void> {
    const files = finishing.flatMap((one) => (one.kind === "file" ? [one.file] : []));
    const unsynced = await this.#pace.sync(files.map(({ incoming }) => incoming.descriptor));
    this.#verified.clear();
    const turn = new Turn();
    const left: Folder[] = [];
    let index = 0;
    try {
      for (const one of finishing) {
        if (one.kind === "file") this.#commitFile(one.file, unsynced.get(index++));
        else this.#finishFolder(one.level, touched, left);
        if (turn.isOver) {
          await turn.rest();
          this.#verified.clear();
        }
      }
      for (const folder of touched) await folder.sync(this.#pace);
    } finally {
      for (const folder of left) folder.close();
    }
    if (finishing.length > 0) this.#options.report({ taken: this.#files });
  }

  #commitFile({ incoming, entry, path }: Receiving, unsynced: unknown): void {
    try {
      if (unsynced !== undefined) throw unsynced;
      this.#verify(incoming.folder);
      incoming.commit();
      this.#files++;
      this.#bytes += incoming.size;
      this.#options.progress.files++;
    } catch (error) {
      incoming.forget();
      this.#fail(entry, entryError("write", path, error));
    }
  }

  /** Makes sure that a folder is still where it was, once in each turn of the event loop. */
  #verify(folder: Folder): void {
    if (this.#verified.has(folder)) return;
    folder.verify();
    this.#verified.add(folder);
  }

  #finishFolder({ folder, facts, path, isTarget }: Level, touched: Set<Folder>, left: Folder[]): void {
    if (!isTarget) left.push(folder);
    try {
      const seconds = facts.modified / 1000;
      utimesSync(folder.self, seconds, seconds);
      if (process.platform !== "win32") chmodSync(folder.self, facts.mode);
      touched.add(folder);
    } catch (error) {
      // What is in it is there; only its time or mode is not as it was.
      this.#options.onNote(entryError("set the mode and time of", path, error).message);
    }
  }

  #finish(): void {
    this.#between();
    if (this.#levels.length > 0 || this.#ignoredLevels > 0 || !this.#reader.isBetween) {
      throw new TetherError("invalid", "the transfer ends in the middle");
    }
    clearTimeout(this.#timer);
    const commit = async () => {
      await this.#committing;
      // Giving up may have come first.
      if (this.#over) return;
      this.#over = true;
      try {
        await this.#commit(this.#batch);
        const received = { files: this.#files, bytes: this.#bytes };
        this.#options.report({ done: received });
        this.#resolve(received);
      } catch (thrown) {
        this.#reject(asTetherError(thrown));
      } finally {
        this.#closeFolders();
      }
    };
    this.#blocked = true;
    void commit();
  }

  #closeFolders(): void {
    for (const { folder, isTarget } of this.#levels) if (!isTarget) folder.close();
    this.#levels.length = 0;
    this.#options.target.folder.close();
  }
}

function newBatch(): Batch {
  return { finishing: [], touched: new Set(), bytes: 0 };
}
