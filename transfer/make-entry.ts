import { mkdirSync, renameSync, symlinkSync, unlinkSync } from "node:fs";
import { TetherError } from "../protocol/index.ts";
import type { Folder } from "./folder.ts";
import { systemCode } from "./private-files.ts";

/** Opens a folder in another. Throws `exists` when something else has its name. */
export function enterFolder(parent: Folder, name: string): Folder {
  try {
    return parent.enter(name);
  } catch (error) {
    if (systemCode(error) !== "ENOTDIR" && systemCode(error) !== "ELOOP") throw error;
    throw new TetherError("exists", "something of that name is there and is no folder", { cause: error });
  }
}

/** Makes a folder, for its owner alone as long as it is filled; true when it was not there. */
export function makeFolder(parent: Folder, name: string): boolean {
  try {
    mkdirSync(parent.path(name), 0o700);
    return true;
  } catch (error) {
    if (systemCode(error) === "EEXIST") return false;
    throw error;
  }
}

/** Makes a symbolic link by way of `partialName`, so that it replaces what has its name at once. */
export function makeLink(folder: Folder, name: string, target: string, partialName: string): void {
  const partial = folder.path(partialName);
  symlinkSync(target, partial);
  try {
    renameSync(partial, folder.path(name));
  } catch (error) {
    unlinkSync(partial);
    throw error;
  }
}

/** True for a link that names a place more than `above` folders up from its own. */
export function leadsOut(target: string, above: number): boolean {
  if (target === "" || target.startsWith("/") || /^[A-Za-z]:|\\/.test(target)) return true;
  let height = above;
  for (const name of target.split("/")) {
    if (name === "..") height--;
    else if (name !== "" && name !== ".") height++;
    if (height < 0) return true;
  }
  return false;
}
