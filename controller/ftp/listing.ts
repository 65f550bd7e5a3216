import type { RemoteEntry } from "../shell/backend.ts";

/** Reads an MLSD listing (RFC 3659 §7); `.` and `..` and lines that are none are left out. */
export function readFactsListing(text: string): RemoteEntry[] {
  return lines(text).flatMap((line) => readFacts(line) ?? []);
}

/** Reads one line of facts, of MLSD or MLST: `type=file;size=12;modify=20240101000000; name`. */
export function readFacts(line: string): RemoteEntry | undefined {
  const end = line.indexOf(" ");
  if (end === -1) return undefined;
  const facts = new Map<string, string>();
  for (const fact of line.slice(0, end).split(";")) {
    const equals = fact.indexOf("=");
    if (equals > 0) facts.set(fact.slice(0, equals).toLowerCase(), fact.slice(equals + 1));
  }
  const kind = facts.get("type")?.toLowerCase() ?? "";
  if (kind === "cdir" || kind === "pdir") return undefined;
  const modified = readTime(facts.get("modify") ?? "");
  const mode = facts.get("unix.mode");
  return {
    name: line.slice(end + 1),
    type:
      kind === "file" ? "file" : kind === "dir" ? "directory" : kind.includes("link") ? "symlink" : "other",
    size: readSize(facts.get("size")),
    ...(modified !== undefined && { modified }),
    ...(mode !== undefined && { mode: mode.padStart(4, "0") }),
  };
}

/** What is no number of bytes counts as none. */
function readSize(text = ""): number {
  const size = /^\d+$/.test(text) ? Number(text) : 0;
  return Number.isSafeInteger(size) ? size : 0;
}

/** RFC 3659 §2.3: `YYYYMMDDHHMMSS[.sss]` in UTC, as ISO 8601. */
export function readTime(text: string): string | undefined {
  const match = /^(\d{4})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})(\.\d+)?$/.exec(text.trim());
  if (match === null) return undefined;
  const [, year, month, day, hour, minute, second, fraction = ""] = match;
  const time = new Date(`${year}-${month}-${day}T${hour}:${minute}:${second}${fraction.slice(0, 4)}Z`);
  return Number.isNaN(time.getTime()) ? undefined : time.toISOString();
}

/** Reads a LIST listing as servers without MLSD give it: that of Unix's `ls -l`, or that of DOS. */
export function readPlainListing(text: string): RemoteEntry[] {
  return lines(text).flatMap((line) => readUnix(line) ?? readDos(line) ?? []);
}

/** `drwxr-xr-x 2 owner group 4096 Jan  1 12:00 name`, with or without the group. */
function readUnix(line: string): RemoteEntry | undefined {
  const match =
    /^([-dlbcps])([-rwxsStT]{9})[.+@]?\s+\d+\s+\S+(?:\s+\S+)?\s+(\d+)\s+(?:[A-Za-z]{3}\s+\d{1,2}|\d{4}-\d{2}-\d{2})\s+(?:\d{1,2}:\d{2}|\d{4}) (.+)$/.exec(
      line,
    );
  if (match === null) return undefined;
  const [, kind = "", rights = "", size = "0", rest = ""] = match;
  const name = kind === "l" ? rest.replace(/ -> .*$/, "") : rest;
  if (name === "." || name === "..") return undefined;
  const type = kind === "d" ? "directory" : kind === "l" ? "symlink" : kind === "-" ? "file" : "other";
  return { name, type, size: readSize(size), mode: modeOf(rights) };
}

/** `01-31-24  03:15PM  <DIR>  name`, or a size in place of `<DIR>`. */
function readDos(line: string): RemoteEntry | undefined {
  const match = /^\d{2}-\d{2}-\d{2,4}\s+\d{1,2}:\d{2}(?:[AP]M)?\s+(<DIR>|\d+)\s+(.+)$/.exec(line);
  if (match === null) return undefined;
  const [, size = "", name = ""] = match;
  return size === "<DIR>"
    ? { name, type: "directory", size: 0 }
    : { name, type: "file", size: readSize(size) };
}

/** `rwxr-xr-x` as four octal digits. */
function modeOf(rights: string): string {
  let mode = 0;
  for (const [index, letter] of [...rights].entries()) {
    if (letter !== "-" && letter !== "S" && letter !== "T") mode |= 0o400 >> index;
  }
  return `0${mode.toString(8).padStart(3, "0")}`;
}

function lines(text: string): string[] {
  return text.split(/\r?\n/).filter((line) => line !== "");
}
