import { closeSync, constants, fstatSync, mkdirSync, openSync, readlinkSync } from "node:fs";
import { FILES, TetherError } from "../../protocol/index.ts";
import { entryError, splitPath, systemCode } from "../../transfer/index.ts";
import { HeldFolder, isWithin, RootPlace } from "./held-folder.ts";

/** Something in the root, which may not be there. */
export interface Place {
  /** The folder that it lies in; whoever asked closes it. */
  readonly folder: HeldFolder;
  /** Its name there; empty for the folder itself. */
  readonly name: string;
  /** The names from the root to it, without links. */
  readonly names: readonly string[];
}

/** How far a path has been gone. */
interface Way {
  folder: HeldFolder;
  /** The names gone so far, none of them a link. */
  names: string[];
  /** The names still to go. */
  ahead: string[];
  links: number;
}

/**
 * The folder whose contents are served, and the one way to anything in it.
 *
 * A path is gone name by name, each opened from the descriptor of the one before and never through a link. A
 * symbolic link is read and its names are gone the same way, so that one to another place in the root works and
 * one that leads out cannot.
 */
export class FileRoot {
  readonly #path: string;
  #open: { readonly descriptor: number; readonly place: RootPlace } | undefined;

  /** `path` is the root's; it is made when it is not there. */
  constructor(path: string) {
    this.#path = path;
  }

  /** Opens the root. Throws what stands in the way. */
  open(): void {
    try {
      mkdirSync(this.#path, { recursive: true, mode: 0o700 });
      const descriptor = openSync(this.#path, constants.O_RDONLY | constants.O_DIRECTORY);
      this.#open = { descriptor, place: new RootPlace(descriptor) };
      this.#open.place.look();
    } catch (error) {
      throw entryError("open", this.#path, error);
    }
  }

  close(): void {
    if (this.#open !== undefined) closeSync(this.#open.descriptor);
    this.#open = undefined;
  }

  /** The root itself; whoever asked closes it. */
  folder(): HeldFolder {
    const { descriptor, place } = this.#opened();
    return HeldFolder.open(descriptor, place);
  }

  /**
   * A folder of the root by the path that the system has for it, no link followed; whoever asked closes it.
   *
   * @throws TetherError `forbidden` for a path that is not inside, or what the system says
   */
  folderAt(systemPath: string): HeldFolder {
    const root = this.#opened().place.look();
    if (!isWithin(systemPath, root)) throw leadsOut(systemPath);
    return this.#below(
      systemPath
        .slice(root.length)
        .split("/")
        .filter((name) => name !== ""),
    );
  }

  /**
   * What a path leads to, links followed. `/` and an empty path are the root.
   *
   * @throws TetherError `invalid` for what is no path, `forbidden` for one that leads out of the root,
   * `not-found` when a folder on the way is not there
   */
  find(path: string): Place {
    return this.#walk(path, true);
  }

  /** Like {@link find}, but the path's last name is not followed when it is a link. */
  locate(path: string): Place {
    return this.#walk(path, false);
  }

  #walk(path: string, followLast: boolean): Place {
    const ahead = splitPath(path);
    const way: Way = { folder: this.folder(), names: [], ahead, links: 0 };
    try {
      for (let name = way.ahead.shift(); name !== undefined; name = way.ahead.shift()) {
        if (name === "..") {
          this.#goUp(way, path);
        } else if (way.ahead.length === 0 && !followLast) {
          return { folder: way.folder, name, names: [...way.names, name] };
        } else if (!this.#goDown(way, name, path)) {
          return { folder: way.folder, name, names: [...way.names, name] };
        }
      }
      if (followLast || way.names.length === 0) return { folder: way.folder, name: "", names: way.names };
      // The path ended in `..`: the folder's own name is what was meant.
      const names = [...way.names];
      const name = names.at(-1) as string;
      this.#goUp(way, path);
      return { folder: way.folder, name, names };
    } catch (error) {
      way.folder.close();
      throw entryError("find", path, error);
    }
  }

  /** Goes into a folder, or turns where a link points; false when the way's last name is something else. */
  #goDown(way: Way, name: string, path: string): boolean {
    try {
      const next = way.folder.enter(name);
      way.folder.close();
      way.folder = next;
      way.names.push(name);
      return true;
    } catch (error) {
      const code = systemCode(error);
      const isLast = way.ahead.length === 0;
      if (code === "ENOENT" && isLast) return false;
      if (code !== "ENOTDIR" && code !== "ELOOP") throw error;
      const target = linkTarget(way.folder, name);
      if (target === undefined) {
        if (isLast) return false;
        throw error;
      }
      this.#turn(way, target, path);
      return true;
    }
  }

  #turn(way: Way, target: string, path: string): void {
    if (++way.links > FILES.links) {
      throw new TetherError("invalid", `${path}: more than ${FILES.links} symbolic links on the way`);
    }
    if (target.startsWith("/")) {
      const root = this.#opened().place.look();
      if (!isWithin(target, root)) throw leadsOut(path);
      way.folder.close();
      way.folder = this.folder();
      way.names = [];
      way.ahead.unshift(...splitPath(target.slice(root.length)));
    } else {
      way.ahead.unshift(...splitPath(target));
    }
    // Each link may double what is ahead.
    if (way.ahead.length > FILES.pathBytes)
      throw new TetherError("invalid", `${path}: the links on the way are too long`);
  }

  /** Goes up by going down again from the root: the folder's own `..` may be anywhere by now. */
  #goUp(way: Way, path: string): void {
    if (way.names.length === 0) throw leadsOut(path);
    way.names.pop();
    const folder = this.#below(way.names);
    way.folder.close();
    way.folder = folder;
  }

  /** The folder that those names lead to, none of them by way of a link. */
  #below(names: readonly string[]): HeldFolder {
    let folder = this.folder();
    try {
      for (const name of names) {
        const next = folder.enter(name);
        folder.close();
        folder = next;
      }
    } catch (error) {
      folder.close();
      throw error;
    }
    return folder;
  }

  #opened(): { readonly descriptor: number; readonly place: RootPlace } {
    // Somebody has removed it: the path may lead to another one by now.
    if (this.#open !== undefined && fstatSync(this.#open.descriptor).nlink === 0) {
      this.close();
      this.open();
    }
    if (this.#open === undefined) throw new TetherError("internal", "the files' root is not open");
    return this.#open;
  }
}

function linkTarget(folder: HeldFolder, name: string): string | undefined {
  try {
    return readlinkSync(folder.path(name));
  } catch (error) {
    // EINVAL: it is there and is no link (readlink(2)).
    if (systemCode(error) === "EINVAL" || systemCode(error) === "ENOENT") return undefined;
    throw error;
  }
}

function leadsOut(path: string): TetherError {
  return new TetherError("forbidden", `${path} leads out of the files' root`);
}
