import { closeSync, constants, lstatSync, openSync, type Stats, statSync } from "node:fs";
import { sep } from "node:path";
import { TetherError } from "../protocol/index.ts";
import { shown } from "./names.ts";
import { SyncPace } from "./sync-pace.ts";

/**
 * A folder that work is done in. On an agent it is held by its descriptor, so that nobody can put another in
 * its place; on a controller it is a path of the person's own.
 */
export interface Folder {
  /** A path of the folder itself that the system takes, good until {@link close}. */
  readonly self: string;
  /** A path of an entry that the system takes, good until {@link close}; the name has been checked. */
  path(name: string): string;
  /** Opens a folder inside, never by way of a link. Throws what the system says. */
  enter(name: string): Folder;
  /** What the system knows of the folder itself. */
  stat(): Stats;
  /** Throws `forbidden` when the folder is not where it was opened any more. */
  verify(): void;
  /** What tells the folder from every other one. */
  key(): string;
  /** Brings the folder's entries to the disk. Rejects with what the system says. */
  sync(pace?: SyncPace): Promise<void>;
  close(): void;
}

/** A folder on the controller's own disk. */
export class LocalFolder implements Folder {
  readonly self: string;

  constructor(path: string) {
    this.self = path;
  }

  path(name: string): string {
    // The name has been checked: nothing in it is to be resolved.
    return this.self + sep + name;
  }

  enter(name: string): LocalFolder {
    const path = this.path(name);
    const facts = lstatSync(path);
    if (facts.isSymbolicLink()) {
      throw new TetherError("exists", `${shown(path)} is a symbolic link, and no transfer goes through one`);
    }
    if (!facts.isDirectory()) throw new TetherError("exists", `${shown(path)} is not a folder`);
    return new LocalFolder(path);
  }

  stat(): Stats {
    return statSync(this.self);
  }

  verify(): void {}

  key(): string {
    return this.self;
  }

  async sync(pace?: SyncPace): Promise<void> {
    // Windows cannot open a folder to sync it.
    if (process.platform === "win32") return;
    const descriptor = openSync(this.self, constants.O_RDONLY | constants.O_DIRECTORY);
    try {
      await syncDescriptor(descriptor, pace);
    } finally {
      closeSync(descriptor);
    }
  }

  close(): void {}
}

/** Brings a file or folder to the disk. Rejects with what the system says. */
export async function syncDescriptor(descriptor: number, pace = new SyncPace()): Promise<void> {
  const failed = await pace.sync([descriptor]);
  if (failed.has(0)) throw failed.get(0);
}
