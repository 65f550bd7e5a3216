import { statfsSync } from "node:fs";
import { TetherError, TRANSFER } from "../protocol/index.ts";
import type { Folder } from "./folder.ts";

/** Room for one file that is being received. One of the two is called, once. */
export interface HeldRoom {
  /** The file is there now. */
  keep(): void;
  /** The file came to nothing. */
  drop(): void;
}

/** Who says whether there is room. */
export interface Room {
  /**
   * Holds room for a file of `size` bytes that will replace one of `replaced` bytes, and of which `present` bytes
   * are on the disk already.
   *
   * @throws TetherError `quota` when there is none
   */
  hold(folder: Folder, size: number, replaced: number, present: number): HeldRoom;
  /** A file of `size` bytes is gone. */
  removed(size: number): void;
  /** Looks again how much room there is; true when that may have changed what {@link hold} says. */
  refresh(): Promise<boolean>;
}

/** Room as far as the disk goes. */
export class DiskRoom implements Room {
  hold(folder: Folder, size: number, _replaced: number, present: number): HeldRoom {
    checkDisk(folder, size - present);
    return { keep() {}, drop() {} };
  }

  removed(): void {}

  async refresh(): Promise<boolean> {
    return false;
  }
}

/** Throws `quota` when the disk that the folder is on has fewer than `size` bytes left. */
export function checkDisk(folder: Folder, size: number): void {
  // Of a small file the write itself says it, and nothing is lost.
  if (size <= TRANSFER.smallFile) return;
  const { bavail, bsize } = statfsSync(folder.self);
  const free = bavail * bsize;
  if (size <= free) return;
  throw new TetherError("quota", `${size} bytes do not fit: the disk has ${free} bytes free`, {
    hint: "make room there, then try again",
  });
}
