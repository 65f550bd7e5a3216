import { createHash } from "node:crypto";
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readFileSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { TRANSFER } from "../protocol/index.ts";
import type { Folder } from "./folder.ts";
import { historyName, isPartial } from "./names.ts";
import { Turn } from "./turn.ts";
import type { Writers } from "./writers.ts";

const FLAGS =
  constants.O_RDWR |
  constants.O_CREAT |
  constants.O_APPEND |
  (constants.O_NOFOLLOW ?? 0) |
  (constants.O_NONBLOCK ?? 0);
/** Milliseconds for which nothing is written down: a transfer that takes no longer is not worth it. */
const SHORT = 250;
/** Files told of in one document. */
const TOLD_AT_ONCE = 2_000;
/** Milliseconds by which times may differ that are the same: what a number of them loses. */
const SAME_TIME = 0.002;

/** The name of the history of a transfer: the same command on the same side has the same one. */
export function historyFor(...facts: readonly unknown[]): string {
  return historyName(createHash("sha256").update(JSON.stringify(facts)).digest("hex").slice(0, 16));
}

/**
 * A number that tells a file of a transfer, by its path there, its size and its time, from others and from what it
 * is after a change: 53 bits of a hash (cyrb53) that is quick and stands against chance alone.
 */
export function fileNumber(path: string, size: number, modified: number): number {
  const text = `${size} ${Math.round(modified * 1000)} ${path}`;
  let [high, low] = [0xdeadbeef, 0x41c6ce57];
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    high = Math.imul(high ^ unit, 2654435761);
    low = Math.imul(low ^ unit, 1597334677);
  }
  high = Math.imul(high ^ (high >>> 16), 2246822507) ^ Math.imul(low ^ (low >>> 13), 3266489909);
  low = Math.imul(low ^ (low >>> 16), 2246822507) ^ Math.imul(high ^ (high >>> 13), 3266489909);
  return 4294967296 * (2097151 & low) + (high >>> 0);
}

/** A file that has its name: its path as its sender has it, its size, its time in milliseconds. */
type Line = readonly [path: string, size: number, modified: number];

/**
 * What a transfer of many files has brought, for the same transfer to leave out when it comes again. It lies in the
 * target's folder while the transfer goes on, and after it has broken: a JSON line for each file.
 */
export class TransferHistory {
  readonly #folder: Folder;
  readonly #file: string;
  readonly #top: string | undefined;
  readonly #ended: () => void;
  readonly #descriptor: number;
  readonly #start = performance.now();
  #bytes: number;
  #lines: Line[] = [];

  private constructor(
    folder: Folder,
    file: string,
    top: string | undefined,
    descriptor: number,
    ended: () => void,
  ) {
    this.#folder = folder;
    this.#file = file;
    this.#top = top;
    this.#descriptor = descriptor;
    this.#ended = ended;
    this.#bytes = fstatSync(descriptor).size;
  }

  /**
   * Goes on with a history, or begins one; undefined when somebody else does already, or it cannot be written:
   * then the transfer has none.
   *
   * @param top what the one source is called here, where it has another name than its sender gives it
   */
  static open(
    folder: Folder,
    file: string,
    top: string | undefined,
    writers: Writers,
  ): TransferHistory | undefined {
    if (writers.isLive(file)) return undefined;
    try {
      const descriptor = openSync(folder.path(file), FLAGS, 0o600);
      return new TransferHistory(folder, file, top, descriptor, writers.begin(file));
    } catch {
      return undefined;
    }
  }

  /** The numbers of the files that are there as they came, some at a time. `isOver` ends that early. */
  async *there(isOver: () => boolean): AsyncGenerator<number[]> {
    if (this.#bytes === 0 || this.#bytes > 2 * TRANSFER.historyBytes) return;
    const { mtimeMs } = fstatSync(this.#descriptor);
    const text = readFileSync(this.#folder.path(this.#file), "utf8");
    const turn = new Turn();
    const walk = new Walk(this.#folder);
    let numbers: number[] = [];
    let told = 0;
    try {
      for (const line of text.split("\n")) {
        const entry = readLine(line);
        if (entry === undefined) continue;
        const [path, size, modified] = entry;
        if (walk.holds(this.#ownPath(path), size, modified, mtimeMs))
          numbers.push(fileNumber(path, size, modified));
        if (numbers.length >= TOLD_AT_ONCE) {
          yield numbers;
          told += numbers.length;
          numbers = [];
        }
        if (isOver() || told >= TRANSFER.historyFiles) return;
        if (turn.isOver) await turn.rest();
      }
      if (numbers.length > 0) yield numbers;
    } finally {
      walk.close();
    }
  }

  /** A file has its name. */
  note(path: string, size: number, modified: number): void {
    if (this.#bytes < TRANSFER.historyBytes) this.#lines.push([path, size, modified]);
  }

  /** What was noted is on the disk. */
  write(): void {
    if (performance.now() - this.#start > SHORT) this.#flush();
  }

  /** Leaves it for the same transfer to come again. */
  leave(): void {
    this.#flush();
    const isOfUse = this.#bytes > 0 || this.#hasMadeFolder();
    this.#close();
    if (!isOfUse) this.#remove();
  }

  /** True when the next try would take the one source's new name for a folder to write into. */
  #hasMadeFolder(): boolean {
    if (this.#top === undefined) return false;
    return lstatSync(this.#folder.path(this.#top), { throwIfNoEntry: false })?.isDirectory() === true;
  }

  /** The transfer is done. */
  remove(): void {
    this.#close();
    this.#remove();
  }

  #flush(): void {
    if (this.#lines.length === 0) return;
    const bytes = Buffer.from(this.#lines.map((line) => `${JSON.stringify(line)}\n`).join(""), "utf8");
    this.#lines = [];
    this.#bytes += bytes.length;
    try {
      writeSync(this.#descriptor, bytes);
    } catch {
      // What is not written down is sent again.
    }
  }

  #close(): void {
    closeSync(this.#descriptor);
    this.#ended();
  }

  #remove(): void {
    try {
      unlinkSync(this.#folder.path(this.#file));
    } catch {
      // It goes when leftovers do.
    }
  }

  #ownPath(path: string): string[] {
    const names = path.split("/").filter((name) => name !== "");
    return this.#top === undefined ? names : [this.#top, ...names.slice(1)];
  }
}

/** True for a file of that size and time, which nobody has changed after `latest`. Throws what the system says. */
export function isSameFile(
  folder: Folder,
  name: string,
  size: number,
  modified: number,
  latest = Number.POSITIVE_INFINITY,
): boolean {
  const facts = lstatSync(folder.path(name), { throwIfNoEntry: false });
  return (
    facts?.isFile() === true &&
    facts.size === size &&
    Math.abs(facts.mtimeMs - modified) < SAME_TIME &&
    facts.ctimeMs <= latest
  );
}

/** Looks at files below a folder, through no link; those of one folder one after the other. */
class Walk {
  readonly #root: Folder;
  readonly #folders: { readonly name: string; readonly folder: Folder }[] = [];

  constructor(root: Folder) {
    this.#root = root;
  }

  /** True for a file of that size and time which nobody has changed after `latest`. */
  holds(names: readonly string[], size: number, modified: number, latest: number): boolean {
    const name = names.at(-1);
    if (name === undefined || names.some((one) => one === ".." || one === "." || isPartial(one)))
      return false;
    try {
      return isSameFile(this.#enter(names.slice(0, -1)), name, size, modified, latest);
    } catch {
      return false;
    }
  }

  close(): void {
    this.#leave(0);
  }

  #enter(names: readonly string[]): Folder {
    let same = 0;
    while (same < names.length && this.#folders[same]?.name === names[same]) same++;
    this.#leave(same);
    for (const name of names.slice(same)) {
      this.#folders.push({ name, folder: (this.#folders.at(-1)?.folder ?? this.#root).enter(name) });
    }
    return this.#folders.at(-1)?.folder ?? this.#root;
  }

  #leave(depth: number): void {
    while (this.#folders.length > depth) this.#folders.pop()?.folder.close();
  }
}

function readLine(line: string): Line | undefined {
  try {
    const value: unknown = JSON.parse(line);
    if (!Array.isArray(value)) return undefined;
    const [path, size, modified] = value;
    return typeof path === "string" && typeof size === "number" && typeof modified === "number"
      ? [path, size, modified]
      : undefined;
  } catch {
    // The last line of a history that lost power, or the end of it.
    return undefined;
  }
}
