import { constants, promises } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { globMatcher, PROGRAMS, TetherError } from "../../protocol/index.ts";

/** A file of a work folder. */
export interface ResultFile {
  /** From the work folder, with `/` between its names. */
  readonly path: string;
  readonly size: number;
  readonly mode: number;
  readonly handle: FileHandle;
}

/**
 * Opens, one after the other, the regular files below `folder` that one of the patterns fits, but for the one
 * named `except`; whoever takes them closes them. Links are never followed.
 *
 * @throws TetherError `limit` when there are more entries, files or bytes than `PROGRAMS` allows
 */
export async function* resultFiles(
  folder: string,
  patterns: readonly string[],
  except: string,
): AsyncGenerator<ResultFile> {
  const tests = patterns.map((pattern) => globMatcher(pattern));
  const bound = { entries: 0, files: 0, bytes: 0 };
  const folders = [""];
  for (let inner = folders.shift(); inner !== undefined; inner = folders.shift()) {
    for await (const entry of await promises.opendir(join(folder, inner))) {
      if (++bound.entries > PROGRAMS.entries) throw tooMuch(`${PROGRAMS.entries} entries`);
      const path = `${inner}${entry.name}`;
      if (entry.isDirectory()) folders.push(`${path}/`);
      if (!entry.isFile() || path === except || !tests.some((fits) => fits(path))) continue;
      const handle = await promises.open(join(folder, path), constants.O_RDONLY | constants.O_NOFOLLOW);
      const { size, mode } = await handle.stat();
      bound.bytes += size;
      if (++bound.files > PROGRAMS.fetchedFiles || bound.bytes > PROGRAMS.fetchedBytes) {
        await handle.close();
        throw tooMuch(`${PROGRAMS.fetchedFiles} files or ${PROGRAMS.fetchedBytes} bytes to fetch`);
      }
      yield { path, size, mode: mode & 0o777, handle };
    }
  }
}

function tooMuch(what: string): TetherError {
  return new TetherError("limit", `the work folder has more than ${what}`);
}
