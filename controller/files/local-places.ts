import { realpathSync, statSync } from "node:fs";
import { basename, dirname, join, resolve, sep } from "node:path";
import { TetherError } from "../../protocol/index.ts";
import { entryError, LocalFolder, type Source, type Target } from "../../transfer/index.ts";

/** Something here that is to be sent; a symbolic link stands for what it leads to. */
export function localSource(path: string): Source {
  return {
    path,
    open() {
      const real = realpathSync(path);
      const base = basename(resolve(path));
      // `.` and `..` are no names: what is in them goes without the folder.
      const isUnnamed = /(^|[/\\])\.{1,2}[/\\]?$/.test(path);
      if (statSync(real).isDirectory()) {
        return { folder: new LocalFolder(real), name: "", base: isUnnamed ? "" : base };
      }
      return { folder: new LocalFolder(dirname(real)), name: basename(real), base };
    },
  };
}

/**
 * Where something here is to be written, as scp has it: into `path` when that is a folder, else to that name.
 *
 * @param several true when more than one thing comes, for which it must be a folder
 * @param history the name of the transfer's, if it has one
 * @throws TetherError `not-found` or `exists` when the target does not fit
 */
export function localTarget(path: string, several: boolean, history?: string): Target {
  const whole = resolve(path);
  // After a transfer broke that had made the folder, it still stands for the one source.
  const isMade = history !== undefined && !several && kindOf(join(dirname(whole), history)) === "other";
  const kind = isMade ? "nothing" : kindOf(whole);
  const shown =
    path === "." || path === "" ? "" : path.endsWith("/") || path.endsWith(sep) ? path : `${path}/`;
  if (kind === "folder") return { folder: new LocalFolder(whole), name: undefined, path: shown, above: 0 };
  if (several || /[/\\]$/.test(path)) {
    throw kind === "nothing"
      ? new TetherError("not-found", `there is no folder ${path}`, { hint: "make it first" })
      : new TetherError("exists", `${path} is not a folder`);
  }
  const parent = dirname(whole);
  if (kindOf(parent) !== "folder") throw new TetherError("not-found", `there is no folder ${parent}`);
  const above = dirname(path);
  return {
    folder: new LocalFolder(parent),
    name: basename(whole),
    path: above === "." ? "" : `${above}/`,
    above: 0,
  };
}

function kindOf(path: string): "folder" | "other" | "nothing" {
  try {
    const facts = statSync(path, { throwIfNoEntry: false });
    if (facts === undefined) return "nothing";
    return facts.isDirectory() ? "folder" : "other";
  } catch (error) {
    throw entryError("read", path, error);
  }
}
