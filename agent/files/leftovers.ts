import { lstatSync, readlinkSync } from "node:fs";
import { TRANSFER } from "../../protocol/index.ts";
import {
  type Folder,
  isHistory,
  journalName,
  type Leftovers as LeftParts,
  partOfJournal,
  removePart,
  type Writers,
} from "../../transfer/index.ts";

/** A part that nobody is writing. */
interface Leftover {
  /** The folder that it lies in. */
  readonly place: string;
  readonly bytes: number;
  /** When it was last written, in milliseconds since 1970. */
  readonly since: number;
}

/**
 * The parts that broken transfers have left under the root, for the same transfer to go on with: a bounded number,
 * for a bounded time, and never in the way of what has a name. The oldest go first.
 */
export class Leftovers implements LeftParts {
  readonly #writers: Writers;
  readonly #enter: (place: string) => Folder;
  readonly #parts = new Map<string, Leftover>();

  /** `enter` opens a folder of the root by the path that the system has for it. */
  constructor(writers: Writers, enter: (place: string) => Folder) {
    this.#writers = writers;
    this.#enter = enter;
  }

  get count(): number {
    return this.#parts.size;
  }

  get bytes(): number {
    let bytes = 0;
    for (const part of this.#parts.values()) bytes += part.bytes;
    return bytes;
  }

  left(folder: Folder, partial: string, bytes: number): void {
    this.#parts.set(partial, { place: readlinkSync(folder.self), bytes, since: Date.now() });
    this.tidy();
  }

  taken(_folder: Folder, partial: string): void {
    this.forget(partial);
  }

  /** A part is gone. */
  forget(partial: string): void {
    this.#parts.delete(partial);
  }

  /** Forgets all, before everything is looked through. */
  forgetAll(): void {
    this.#parts.clear();
  }

  /** Somebody has come by a partial file or a journal: what is of use to nobody is removed. */
  seen(folder: Folder, name: string): void {
    const partial = partOfJournal(name) ?? name;
    if (this.#writers.isLive(partial) || this.#parts.has(partial)) return;
    const facts = lstatSync(folder.path(partial), { throwIfNoEntry: false });
    // A history is alone.
    const journal = isHistory(name)
      ? facts
      : lstatSync(folder.path(journalName(partial)), { throwIfNoEntry: false });
    if (facts?.isFile() !== true || journal?.isFile() !== true) {
      removePart(folder, partial);
      return;
    }
    this.#parts.set(partial, {
      place: readlinkSync(folder.self),
      bytes: facts.size,
      since: Math.max(facts.mtimeMs, journal.mtimeMs),
    });
  }

  /** Removes those that are too old, and the oldest of those that are too many. */
  tidy(): void {
    const oldest = Date.now() - TRANSFER.leftoverAge;
    let over = this.#parts.size - TRANSFER.leftovers;
    for (const [partial, part] of this.#byAge()) {
      if (part.since >= oldest && over <= 0) break;
      this.#remove(partial, part);
      over--;
    }
  }

  /** Removes the oldest until so many bytes are free, or none is left. */
  makeRoom(bytes: number): void {
    let missing = bytes;
    for (const [partial, part] of this.#byAge()) {
      if (missing <= 0) break;
      this.#remove(partial, part);
      missing -= part.bytes;
    }
  }

  #byAge(): [string, Leftover][] {
    return [...this.#parts].sort(([, a], [, b]) => a.since - b.since);
  }

  #remove(partial: string, { place }: Leftover): void {
    this.#parts.delete(partial);
    try {
      const folder = this.#enter(place);
      try {
        removePart(folder, partial);
      } finally {
        folder.close();
      }
    } catch {
      // Its folder has another place by now, or none: the next look through all finds the part if it is there.
    }
  }
}
