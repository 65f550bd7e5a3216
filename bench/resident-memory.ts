import { readFileSync } from "node:fs";

/** What a process occupies, in bytes. */
export interface Memory {
  /** Its pages in memory, those that it shares with others included. */
  readonly rss: number;
  /** The same, but each shared page divided by those who share it. */
  readonly pss: number;
}

/** Reads it from Linux's `/proc/PID/smaps_rollup`. */
export function memoryOf(pid: number): Memory {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  const bytes = (name: string) => 1024 * Number(new RegExp(`^${name}: +(\\d+) kB$`, "m").exec(text)?.[1]);
  return { rss: bytes("Rss"), pss: bytes("Pss") };
}

/** Files and sockets that a process may have open. */
export function openFilesLimit(pid: number): number {
  const limit = /^Max open files +(\S+)/m.exec(readFileSync(`/proc/${pid}/limits`, "utf8"))?.[1];
  return limit === "unlimited" ? Number.POSITIVE_INFINITY : Number(limit);
}
