import {
  closeSync,
  constants,
  fchmodSync,
  futimesSync,
  lstatSync,
  openSync,
  renameSync,
  unlinkSync,
  writeSync,
  writev,
} from "node:fs";
import { TetherError, TRANSFER } from "../protocol/index.ts";
import type { ContentDigest } from "./digest.ts";
import type { Folder } from "./folder.ts";
import { checkName } from "./names.ts";
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
  readonly #digest: ContentDigest;
  readonly #context: IncomingContext;
  readonly #room: HeldRoom;
  readonly #unclaim: () => void;
  readonly #ended: () => void;
  #received = 0;
  /** Where the next write begins. */
  #position = 0;
  #gathered: Buffer[] = [];
  #gatheredBytes = 0;
  #writes = 0;
  #failure: unknown;
  /** Told at the end of every write. */
  #waiting: (() => void)[] = [];

  /** Opens the partial file. Throws what stands in the way: `busy`, `quota`, `exists`, or what the system says. */
  constructor(
    folder: Folder,
    name: string,
    header: FileHeader,
    digest: ContentDigest,
    context: IncomingContext,
  ) {
    checkName(name);
    this.folder = folder;
    this.name = name;
    this.#header = header;
    this.#digest = digest;
    this.#context = context;
    this.#unclaim = context.writers.claim(folder, name);
    try {
      this.#room = context.room.hold(folder, header.size, context.isNew ? 0 : replacedBytes(folder, name));
    } catch (error) {
      this.#unclaim();
      throw error;
    }
    this.#partial = context.writers.freshName();
    this.#ended = context.writers.begin(this.#partial);
    try {
      this.descriptor = openSync(folder.path(this.#partial), CREATE_FLAGS, 0o600);
    } catch (error) {
      this.#release();
      this.#room.drop();
      throw error;
    }
  }

  get size(): number {
    return this.#header.size;
  }

  /** True while so much waits to be written that no more should be taken. */
  get isFull(): boolean {
    return this.#gatheredBytes >= TRANSFER.writeBytes && this.#writes >= TRANSFER.writes;
  }

  /** True while a thread writes. */
  get isWriting(): boolean {
    return this.#writes > 0;
  }

  /** Takes a piece of the content. Throws what the system says, or said to an earlier write. */
  take(bytes: Buffer): void {
    if (this.#failure !== undefined) throw this.#failure;
    this.#received += bytes.length;
    if (this.#received > this.size) throw new TetherError("invalid", "more content than was announced");
    this.#digest.update(bytes);
    if (this.size <= TRANSFER.smallFile) {
      this.#writeNow(bytes);
      return;
    }
    this.#gathered.push(bytes);
    this.#gatheredBytes += bytes.length;
    if (this.#gatheredBytes >= TRANSFER.writeBytes || this.#received === this.size) this.#startWrite();
  }

  /**
   * The content is complete: once nothing is being written, compares it with what the sender had and gives it
   * its mode and time.
   *
   * @throws TetherError `integrity` when it is not the same, or what the system says
   */
  complete(digest: Buffer): void {
    if (this.#failure !== undefined) throw this.#failure;
    const matches = this.#digest.matches(digest);
    if (this.#received !== this.size || !matches) {
      throw new TetherError("integrity", "what arrived is not what was sent; the old file stays", {
        hint: "try again",
      });
    }
    const seconds = this.#header.modified / 1000;
    futimesSync(this.descriptor, seconds, seconds);
    // Windows has none of these bits, and would make the file read-only for the lack of one.
    if (process.platform !== "win32") fchmodSync(this.descriptor, this.#header.mode);
  }

  /** Gives the complete and synced file its name. Throws what the system says; then {@link forget} it. */
  commit(): void {
    renameSync(this.folder.path(this.#partial), this.folder.path(this.name));
    closeSync(this.descriptor);
    this.#room.keep();
    this.#release();
  }

  /** Like {@link discard}, for a file that nothing is being written to any more. */
  forget(): void {
    closeSync(this.descriptor);
    try {
      unlinkSync(this.folder.path(this.#partial));
    } catch {
      // It is gone already, or the folder is: nothing is left over either way.
    }
    this.#room.drop();
    this.#release();
  }

  /** Leaves the old file as it was and nothing of the new one, as soon as no thread writes to it any more. */
  async discard(): Promise<void> {
    this.#failure ??= new TetherError("cancelled", "given up");
    this.#drop();
    await this.idle();
    this.forget();
  }

  /** Resolves when no thread writes. */
  async idle(): Promise<void> {
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
    this.#writes++;
    this.#write(buffers, bytes, position);
  }

  #write(buffers: Buffer[], bytes: number, position: number): void {
    writev(this.descriptor, buffers, position, (error, written) => {
      if (error === null && written < bytes) {
        // A full disk takes a part, and says why at the next try.
        this.#write(dropFront(buffers, written), bytes - written, position + written);
        this.#context.onWritten(written);
        return;
      }
      this.#writes--;
      if (error !== null) {
        this.#failure ??= error;
        this.#drop();
      } else if (this.#gatheredBytes >= TRANSFER.writeBytes || this.#received === this.size) {
        this.#startWrite();
      }
      this.#context.onWritten(bytes);
      const waiting = this.#waiting;
      this.#waiting = [];
      for (const resolve of waiting) resolve();
    });
  }

  #drop(): void {
    const bytes = this.#gatheredBytes;
    this.#gathered = [];
    this.#gatheredBytes = 0;
    if (bytes > 0) this.#context.onWritten(bytes);
  }

  #release(): void {
    this.#ended();
    this.#unclaim();
  }
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
