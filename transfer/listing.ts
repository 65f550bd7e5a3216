import { type Dirent, lstatSync, readlinkSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { TetherError, TRANSFER } from "../protocol/index.ts";
import type { Exclusions } from "./exclusions.ts";
import type { Folder } from "./folder.ts";
import { isPartial } from "./names.ts";
import { systemCode } from "./private-files.ts";
import {
  atLeast,
  type EntryFacts,
  FACTS_BYTES,
  malformed,
  readFacts,
  readU64,
  text,
  writeFacts,
  writeU64,
} from "./record.ts";
import type { Turn } from "./turn.ts";

/** What one side has under a name. */
export type Listed =
  | ({ readonly kind: "file"; readonly name: string; readonly size: number } & EntryFacts)
  | ({ readonly kind: "folder"; readonly name: string } & EntryFacts)
  | { readonly kind: "link"; readonly name: string; readonly target: string }
  | { readonly kind: "other"; readonly name: string };

/** A folder as the receiving side has it. */
export interface ListedFolder {
  /** `other`: something else has its name. */
  readonly state: "missing" | "folder" | "other";
  /** The folder's own. */
  readonly facts: EntryFacts | undefined;
  /** In the order of JavaScript's strings. */
  readonly entries: Iterable<Listed>;
}

export interface ListingOptions {
  readonly excluded: Exclusions;
  readonly turn: Turn;
  /** Told of a name that cannot be looked at; the rest is listed. */
  readonly onUnreadable: (name: string, error: unknown) => void;
}

/** The path of a name in a folder; that of the top is empty. */
export function pathIn(folder: string, name: string): string {
  return folder === "" ? name : `${folder}/${name}`;
}

/**
 * What is in a folder, in the order of JavaScript's strings, without what is excluded and what is not whole yet.
 *
 * @param path of the folder below the top of what is synced
 */
export async function readListing(
  folder: Folder,
  path: string,
  { excluded, turn, onUnreadable }: ListingOptions,
): Promise<Listed[]> {
  const entries = await readdir(folder.self, { withFileTypes: true });
  entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  const listed: Listed[] = [];
  for (const entry of entries) {
    const { name } = entry;
    if (isPartial(name) || excluded(pathIn(path, name), entry.isDirectory())) continue;
    if (turn.isOver) await turn.rest();
    try {
      listed.push(listedEntry(folder, name, entry));
    } catch (error) {
      // What has gone meanwhile is not missed, but for a name that is not UTF-8 and came as another one.
      if (systemCode(error) !== "ENOENT" || name.includes("\ufffd")) onUnreadable(name, error);
    }
  }
  return listed;
}

/** One entry of a folder. Throws what the system says. */
export function listedEntry(folder: Folder, name: string, entry?: Dirent): Listed {
  const path = folder.path(name);
  if (entry?.isSymbolicLink()) return { kind: "link", name, target: readlinkSync(path) };
  const facts = lstatSync(path);
  const { mode, mtimeMs: modified } = facts;
  if (facts.isFile()) return { kind: "file", name, size: facts.size, mode, modified };
  if (facts.isDirectory()) return { kind: "folder", name, mode, modified };
  if (facts.isSymbolicLink()) return { kind: "link", name, target: readlinkSync(path) };
  return { kind: "other", name };
}

const STATES = ["missing", "folder", "other"] as const;
const KIND = { file: 1, folder: 2, link: 3, other: 4 } as const;

/** A listing as bytes: u8 state; of a folder its facts, then its entries. */
export function writeListing({ state, facts, entries }: ListedFolder): Buffer {
  let bytes = Buffer.allocUnsafe(4096);
  bytes[0] = STATES.indexOf(state);
  if (facts === undefined) return bytes.subarray(0, 1);
  writeFacts(bytes, 1, facts);
  let at = 1 + FACTS_BYTES;
  for (const one of entries) {
    const most = 16 + FACTS_BYTES + 3 * (one.name.length + (one.kind === "link" ? one.target.length : 0));
    if (at + most > bytes.length) {
      const larger = Buffer.allocUnsafe(2 * bytes.length + most);
      bytes.copy(larger, 0, 0, at);
      bytes = larger;
    }
    at = writeListed(bytes, at, one);
    if (at > TRANSFER.listingBytes) {
      throw new TetherError("limit", `a folder with more than ${TRANSFER.listingBytes} bytes of names`);
    }
  }
  return bytes.subarray(0, at);
}

/** An entry: u8 kind, u8 bytes of the name, name; of a file u64 size and facts, of a folder facts, of a link u16 bytes and target. */
function writeListed(bytes: Buffer, start: number, one: Listed): number {
  bytes[start] = KIND[one.kind];
  const length = bytes.write(one.name, start + 2, "utf8");
  bytes[start + 1] = length;
  const at = start + 2 + length;
  switch (one.kind) {
    case "file":
      writeU64(bytes, at, one.size);
      writeFacts(bytes, at + 8, one);
      return at + 8 + FACTS_BYTES;
    case "folder":
      writeFacts(bytes, at, one);
      return at + FACTS_BYTES;
    case "link": {
      const targetLength = bytes.write(one.target, at + 2, "utf8");
      bytes.writeUInt16BE(targetLength, at);
      return at + 2 + targetLength;
    }
    default:
      return at;
  }
}

/**
 * Reads what {@link writeListing} gives; the entries are read one by one as they are asked for.
 *
 * @throws TetherError `invalid` for anything else, also later, from the entries
 */
export function readListed(bytes: Buffer): ListedFolder {
  atLeast(bytes, 1);
  const state = STATES[bytes[0] as number];
  if (state === undefined) throw malformed();
  if (state !== "folder") return { state, facts: undefined, entries: [] };
  atLeast(bytes, 1 + FACTS_BYTES);
  return { state, facts: readFacts(bytes, 1), entries: readEntries(bytes, 1 + FACTS_BYTES) };
}

function* readEntries(bytes: Buffer, start: number): Generator<Listed> {
  let at = start;
  let last: string | undefined;
  while (at < bytes.length) {
    atLeast(bytes, at + 2);
    const kind = bytes[at];
    const end = at + 2 + (bytes[at + 1] as number);
    atLeast(bytes, end);
    const name = text(bytes.subarray(at + 2, end));
    // Whoever compares two lists goes through both in this order.
    if (last !== undefined && last >= name) throw malformed();
    last = name;
    if (kind === KIND.file) {
      at = end + 8 + FACTS_BYTES;
      atLeast(bytes, at);
      yield { kind: "file", name, size: readU64(bytes, end), ...readFacts(bytes, end + 8) };
    } else if (kind === KIND.folder) {
      at = end + FACTS_BYTES;
      atLeast(bytes, at);
      yield { kind: "folder", name, ...readFacts(bytes, end) };
    } else if (kind === KIND.link) {
      atLeast(bytes, end + 2);
      at = end + 2 + bytes.readUInt16BE(end);
      atLeast(bytes, at);
      yield { kind: "link", name, target: text(bytes.subarray(end + 2, at)) };
    } else if (kind === KIND.other) {
      at = end;
      yield { kind: "other", name };
    } else {
      throw malformed();
    }
  }
}
