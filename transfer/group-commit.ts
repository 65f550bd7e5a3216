import { chmodSync, utimesSync } from "node:fs";
import { asTetherError, type TetherError, TRANSFER } from "../protocol/index.ts";
import { entryError } from "./entry-error.ts";
import type { Folder } from "./folder.ts";
import type { IncomingFile } from "./incoming-file.ts";
import type { EntryFacts } from "./record.ts";
import { SyncPace } from "./sync-pace.ts";
import { Turn } from "./turn.ts";
import type { VerifiedFolders } from "./verified-folders.ts";

/** A whole file that waits for its name. */
export interface WholeFile {
  readonly incoming: IncomingFile;
  readonly entry: number;
  /** For messages. */
  readonly path: string;
  /** Its path in the transfer, as the sender has it. */
  readonly sentPath: string;
}

/** A folder in which nothing more appears. */
export interface FilledFolder {
  readonly folder: Folder;
  readonly facts: EntryFacts;
  /** For messages; ends with a slash unless empty. */
  readonly path: string;
  /** The target's own folder is closed at the end. */
  readonly isTarget: boolean;
}

export interface GroupCommitOptions {
  readonly verified: VerifiedFolders;
  /** A file has got its name. */
  readonly onFile: (file: WholeFile) => void;
  /** So many files have their names, and those are on the disk. */
  readonly onTaken: (files: number) => void;
  readonly onFailed: (entry: number, error: TetherError) => void;
  /** Told of what is worth knowing and no failure. */
  readonly onNote: (note: string) => void;
  /** Nothing can be committed any more. */
  readonly onBroken: (error: TetherError) => void;
}

/** What is done, in this order, once the files of a batch are on the disk. */
type Finishing =
  | { readonly kind: "file"; readonly file: WholeFile }
  | { readonly kind: "leave"; readonly level: FilledFolder };

interface Batch {
  readonly finishing: Finishing[];
  /** Folders in which names appear. */
  readonly touched: Set<Folder>;
  bytes: number;
}

/** Brings whole files to the disk many at a time, then gives them their names, then brings those to the disk. */
export class GroupCommit {
  readonly #options: GroupCommitOptions;
  readonly #pace = new SyncPace();
  #batch = newBatch();
  #committing: Promise<void> | undefined;
  /** What is being finished. */
  #underWay: Batch | undefined;
  #timer: NodeJS.Timeout | undefined;
  #files = 0;
  #bytes = 0;
  #over = false;

  constructor(options: GroupCommitOptions) {
    this.#options = options;
  }

  /** Files that have their names, and their bytes. */
  get committed(): { readonly files: number; readonly bytes: number } {
    return { files: this.#files, bytes: this.#bytes };
  }

  /** Counts a file that was there already. */
  count(size: number): void {
    this.#files++;
    this.#bytes += size;
  }

  /** A name has appeared in a folder. */
  touch(folder: Folder): void {
    this.#batch.touched.add(folder);
  }

  /** Takes a whole file. Where that is too much at once, gives what to wait for, and then to {@link start}. */
  addFile(file: WholeFile): Promise<void> | undefined {
    const { folder, size } = file.incoming;
    this.touch(folder);
    this.#batch.bytes += size;
    return this.#add({ kind: "file", file });
  }

  /** Takes a folder that gets its mode and time after what was added before; as {@link addFile}. */
  addFolder(level: FilledFolder): Promise<void> | undefined {
    return this.#add({ kind: "leave", level });
  }

  #add(finishing: Finishing): Promise<void> | undefined {
    const batch = this.#batch;
    batch.finishing.push(finishing);
    if (batch.finishing.length < TRANSFER.batchFiles && batch.bytes < TRANSFER.batchBytes) {
      this.#timer ??= setTimeout(() => this.start(), TRANSFER.batchWait);
    } else if (this.#committing === undefined) {
      this.start();
    } else {
      return this.#committing;
    }
    return undefined;
  }

  /** Finishes what is gathered, unless that is under way for what was gathered before. */
  start(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#committing !== undefined || this.#over) return;
    const batch = this.#batch;
    this.#batch = newBatch();
    this.#committing = this.#commit(batch).then(
      () => {
        this.#committing = undefined;
        if (this.#batch.finishing.length > 0 && !this.#over) {
          this.#timer ??= setTimeout(() => this.start(), TRANSFER.batchWait);
        }
      },
      (thrown) => {
        this.#committing = undefined;
        this.#options.onBroken(asTetherError(thrown));
      },
    );
  }

  /** Resolves when nothing is being finished. */
  async idle(): Promise<void> {
    await this.#committing;
  }

  /** Finishes what is gathered; resolves when it has its names. */
  async settle(): Promise<void> {
    await this.#committing;
    this.start();
    await this.#committing;
  }

  /** Finishes all that is gathered; nothing may be added any more. Rejects when a folder cannot be synced. */
  async finish(): Promise<void> {
    this.#over = true;
    clearTimeout(this.#timer);
    await this.#committing;
    const batch = this.#batch;
    this.#batch = newBatch();
    await this.#commit(batch);
  }

  /** Says of all files that wait for their names that nobody has to wait long for those. */
  willEnd(): void {
    for (const one of [...(this.#underWay?.finishing ?? []), ...this.#batch.finishing]) {
      if (one.kind === "file") one.file.incoming.willEnd();
    }
  }

  async #commit(batch: Batch): Promise<void> {
    const { finishing, touched } = batch;
    this.#underWay = batch;
    const files = finishing.flatMap((one) => (one.kind === "file" ? [one.file] : []));
    const unsynced = await this.#pace.sync(files.map(({ incoming }) => incoming.descriptor));
    this.#options.verified.forget();
    const turn = new Turn();
    const left: Folder[] = [];
    let index = 0;
    try {
      for (const one of finishing) {
        if (one.kind === "file") this.#commitFile(one.file, unsynced.get(index++));
        else this.#finishFolder(one.level, touched, left);
        if (turn.isOver) {
          await turn.rest();
          this.#options.verified.forget();
        }
      }
      for (const folder of touched) await folder.sync(this.#pace);
    } finally {
      for (const folder of left) folder.close();
      this.#underWay = undefined;
    }
    if (finishing.length > 0) this.#options.onTaken(this.#files);
  }

  #commitFile(file: WholeFile, unsynced: unknown): void {
    const { incoming, entry, path } = file;
    try {
      if (unsynced !== undefined) throw unsynced;
      this.#options.verified.verify(incoming.folder);
      incoming.commit();
      this.#files++;
      this.#bytes += incoming.size;
      this.#options.onFile(file);
    } catch (error) {
      incoming.forget();
      this.#options.onFailed(entry, entryError("write", path, error));
    }
  }

  #finishFolder({ folder, facts, path, isTarget }: FilledFolder, touched: Set<Folder>, left: Folder[]): void {
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
}

function newBatch(): Batch {
  return { finishing: [], touched: new Set(), bytes: 0 };
}
