import { lstatSync, mkdirSync, renameSync, rmdirSync, type Stats, statfsSync } from "node:fs";
import { FILES, TetherError, TRANSFER } from "../../protocol/index.ts";
import {
  entryError,
  type Received,
  type Receiver,
  type Source,
  systemCode,
  type Target,
  Turn,
  Writers,
} from "../../transfer/index.ts";
import { FileRoot, type Place } from "./file-root.ts";
import { Leftovers } from "./leftovers.ts";
import { Listings } from "./listings.ts";
import { Quota } from "./quota.ts";
import { removeFile, removeTree } from "./removal.ts";

/** An entry of a folder, as lists show it. A type, so that it is a JsonObject. */
export type Entry = {
  name: string;
  type: "file" | "directory" | "symlink" | "other";
  /** Bytes. */
  size: number;
  modified: string;
  mode: string;
};

/** How much room there is, in bytes. A type, so that it is a JsonObject. */
export type Space = {
  quota: number;
  used: number;
  /** What may still be written: what the quota leaves, or the disk if that is less. */
  free: number;
  disk: { total: number; free: number };
  /** What broken transfers have left: how many parts, and their bytes. They make room for whatever needs it. */
  leftovers: { files: number; bytes: number };
};

/** What a transfer to here is known by. */
export interface TransferNames {
  readonly transfer: string | undefined;
  readonly history: string | undefined;
}

/** Milliseconds between two looks whether leftovers are too old. */
const TIDY_INTERVAL = 600_000;

/** The files that an agent serves: everything in its root and nothing else. */
export class Files {
  /** Who writes which name. */
  readonly writers = new Writers();
  readonly leftovers = new Leftovers(this.writers, (place) => this.#root.folderAt(place));
  readonly room: Quota;
  #tidying: NodeJS.Timeout | undefined;
  readonly #root: FileRoot;
  readonly #listings = new Listings();
  /** Transfers under way; each settles when all that it held is closed. */
  readonly #transfers = new Set<Promise<unknown>>();
  /** Those under way that may come again. */
  readonly #known = new Map<string, Receiver>();

  /** `quota` in bytes. */
  constructor(root: string, quota: number) {
    this.#root = new FileRoot(root);
    this.room = new Quota(quota, () => this.#root.folder(), this.leftovers);
  }

  /** Opens the root and begins to measure it. Throws what stands in the way. */
  start(): void {
    this.#root.open();
    // What cannot be measured is said when somebody needs to know.
    this.room.measure().catch(() => undefined);
    this.#tidying = setInterval(() => this.leftovers.tidy(), TIDY_INTERVAL).unref();
  }

  /** Waits until no transfer holds anything any more, and closes the root. */
  async stop(): Promise<void> {
    clearInterval(this.#tidying);
    this.#listings.forget();
    await Promise.allSettled([...this.#transfers]);
    this.#root.close();
  }

  /**
   * The entries of a folder by name, at most {@link FILES.listed}, from the first after `after` on. Files that
   * are not whole are not among them.
   */
  async list(path: string, after = "", signal?: AbortSignal): Promise<Entry[]> {
    const place = this.#root.find(path);
    const { folder } = place;
    try {
      if (place.name !== "") {
        const entry = entryOf(place.name, statOf(place, path));
        return after === "" ? [entry] : [];
      }
      const wanted = await this.#listings.namesOf(folder, after).catch((error) => {
        throw entryError("list", path, error);
      });
      const entries: Entry[] = [];
      const turn = new Turn();
      for (const name of wanted) {
        if (turn.isOver) {
          await turn.rest();
          signal?.throwIfAborted();
        }
        const facts = lstatSync(folder.path(name), { throwIfNoEntry: false });
        if (facts !== undefined) entries.push(entryOf(name, facts));
      }
      return entries;
    } finally {
      folder.close();
    }
  }

  /** One entry; of a link, the link itself. */
  stat(path: string): Entry {
    const place = this.#root.locate(path);
    try {
      return entryOf(place.names.at(-1) ?? "/", statOf(place, path));
    } finally {
      place.folder.close();
    }
  }

  /** Makes a folder. Throws `exists` when something of that name is there. */
  makeFolder(path: string): void {
    this.#change("make", path, ({ folder, name }) => mkdirSync(folder.path(name)));
  }

  /** Removes an empty folder. */
  removeFolder(path: string): void {
    this.#change("remove", path, ({ folder, name }) => rmdirSync(folder.path(name)));
  }

  /** Removes a file, a link, or with `recursive` a folder and all below it. */
  async remove(path: string, recursive: boolean, signal: AbortSignal): Promise<void> {
    const place = this.#locateEntry(path);
    const { folder, name } = place;
    try {
      if (!statOf(place, path).isDirectory()) {
        this.room.changed(-removeFile(folder.path(name), path));
      } else if (recursive) {
        const removed = (bytes: number) => this.room.changed(-bytes);
        const removedPart = (partial: string) => this.leftovers.forget(partial);
        await removeTree(folder, name, path, { turn: new Turn(), signal, removed, removedPart });
      } else {
        throw new TetherError("invalid", `${path} is a folder`, {
          hint: "add -r to remove it with all that is in it",
        });
      }
      await folder.sync();
    } finally {
      folder.close();
    }
  }

  /**
   * Moves, within the root: into `to` when that is a folder, else to that name; a file there is replaced.
   * Gives the new path.
   */
  async move(from: string, to: string): Promise<string> {
    const source = this.#locateEntry(from);
    try {
      const facts = statOf(source, from);
      const target = this.#targetOf(to, source.names.at(-1) ?? "");
      try {
        const replaced = lstatSync(target.folder.path(target.name), { throwIfNoEntry: false });
        renameSync(source.folder.path(source.name), target.folder.path(target.name));
        const isSame = replaced?.ino === facts.ino && replaced.dev === facts.dev;
        if (replaced?.isFile() && !isSame) this.room.changed(-replaced.size);
        await target.folder.sync();
        await source.folder.sync();
        return `/${target.names.join("/")}`;
      } finally {
        target.folder.close();
      }
    } catch (error) {
      throw entryError("move", from, error);
    } finally {
      source.folder.close();
    }
  }

  /** How much room there is. */
  async space(): Promise<Space> {
    await this.room.refresh();
    const folder = this.#root.folder();
    try {
      const { blocks, bavail, bsize } = statfsSync(folder.self);
      const { limit, used } = this.room;
      const disk = { total: blocks * bsize, free: bavail * bsize };
      const { count, bytes } = this.leftovers;
      const free = Math.max(0, Math.min(limit - used, disk.free + bytes));
      return { quota: limit, used, free, disk, leftovers: { files: count, bytes } };
    } finally {
      folder.close();
    }
  }

  /** Something that a transfer reads. */
  source(path: string): Source {
    return {
      path,
      open: () => {
        const { folder, name, names } = this.#root.find(path);
        return { folder, name, base: names.at(-1) ?? "" };
      },
    };
  }

  /**
   * Where a transfer writes, as scp has it: into the target when that is a folder, else to that name.
   *
   * @param several true when more than one thing comes, for which it must be a folder
   * @param history the name of the transfer's, if it has one
   * @throws TetherError `not-found` or `exists` when the target does not fit
   */
  target(path: string, several: boolean, history?: string): Target {
    const made = history === undefined ? undefined : this.#madeBefore(path, history);
    if (made !== undefined) return made;
    const place = this.#root.find(path);
    const { folder, name, names } = place;
    const shownPath = names.length === 0 ? "" : `${names.join("/")}/`;
    if (name === "") return { folder, name: undefined, path: shownPath, above: names.length };
    try {
      const there = lstatSync(folder.path(name), { throwIfNoEntry: false });
      if (several || path.endsWith("/")) {
        throw there === undefined
          ? new TetherError("not-found", `there is no folder ${path}`, {
              hint: "make it with `tether mkdir`",
            })
          : new TetherError("exists", `${path} is not a folder`);
      }
      return { folder, name, path: shownPath.slice(0, -name.length - 1), above: names.length - 1 };
    } catch (error) {
      folder.close();
      throw entryError("write", path, error);
    }
  }

  /** The target of a transfer that broke after it had made the folder, which now does not stand for what is in it. */
  #madeBefore(path: string, history: string): Target | undefined {
    const place = this.#root.locate(path);
    const { folder, name, names } = place;
    const isMade =
      name !== "" &&
      lstatSync(folder.path(history), { throwIfNoEntry: false })?.isFile() === true &&
      lstatSync(folder.path(name), { throwIfNoEntry: false })?.isDirectory() === true;
    if (isMade) {
      const above = names.slice(0, -1);
      return { folder, name, path: above.length === 0 ? "" : `${above.join("/")}/`, above: above.length };
    }
    folder.close();
    return undefined;
  }

  /** Throws `busy` when no further transfer may start. */
  checkTransfers(): void {
    if (this.#transfers.size >= TRANSFER.atOnce) {
      throw new TetherError("busy", `${TRANSFER.atOnce} transfers are under way already`, {
        hint: "try again later",
      });
    }
  }

  /** Keeps {@link stop} waiting until `work` settles. */
  async follow<T>(work: Promise<T>): Promise<T> {
    this.#transfers.add(work);
    try {
      return await work;
    } finally {
      this.#transfers.delete(work);
    }
  }

  /**
   * Ends an earlier try of a transfer, whose connection may be lost without the agent knowing yet, and waits for
   * one that is ending.
   *
   * @param transfer what tells the transfer of one command from all others
   * @param history what the same command has in common whenever it runs
   */
  async endEarlier({ transfer, history }: TransferNames): Promise<void> {
    const reason = new TetherError("unreachable", "the controller has connected again");
    if (transfer !== undefined) await this.#known.get(transfer)?.abort(reason);
    const earlier = history === undefined ? undefined : this.#known.get(history);
    if (earlier?.isOver === true) await earlier.done.catch(() => undefined);
  }

  /** Waits for a receiver, which {@link endEarlier} can end meanwhile. */
  async known({ transfer, history }: TransferNames, receiver: Receiver): Promise<Received> {
    const names = [transfer, history].filter((name) => name !== undefined);
    for (const name of names) this.#known.set(name, receiver);
    try {
      return await receiver.done;
    } finally {
      for (const name of names) if (this.#known.get(name) === receiver) this.#known.delete(name);
    }
  }

  /** What is to be changed by its own name. Throws `forbidden` for the root itself. */
  #locateEntry(path: string): Place {
    const place = this.#root.locate(path);
    if (place.name !== "") return place;
    place.folder.close();
    throw new TetherError("forbidden", "the files' root itself stays as it is");
  }

  #targetOf(path: string, sourceName: string): Place {
    const place = this.#root.find(path);
    if (place.name !== "") {
      if (path.endsWith("/")) {
        place.folder.close();
        throw new TetherError("not-found", `there is no folder ${path}`);
      }
      return place;
    }
    return { folder: place.folder, name: sourceName, names: [...place.names, sourceName] };
  }

  #change(verb: string, path: string, work: (place: Place) => void): void {
    const place = this.#locateEntry(path);
    try {
      place.folder.verify();
      work(place);
    } catch (error) {
      throw entryError(verb, path, error);
    } finally {
      place.folder.close();
    }
  }
}

function statOf({ folder, name }: Place, path: string): Stats {
  try {
    return name === "" ? folder.stat() : lstatSync(folder.path(name));
  } catch (error) {
    if (systemCode(error) === "ENOENT") throw new TetherError("not-found", `there is no ${path}`);
    throw entryError("read", path, error);
  }
}

function entryOf(name: string, facts: Stats): Entry {
  return {
    name,
    type: typeOf(facts),
    size: facts.size,
    modified: facts.mtime.toISOString(),
    mode: (facts.mode & 0o7777).toString(8).padStart(4, "0"),
  };
}

function typeOf(facts: Stats): Entry["type"] {
  if (facts.isFile()) return "file";
  if (facts.isDirectory()) return "directory";
  return facts.isSymbolicLink() ? "symlink" : "other";
}
