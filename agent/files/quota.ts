import { lstatSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { FILES, TetherError } from "../../protocol/index.ts";
import {
  checkDisk,
  type Folder,
  type HeldRoom,
  isPartial,
  type Room,
  systemCode,
  Turn,
} from "../../transfer/index.ts";
import type { Leftovers } from "./leftovers.ts";

/** A measurement is old after so many milliseconds, and after so many times as long as it took. */
const OLD = 100;
const OLD_TIMES = 50;

/**
 * How much lies under the root, and how much more may.
 *
 * It is measured once and then kept by adding and subtracting; what other programs do under the root is noticed
 * by measuring again before a writer is refused, and when somebody asks. What counts is the length of files.
 */
export class Quota implements Room {
  readonly #openRoot: () => Folder;
  readonly #leftovers: Leftovers;
  #limit: number;
  #used = 0;
  #held = 0;
  /** Counts the changes that were made here. */
  #changes = 0;
  #measuring: Promise<void> | undefined;
  /** When it was last measured, and how long that took. */
  #measured: { readonly at: number; readonly took: number } | undefined;

  /** `limit` in bytes; every measurement looks for leftovers too. */
  constructor(limit: number, openRoot: () => Folder, leftovers: Leftovers) {
    this.#limit = limit;
    this.#openRoot = openRoot;
    this.#leftovers = leftovers;
  }

  get limit(): number {
    return this.#limit;
  }

  /** Bytes of all files under the root, as far as is known. */
  get used(): number {
    return this.#used;
  }

  /** Sets another bound; what is there stays. */
  setLimit(limit: number): void {
    this.#limit = limit;
  }

  hold(folder: Folder, size: number, replaced: number, present = 0): HeldRoom {
    const growth = Math.max(0, size - replaced);
    if (this.#used + this.#held + growth > this.#limit) {
      const free = Math.max(0, this.#limit - this.#used - this.#held);
      throw new TetherError("quota", `${size} bytes do not fit: ${free} of ${this.#limit} bytes are left`, {
        hint: "remove something, or raise files.quota",
      });
    }
    this.#leftovers.makeRoom(this.#used + this.#held + growth + this.#leftovers.bytes - this.#limit);
    try {
      checkDisk(folder, size - present);
    } catch (error) {
      if (this.#leftovers.count === 0) throw error;
      this.#leftovers.makeRoom(Number.POSITIVE_INFINITY);
      checkDisk(folder, size - present);
    }
    this.#held += growth;
    return {
      keep: () => {
        this.#held -= growth;
        this.changed(size - replaced);
      },
      drop: () => {
        this.#held -= growth;
      },
    };
  }

  removed(size: number): void {
    this.changed(-size);
  }

  /** Files under the root have come, gone, or changed their length by so many bytes. */
  changed(bytes: number): void {
    this.#used = Math.max(0, this.#used + bytes);
    this.#changes++;
  }

  /** Waits until it may be judged whether so many bytes fit: measures where that was not done, or may be out of date. */
  async prepare(bytes: number): Promise<void> {
    if (this.#measured === undefined) await this.measure();
    else if (this.#used + this.#held + bytes > this.#limit) await this.refresh();
  }

  /** Measures again unless that was done a moment ago; true when it was done. */
  async refresh(): Promise<boolean> {
    const last = this.#measured;
    if (last !== undefined && performance.now() - last.at < Math.max(OLD, OLD_TIMES * last.took))
      return false;
    await this.measure();
    return true;
  }

  /** Measures what is there. */
  measure(): Promise<void> {
    this.#measuring ??= this.#measure().finally(() => {
      this.#measuring = undefined;
    });
    return this.#measuring;
  }

  async #measure(): Promise<void> {
    const changes = this.#changes;
    const start = performance.now();
    const root = this.#openRoot();
    try {
      this.#leftovers.forgetAll();
      const bytes = await this.#bytesBelow(root, new Turn(), FILES.depth);
      // What was changed meanwhile may or may not be in the sum; what is known by adding up is better then.
      if (this.#changes === changes) this.#used = bytes;
      else if (this.#measured === undefined) this.#used += bytes;
    } finally {
      root.close();
      this.#leftovers.tidy();
      const now = performance.now();
      this.#measured = { at: now, took: now - start };
    }
  }

  /** Bytes of the files in a folder and in those below, to a bounded depth. What cannot be read counts nothing. */
  async #bytesBelow(folder: Folder, turn: Turn, depth: number): Promise<number> {
    let bytes = 0;
    const entries = await readdir(folder.self, { withFileTypes: true }).catch(() => []);
    for (const entry of entries) {
      if (turn.isOver) await turn.rest();
      try {
        if (isPartial(entry.name)) {
          this.#leftovers.seen(folder, entry.name);
        } else if (entry.isFile()) {
          bytes += lstatSync(folder.path(entry.name)).size;
        } else if (entry.isDirectory() && depth > 0) {
          const inner = folder.enter(entry.name);
          try {
            bytes += await this.#bytesBelow(inner, turn, depth - 1);
          } finally {
            inner.close();
          }
        }
      } catch (error) {
        // Gone, or another thing by now; a folder that this user may not open counts nothing.
        if (!["ENOENT", "ENOTDIR", "ELOOP", "EACCES"].includes(systemCode(error) ?? "")) throw error;
      }
    }
    return bytes;
  }
}
