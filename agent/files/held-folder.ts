import { closeSync, constants, fstatSync, openSync, readlinkSync, type Stats } from "node:fs";
import { TetherError } from "../../protocol/index.ts";
import { type Folder, type SyncPace, syncDescriptor } from "../../transfer/index.ts";

/** Of all flags the one that matters is O_NOFOLLOW: the last name of what is opened is never a link. */
const FOLDER_FLAGS = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;

/** Where the kernel says that the root is. */
export class RootPlace {
  readonly #descriptor: number;
  #path = "";

  constructor(descriptor: number) {
    this.#descriptor = descriptor;
  }

  /** As it was when {@link look} was last called. */
  get path(): string {
    return this.#path;
  }

  /** As it is now. */
  look(): string {
    this.#path = readlinkSync(`/proc/self/fd/${this.#descriptor}`);
    return this.#path;
  }
}

/**
 * A folder inside the root, held by its descriptor.
 *
 * Node has no openat(2). On Linux `/proc/self/fd/N/NAME` is the same: the kernel goes from the descriptor to the
 * name without looking at any path, so whatever is renamed or replaced meanwhile, the folder stays the one that
 * was opened.
 */
export class HeldFolder implements Folder {
  readonly #descriptor: number;
  readonly #root: RootPlace;
  #key: string | undefined;
  #closed = false;

  /** Takes over the descriptor. */
  constructor(descriptor: number, root: RootPlace) {
    this.#descriptor = descriptor;
    this.#root = root;
  }

  /** The folder of a descriptor, by another descriptor of its own. */
  static open(descriptor: number, root: RootPlace): HeldFolder {
    return new HeldFolder(openSync(`/proc/self/fd/${descriptor}/.`, FOLDER_FLAGS), root);
  }

  get self(): string {
    if (this.#closed) throw new TetherError("internal", "a folder was used after it was closed");
    return `/proc/self/fd/${this.#descriptor}`;
  }

  path(name: string): string {
    return `${this.self}/${name}`;
  }

  /** A path like {@link path}, of a name that need not be UTF-8. */
  rawPath(name: Buffer): Buffer {
    return Buffer.concat([Buffer.from(`${this.self}/`, "latin1"), name]);
  }

  enter(name: string): HeldFolder {
    return new HeldFolder(openSync(this.path(name), FOLDER_FLAGS), this.#root);
  }

  /** Opens a folder like {@link enter}, whose name need not be UTF-8. */
  enterRaw(name: Buffer): HeldFolder {
    return new HeldFolder(openSync(this.rawPath(name), FOLDER_FLAGS), this.#root);
  }

  stat(): Stats {
    if (this.#closed) throw new TetherError("internal", "a folder was used after it was closed");
    return fstatSync(this.#descriptor);
  }

  verify(): void {
    const place = readlinkSync(this.self);
    if (isWithin(place, this.#root.path) || isWithin(place, this.#root.look())) return;
    throw new TetherError("forbidden", "its folder has been moved out of the files' root");
  }

  key(): string {
    if (this.#key === undefined) {
      const { dev, ino } = this.stat();
      this.#key = `${dev}:${ino}`;
    }
    return this.#key;
  }

  sync(pace?: SyncPace): Promise<void> {
    return syncDescriptor(this.#descriptor, pace);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    closeSync(this.#descriptor);
  }
}

/** True when `path` is `folder` or lies below it. */
export function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder === "/" ? folder : `${folder}/`);
}
