import { asTetherError, globMatcher, TetherError, TRANSFER } from "../../protocol/index.ts";
import type { Client } from "../client.ts";
import { listFolder } from "./list.ts";

const PATTERN = /[*?[]/;

/**
 * The paths on an agent that are meant: a path with `*`, `?` or `[…]` stands for all that fit it, in order, unless
 * something there has that very name.
 *
 * @throws TetherError `not-found` for a pattern that nothing fits, `limit` for one that too much does
 */
export async function expandPaths(
  client: Client,
  paths: readonly string[],
  signal: AbortSignal,
): Promise<readonly string[]> {
  if (!paths.some((path) => PATTERN.test(path))) return paths;
  const all: string[] = [];
  for (const path of paths) {
    const isPlain = !PATTERN.test(path) || (await exists(client, path, signal));
    all.push(...(isPlain ? [path] : await fitting(client, path, signal)));
    if (all.length > TRANSFER.sources) {
      throw new TetherError(
        "limit",
        `${path} stands for too much; allowed: ${TRANSFER.sources} paths at once`,
      );
    }
  }
  return all;
}

async function fitting(client: Client, pattern: string, signal: AbortSignal): Promise<string[]> {
  let found = [pattern.startsWith("/") ? "/" : ""];
  for (const [index, name] of pattern.split("/").entries()) {
    if (name === "") continue;
    const isLast = index === pattern.split("/").length - 1;
    const next: string[] = [];
    for (const folder of found) {
      if (PATTERN.test(name)) next.push(...(await namesIn(client, folder, name, isLast, signal)));
      else if (!isLast || (await exists(client, folder + name, signal))) next.push(folder + name);
      if (next.length > TRANSFER.sources) {
        throw new TetherError("limit", `${pattern} stands for more than ${TRANSFER.sources} paths`);
      }
    }
    found = isLast ? next : next.map((path) => `${path}/`);
  }
  if (found.length > 0) return found;
  throw new TetherError("not-found", `nothing there fits ${pattern}`);
}

/** What in a folder fits a pattern of one name; where more is to follow, only what may be a folder. */
async function namesIn(
  client: Client,
  folder: string,
  pattern: string,
  isLast: boolean,
  signal: AbortSignal,
): Promise<string[]> {
  const fits = globMatcher(pattern);
  try {
    const entries = await listFolder(client, folder || "/", signal);
    return (entries as { name: string; type: string }[])
      .filter(({ name, type }) => fits(name) && (isLast || type === "directory" || type === "symlink"))
      .map(({ name }) => folder + name);
  } catch (thrown) {
    // A name on the way that is no folder, or that nobody may read, has nothing in it that fits.
    const { code } = asTetherError(thrown);
    if (code === "not-found" || code === "invalid" || code === "forbidden") return [];
    throw thrown;
  }
}

async function exists(client: Client, path: string, signal: AbortSignal): Promise<boolean> {
  try {
    await client.call("files.stat", [path], { signal });
    return true;
  } catch (thrown) {
    if (asTetherError(thrown).code === "not-found") return false;
    throw thrown;
  }
}
