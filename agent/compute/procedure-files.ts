import { readdir, readFile, realpath, stat } from "node:fs/promises";
import { join, sep } from "node:path";
import { pathToFileURL } from "node:url";
import { asTetherError, COMPUTE, TetherError } from "../../protocol/index.ts";

/** Write permission of the group and of everybody (inode(7)). */
const OTHERS_WRITE = 0o022;

/** A file of procedures as it lies there now. */
export interface ProcedureFile {
  readonly path: string;
  readonly url: string;
  /** What it says, or why it must not be run. */
  readonly text: string | TetherError;
}

/**
 * The `*.mjs` files of a folder, sorted by name; undefined where there is no such folder.
 *
 * A file that others than its owner can write, or that lies where files are served from, is no code to run.
 *
 * @throws TetherError when the folder cannot be read, or others can write it
 */
export async function readProcedureFiles(
  folder: string,
  filesRoot: string,
): Promise<ProcedureFile[] | undefined> {
  let names: string[];
  try {
    const { mode } = await stat(folder);
    if ((mode & OTHERS_WRITE) !== 0) {
      throw new TetherError(
        "forbidden",
        `${folder}: others can write this folder; allowed: mode 0755 or less`,
      );
    }
    names = await readdir(folder);
  } catch (thrown) {
    const error = asTetherError(thrown);
    if (error.code === "not-found") return undefined;
    throw error;
  }
  const root = await realpath(filesRoot).catch(() => filesRoot);
  const wanted = names.filter((name) => name.endsWith(".mjs") && !name.startsWith(".")).sort();
  let bytes = 0;
  const files: ProcedureFile[] = [];
  for (const name of wanted) {
    const path = join(folder, name);
    const url = pathToFileURL(path).href;
    try {
      if (files.length >= COMPUTE.files) {
        throw new TetherError("limit", `${path}: one file too many; allowed: ${COMPUTE.files}`);
      }
      const text = await readSource(path, root);
      bytes += text.length;
      if (bytes > COMPUTE.sourceBytes) {
        throw new TetherError(
          "limit",
          `${path}: the files have more than ${COMPUTE.sourceBytes} bytes together`,
        );
      }
      files.push({ path, url, text });
    } catch (thrown) {
      const error = asTetherError(thrown);
      // Removed since the folder was read.
      if (error.code !== "not-found") files.push({ path, url, text: error });
    }
  }
  return files;
}

async function readSource(path: string, root: string): Promise<string> {
  const place = await realpath(path);
  if (place.startsWith(root.endsWith(sep) ? root : `${root}${sep}`)) {
    throw new TetherError("forbidden", `${path}: lies inside files.root; allowed: a file outside of it`);
  }
  const facts = await stat(place);
  if (!facts.isFile()) throw new TetherError("invalid", `${path}: no file`);
  if ((facts.mode & OTHERS_WRITE) !== 0) {
    throw new TetherError("forbidden", `${path}: others can write this file; allowed: mode 0644 or less`);
  }
  if (facts.size > COMPUTE.fileBytes) {
    throw new TetherError("limit", `${path}: ${facts.size} bytes; allowed: up to ${COMPUTE.fileBytes}`);
  }
  return await readFile(place, "utf8");
}
