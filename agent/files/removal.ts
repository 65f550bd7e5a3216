import { lstatSync, rmdirSync, unlinkSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { FILES, TetherError } from "../../protocol/index.ts";
import { entryError, isPartial, type Turn } from "../../transfer/index.ts";
import type { HeldFolder } from "./held-folder.ts";

/** What a removal needs. */
export interface RemovalOptions {
  readonly turn: Turn;
  readonly signal: AbortSignal;
  /** Told of every file that is gone, with its length. */
  readonly removed: (bytes: number) => void;
  /** Told of every partial file that is gone. */
  readonly removedPart: (partial: string) => void;
}

/**
 * Removes a folder and all below it; of a link only the link.
 *
 * @param path the folder as people know it
 * @throws TetherError what stands in the way; what was removed before stays so
 */
export async function removeTree(
  parent: HeldFolder,
  name: string,
  path: string,
  options: RemovalOptions,
): Promise<void> {
  await removeBelow(parent, Buffer.from(name, "utf8"), path, options, FILES.depth);
}

async function removeBelow(
  parent: HeldFolder,
  name: Buffer,
  path: string,
  options: RemovalOptions,
  depth: number,
): Promise<void> {
  if (depth === 0) {
    throw new TetherError("limit", `${path}: more than ${FILES.depth} folders inside each other`);
  }
  try {
    const folder = parent.enterRaw(name);
    try {
      await removeContents(folder, path, options, depth);
    } finally {
      folder.close();
    }
    rmdirSync(parent.rawPath(name));
  } catch (error) {
    throw entryError("remove", path, error);
  }
}

async function removeContents(
  folder: HeldFolder,
  path: string,
  options: RemovalOptions,
  depth: number,
): Promise<void> {
  const { turn, signal, removed, removedPart } = options;
  const entries = await readdir(folder.self, { encoding: "buffer", withFileTypes: true });
  folder.verify();
  for (const entry of entries) {
    if (turn.isOver) {
      await turn.rest();
      signal.throwIfAborted();
      folder.verify();
    }
    // Node's types know names as texts only.
    const name = entry.name as unknown as Buffer;
    const inner = `${path}/${name.toString("utf8")}`;
    if (isPartial(name.toString("utf8"))) {
      // The quota does not count those.
      removeFile(folder.rawPath(name), inner);
      removedPart(name.toString("utf8"));
    } else if (entry.isDirectory()) await removeBelow(folder, name, inner, options, depth - 1);
    else removed(removeFile(folder.rawPath(name), inner));
  }
}

/** Removes what is no folder; gives the bytes of a file, 0 for anything else. */
export function removeFile(systemPath: string | Buffer, path: string): number {
  try {
    const facts = lstatSync(systemPath);
    unlinkSync(systemPath);
    return facts.isFile() ? facts.size : 0;
  } catch (error) {
    throw entryError("remove", path, error);
  }
}
