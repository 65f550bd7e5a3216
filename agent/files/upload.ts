import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  ftruncateSync,
  lstatSync,
  openSync,
  renameSync,
  unlinkSync,
} from "node:fs";
import { copyFile } from "node:fs/promises";
import { FILES, TetherError } from "../../protocol/index.ts";
import { checkName, type Folder, type HeldRoom, syncDescriptor } from "../../transfer/index.ts";
import type { Files } from "./files.ts";
import { GatheredWriter } from "./gathered-writer.ts";

const CREATE_FLAGS = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
const READ_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** Mode of a file that replaces none. */
const MODE = 0o644;

/** A name that is written to. */
export interface UploadPlace {
  /** The upload closes it. */
  readonly folder: Folder;
  readonly name: string;
}

/**
 * A file that a client sends. Its content goes to a partial file beside the name, as in `tether put`, and takes
 * the name's place when the client has sent all: until then whoever reads the name finds the old file.
 */
export class Upload {
  readonly folder: Folder;
  readonly name: string;
  readonly #files: Files;
  readonly #partial: string;
  readonly #descriptor: number;
  /** Ends the protection of the partial file from being taken for a leftover. */
  readonly #forgetPartial: () => void;
  readonly #rooms: HeldRoom[] = [];
  /** Bytes that the file may have before more room has to be held. */
  #roomFor: number;
  #writer: GatheredWriter;
  #unclaim: (() => void) | undefined;
  #committed = false;

  private constructor(files: Files, { folder, name }: UploadPlace) {
    checkName(name);
    this.#files = files;
    this.folder = folder;
    this.name = name;
    const replaced = replacedBytes(folder, name);
    this.#roomFor = replaced;
    this.#partial = files.writers.freshName();
    this.#unclaim = files.writers.claim(folder, name);
    this.#forgetPartial = files.writers.begin(this.#partial);
    try {
      this.#descriptor = openSync(folder.path(this.#partial), CREATE_FLAGS, 0o600);
    } catch (error) {
      this.#forgetPartial();
      this.#unclaim();
      throw error;
    }
    this.#writer = new GatheredWriter(this.#descriptor, 0);
  }

  /**
   * Begins one, with the first bytes of the file that has the name now: `keep` of them, or all. Takes the
   * folder over, also when it throws: `busy` when somebody else writes the name, `exists` for a folder,
   * `invalid` where fewer bytes are there, or what the system says.
   */
  static async begin(files: Files, place: UploadPlace, keep: number | "all"): Promise<Upload> {
    try {
      await files.room.prepare(0);
      place.folder.verify();
      const upload = new Upload(files, place);
      try {
        if (keep !== 0) await upload.#copyOld(keep);
      } catch (error) {
        await upload.discard();
        throw error;
      }
      return upload;
    } catch (error) {
      place.folder.close();
      throw error;
    }
  }

  /** Bytes of the whole file so far. */
  get size(): number {
    return this.#writer.end;
  }

  /** True once the file has its name. */
  get isCommitted(): boolean {
    return this.#committed;
  }

  /** True while no more should be pushed. */
  get isFull(): boolean {
    return this.#writer.isFull;
  }

  /** Takes the next bytes. Throws `quota`, or what the system says. */
  push(bytes: Buffer): void {
    if (bytes.length === 0) return;
    this.#holdRoom(this.size + bytes.length);
    this.#writer.push(bytes);
  }

  /** Resolves when more may be pushed. Rejects with what the system says. */
  emptied(): Promise<void> {
    return this.#writer.emptied();
  }

  /** Brings what was pushed to the disk. Rejects with what the system says. */
  async settle(): Promise<void> {
    await this.#writer.finish();
    await syncDescriptor(this.#descriptor);
  }

  /** Gives the settled file its name, for good. Throws what the system says; then {@link discard} it unless {@link isCommitted}. */
  async commit(): Promise<void> {
    this.folder.verify();
    const path = this.folder.path(this.name);
    const replaced = lstatSync(path, { throwIfNoEntry: false });
    fchmodSync(this.#descriptor, replaced?.isFile() ? replaced.mode & 0o7777 : MODE);
    renameSync(this.folder.path(this.#partial), path);
    this.#committed = true;
    this.#files.room.changed(this.size - (replaced?.isFile() ? replaced.size : 0));
    closeSync(this.#descriptor);
    try {
      await this.folder.sync();
    } finally {
      this.#release();
    }
  }

  /** Keeps what has arrived for {@link resume}, and lets others write the name meanwhile. */
  async suspend(): Promise<void> {
    await this.#writer.finish();
    this.#unclaim?.();
    this.#unclaim = undefined;
  }

  /** Goes on after the first `keep` bytes, or all. Throws `busy` when somebody else writes the name by now. */
  resume(keep: number | "all"): void {
    const length = keep === "all" ? this.size : keep;
    if (length > this.size) throw tooFew(this.size);
    this.#unclaim = this.#files.writers.claim(this.folder, this.name);
    ftruncateSync(this.#descriptor, length);
    this.#writer = new GatheredWriter(this.#descriptor, length);
  }

  /** Leaves the old file as it was and nothing of the new one. */
  async discard(): Promise<void> {
    await this.#writer.finish().catch(() => undefined);
    closeSync(this.#descriptor);
    try {
      unlinkSync(this.folder.path(this.#partial));
    } catch {
      // It is gone already, or the folder is: nothing is left over either way.
    }
    this.#release();
  }

  async #copyOld(keep: number | "all"): Promise<void> {
    const old = openOld(this.folder, this.name);
    if (old === undefined) {
      if (keep === "all") return;
      throw tooFew(0);
    }
    try {
      const facts = fstatSync(old);
      if (!facts.isFile()) throw new TetherError("exists", "it is not a file");
      const length = keep === "all" ? facts.size : keep;
      if (length > facts.size) throw tooFew(facts.size);
      // By its descriptor: the name may be another file by now.
      const path = this.folder.path(this.#partial);
      await copyFile(`/proc/self/fd/${old}`, path, constants.COPYFILE_FICLONE);
      fchmodSync(this.#descriptor, 0o600);
      ftruncateSync(this.#descriptor, length);
      this.#writer = new GatheredWriter(this.#descriptor, length);
    } finally {
      closeSync(old);
    }
  }

  #holdRoom(size: number): void {
    if (size <= this.#roomFor) return;
    const { room } = this.#files;
    const least = size - this.#roomFor;
    let step = Math.max(least, FILES.room);
    try {
      this.#rooms.push(room.hold(this.folder, step, 0));
    } catch {
      // The last bytes before the bound may still fit.
      step = least;
      this.#rooms.push(room.hold(this.folder, step, 0));
    }
    this.#roomFor += step;
  }

  #release(): void {
    for (const held of this.#rooms.splice(0)) held.drop();
    this.#forgetPartial();
    this.#unclaim?.();
    this.#unclaim = undefined;
    this.folder.close();
  }
}

/** Bytes of the file that will be replaced. Throws `exists` for what a file cannot replace. */
function replacedBytes(folder: Folder, name: string): number {
  const facts = lstatSync(folder.path(name), { throwIfNoEntry: false });
  if (facts?.isDirectory()) throw new TetherError("exists", "a folder of that name is there");
  return facts?.isFile() ? facts.size : 0;
}

function openOld(folder: Folder, name: string): number | undefined {
  if (lstatSync(folder.path(name), { throwIfNoEntry: false }) === undefined) return undefined;
  return openSync(folder.path(name), READ_FLAGS);
}

function tooFew(size: number): TetherError {
  return new TetherError("invalid", `only ${size} bytes are there to go on after`);
}
