import { lstatSync, readlinkSync } from "node:fs";
import { FILES } from "../../../protocol/index.ts";
import { entryError, type Folder } from "../../../transfer/index.ts";
import type { Entry, Files } from "../../files/index.ts";
import type { Listed } from "./listing.ts";

/** What a path leads to, links followed within the root. Throws `not-found` for nothing. */
export function factsOf(files: Files, path: string): Pick<Entry, "type" | "size" | "modified" | "mode"> {
  const { folder, name } = files.source(path).open();
  try {
    const facts = name === "" ? folder.stat() : lstatSync(folder.path(name));
    return {
      type: facts.isDirectory() ? "directory" : facts.isFile() ? "file" : "other",
      size: facts.size,
      modified: facts.mtime.toISOString(),
      mode: (facts.mode & 0o7777).toString(8).padStart(4, "0"),
    };
  } catch (error) {
    throw entryError("read", path, error);
  } finally {
    folder.close();
  }
}

/** The entries of a folder, or a file itself, some at a time. Throws as {@link Files.list}. */
export async function* entriesOf(files: Files, path: string, signal: AbortSignal): AsyncGenerator<Listed[]> {
  for (let after = ""; ; ) {
    const page = await files.list(path, after, signal);
    yield withTargets(files, path, page);
    const last = page.at(-1);
    if (last === undefined || page.length < FILES.listed) return;
    after = last.name;
  }
}

function withTargets(files: Files, path: string, page: readonly Entry[]): Listed[] {
  if (!page.some(({ type }) => type === "symlink")) return [...page];
  const { folder } = files.source(path).open();
  try {
    return page.map((entry) =>
      entry.type === "symlink" ? { ...entry, target: targetOf(folder, entry.name) } : entry,
    );
  } finally {
    folder.close();
  }
}

function targetOf(folder: Folder, name: string): string | undefined {
  try {
    return readlinkSync(folder.path(name));
  } catch {
    // It is another thing by now.
    return undefined;
  }
}
