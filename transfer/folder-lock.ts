import { linkSync, readdirSync, readFileSync, truncateSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { STATE, TetherError } from "../protocol/index.ts";
import { attempt, isTemporary, systemCode, temporaryBeside } from "./private-files.ts";
import { isRunning, type ProcessMark, parseProcessMark, thisProcess } from "./process-mark.ts";

/** A lock that this process holds. */
export interface FolderLock {
  /** Gives it back; a second call does nothing. */
  release(): void;
}

/** What came of asking for a lock. */
export type LockAttempt =
  | { readonly taken: true; readonly lock: FolderLock }
  | { readonly taken: false; readonly holder: ProcessMark };

/** Tries before giving up: each lost one means that another process won. */
const ATTEMPTS = 1_000;

/** Milliseconds between two looks at a lock that another process holds. */
const LOOK_AGAIN = 10;

/**
 * Takes a folder's lock, or says who holds it. A holder that was killed, or lived before the last boot, holds
 * nothing, also when its process number has gone to another program.
 *
 * A lock is a numbered ticket, the file `lock.N`, which names its holder. The ticket with the highest number
 * counts. Who finds its holder gone makes ticket N+1, by a hard link: that fails when the name is there, and
 * the file appears with its content. So of two that find the same dead holder one gets the ticket, and the
 * other looks again and finds it alive. Removing the dead holder's file instead would be a race: the slower
 * one could remove the file that the faster one has just made.
 *
 * The highest ticket is never removed (to give back is to empty it), so numbers only grow and each is won
 * once. Lower ones are swept away. One who made up its mind long ago may find its number free again because
 * of that; it then sees a higher ticket and withdraws.
 *
 * Processes that do not see each other's numbers (two containers on one folder) are not kept apart.
 *
 * @throws TetherError for what the system says: a full or read-only disk, a file system without hard links
 */
export function tryLockFolder(folder: string): LockAttempt {
  return attempt("lock", folder, () => {
    for (let tries = 0; tries < ATTEMPTS; tries++) {
      const newest = newestTicket(folder);
      const holder = readTicket(folder, newest);
      if (holder !== undefined && isRunning(holder)) return { taken: false, holder };
      const mine = newest + 1;
      if (!makeTicket(folder, mine)) continue;
      if (newestTicket(folder) !== mine) {
        remove(ticketPath(folder, mine));
        continue;
      }
      sweep(folder, mine);
      return { taken: true, lock: new Ticket(ticketPath(folder, mine)) };
    }
    throw new TetherError("busy", `cannot lock ${folder}: too many others try to`);
  });
}

/**
 * Does something while holding a folder's lock, waiting up to `STATE.lockWait` for another holder.
 *
 * @throws TetherError `busy`, naming the holder, when it does not give it back in that time
 */
export async function withFolderLock<T>(
  folder: string,
  work: () => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  const end = performance.now() + STATE.lockWait;
  for (;;) {
    const outcome = tryLockFolder(folder);
    if (outcome.taken) {
      try {
        return await work();
      } finally {
        outcome.lock.release();
      }
    }
    if (performance.now() > end) {
      throw new TetherError("busy", `process ${outcome.holder.pid} is changing ${folder}`, {
        hint: "try again when it has ended",
      });
    }
    await delay(LOOK_AGAIN, undefined, signal ? { signal } : {});
  }
}

class Ticket implements FolderLock {
  readonly #path: string;
  #held = true;

  constructor(path: string) {
    this.#path = path;
  }

  release(): void {
    if (!this.#held) return;
    this.#held = false;
    try {
      truncateSync(this.#path, 0);
    } catch {
      // The folder may be gone or read-only by now; the ticket ends with this process anyway.
    }
  }
}

function ticketPath(folder: string, number: number): string {
  return join(folder, `lock.${number}`);
}

function ticketNumber(name: string): number {
  const digits = /^lock\.([1-9][0-9]{0,14})$/.exec(name)?.[1];
  return digits === undefined ? 0 : Number(digits);
}

/** The highest ticket's number, 0 where there is none. */
function newestTicket(folder: string): number {
  return readdirSync(folder).reduce((newest, name) => Math.max(newest, ticketNumber(name)), 0);
}

/** Who holds a ticket; undefined when it was given back, was swept away, or lost its content in a power cut. */
function readTicket(folder: string, number: number): ProcessMark | undefined {
  if (number === 0) return undefined;
  try {
    return parseProcessMark(readFileSync(ticketPath(folder, number), "utf8"));
  } catch (error) {
    if (systemCode(error) === "ENOENT") return undefined;
    throw error;
  }
}

/** False when another process was faster. */
function makeTicket(folder: string, number: number): boolean {
  const path = ticketPath(folder, number);
  const temporary = temporaryBeside(path);
  try {
    writeFileSync(temporary, `${JSON.stringify(thisProcess())}\n`, { flag: "wx", mode: 0o600 });
    linkSync(temporary, path);
    return true;
  } catch (error) {
    // EEXIST: the number is taken. ENOENT: the winner has swept the temporary file away.
    if (systemCode(error) === "EEXIST" || systemCode(error) === "ENOENT") return false;
    throw error;
  } finally {
    remove(temporary);
  }
}

/** Removes older tickets and what interrupted writes left; whoever writes here holds the lock, so none goes on. */
function sweep(folder: string, mine: number): void {
  for (const name of readdirSync(folder)) {
    const number = ticketNumber(name);
    if (isTemporary(name) || (number > 0 && number < mine)) remove(join(folder, name));
  }
}

function remove(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (systemCode(error) !== "ENOENT") throw error;
  }
}
