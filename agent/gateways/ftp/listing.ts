import type { Entry } from "../../files/index.ts";
import { printable } from "./reply.ts";

/** An entry, and what a symbolic link says. */
export interface Listed extends Entry {
  /** Where a symbolic link leads, as it says. */
  readonly target?: string | undefined;
}

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
/** Milliseconds after which `ls` shows the year in place of the time of day. */
const RECENT = 182 * 24 * 3_600_000;

/** A line of LIST, as `ls -l` writes it, with times in UTC; `now` in milliseconds since 1970. */
export function longLine(entry: Listed, now: number): string {
  const { name, type, size, mode, modified, target } = entry;
  const kind = { file: "-", directory: "d", symlink: "l", other: "-" }[type];
  const arrow = target === undefined ? "" : ` -> ${target}`;
  const facts = `${kind}${rights(mode)} 1 tether tether ${String(size).padStart(12)}`;
  return `${facts} ${listTime(modified, now)} ${printable(name)}${printable(arrow)}`;
}

function rights(mode: string): string {
  const bits = Number.parseInt(mode, 8);
  return Array.from("rwxrwxrwx", (letter, index) => (bits & (0o400 >> index) ? letter : "-")).join("");
}

function listTime(modified: string, now: number): string {
  const time = new Date(modified);
  const day = `${MONTHS[time.getUTCMonth()]} ${String(time.getUTCDate()).padStart(2)}`;
  const age = now - time.getTime();
  const isRecent = age > -3_600_000 && age < RECENT;
  return `${day} ${isRecent ? modified.slice(11, 16) : String(time.getUTCFullYear()).padStart(5)}`;
}

/** The facts that a client may choose from (RFC 3659 §7.5, and `UNIX.mode` as all servers have it). */
export const FACTS = ["type", "size", "modify", "perm", "UNIX.mode"] as const;
export type Fact = (typeof FACTS)[number];

/** A line of MLSD or MLST (RFC 3659 §7.2), without a line end. `writes`: the client may change things. */
export function factsLine(entry: Listed, facts: readonly Fact[], writes: boolean): string {
  const given = facts.flatMap((fact) => {
    const value = factOf(entry, fact, writes);
    return value === undefined ? [] : [`${fact}=${value};`];
  });
  return `${given.join("")} ${printable(entry.name)}`;
}

function factOf(entry: Listed, fact: Fact, writes: boolean): string | undefined {
  switch (fact) {
    case "type":
      return typeFact(entry);
    case "size":
      return entry.type === "file" ? String(entry.size) : undefined;
    case "modify":
      return timeValue(entry.modified);
    case "perm":
      if (entry.type === "directory") return writes ? "cdeflmp" : "el";
      return writes ? "adfrw" : "r";
    case "UNIX.mode":
      return entry.mode;
  }
}

/** RFC 3659 §7.5.1. */
function typeFact({ type, target }: Listed): string {
  if (type === "file") return "file";
  if (type === "directory") return "dir";
  if (type === "other") return "OS.unix=other";
  // What a target may hold would end the fact.
  return target === undefined || /[;\s]/.test(target) ? "OS.unix=symlink" : `OS.unix=slink:${target}`;
}

/** RFC 3659 §2.3: `YYYYMMDDHHMMSS.sss` in UTC. */
export function timeValue(modified: string): string {
  return modified.replace(/[-:TZ]/g, "");
}

/** True for a name with `*` or `?` in it. */
export function isPattern(name: string): boolean {
  return /[*?]/.test(name);
}

/** True when a name fits a pattern; one that begins with a dot only where the pattern does. Time: their product. */
export function fitsPattern(name: string, pattern: string): boolean {
  if (name.startsWith(".") && !pattern.startsWith(".")) return false;
  const letters = [...name];
  const wanted = [...pattern];
  let at = 0;
  let want = 0;
  /** The last `*`, and how much it stands for so far: only that one is ever tried again. */
  let star = -1;
  let starEnd = 0;
  while (at < letters.length) {
    if (wanted[want] === "*") {
      star = want++;
      starEnd = at;
    } else if (want < wanted.length && (wanted[want] === "?" || wanted[want] === letters[at])) {
      at++;
      want++;
    } else if (star >= 0) {
      want = star + 1;
      at = ++starEnd;
    } else {
      return false;
    }
  }
  return wanted.slice(want).every((letter) => letter === "*");
}
