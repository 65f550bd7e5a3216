import { type FSWatcher, readdirSync, watch } from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { TetherError } from "../../protocol/index.ts";
import { type Exclusions, isPartial, systemCode } from "../../transfer/index.ts";

/** Milliseconds without a change after which what has changed is looked at, and the longest wait for that. */
const QUIET = 40;
const LONGEST = 400;

/**
 * Sees when anything in a folder changes, or below it.
 *
 * Only macOS and Windows tell of all that is below a folder. On Linux each folder is watched, and Node's own
 * recursive watch is not used: it asks for each file, and misses folders that come and go.
 */
export class FolderWatch {
  readonly #path: string;
  readonly #excluded: Exclusions;
  readonly #isRecursive = process.platform === "darwin" || process.platform === "win32";
  /** By the path below the top. */
  readonly #watchers = new Map<string, FSWatcher>();
  #hasChanged = false;
  #tell: (() => void) | undefined;

  constructor(path: string, excluded: Exclusions) {
    this.#path = path;
    this.#excluded = excluded;
  }

  /**
   * Watches the folders that are there now, and forgets what has changed until now: whoever looks at the folder
   * after this misses nothing.
   *
   * @throws TetherError `limit` when the system watches no more folders, or what else it says
   */
  refresh(): void {
    this.#hasChanged = false;
    const present = new Set<string>();
    this.#refresh("", present);
    for (const [path, watcher] of this.#watchers) {
      if (present.has(path)) continue;
      watcher.close();
      this.#watchers.delete(path);
    }
  }

  /** Resolves when something has changed, and a moment without further changes has passed. */
  async changed(signal: AbortSignal): Promise<void> {
    if (!this.#hasChanged) await this.#next(signal);
    const end = performance.now() + LONGEST;
    do {
      this.#hasChanged = false;
      await wait(QUIET, undefined, { signal });
    } while (this.#hasChanged && performance.now() < end);
  }

  stop(): void {
    for (const watcher of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
  }

  #next(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const stop = () => reject(signal.reason);
      signal.addEventListener("abort", stop, { once: true });
      this.#tell = () => {
        signal.removeEventListener("abort", stop);
        resolve();
      };
      if (signal.aborted) stop();
    });
  }

  #refresh(path: string, present: Set<string>): void {
    present.add(path);
    if (!this.#watchers.has(path) && !this.#watch(path)) return;
    if (this.#isRecursive) return;
    for (const entry of readFolder(join(this.#path, path))) {
      const inner = path === "" ? entry.name : `${path}/${entry.name}`;
      if (entry.isDirectory() && !this.#excluded(inner, true)) this.#refresh(inner, present);
    }
  }

  /** False where the folder has gone meanwhile. */
  #watch(path: string): boolean {
    try {
      const watcher = watch(join(this.#path, path), { recursive: this.#isRecursive }, (_event, name) => {
        if (name !== null && this.#isIgnored(path, name)) return;
        // A folder that is no more there is watched anew when another one has its name.
        if (name === null || !this.#isRecursive) this.#forget(name === null ? path : `${path}/${name}`);
        this.#change();
      });
      watcher.on("error", () => {
        this.#forget(path);
        this.#change();
      });
      this.#watchers.set(path, watcher);
      return true;
    } catch (thrown) {
      const code = systemCode(thrown);
      if (path !== "" && (code === "ENOENT" || code === "ENOTDIR" || code === "EACCES")) return false;
      if (code !== "ENOSPC" && code !== "EMFILE") throw thrown;
      throw new TetherError("limit", `the system watches no more than ${this.#watchers.size} folders`, {
        hint: "raise fs.inotify.max_user_watches, or leave folders out with --exclude",
      });
    }
  }

  #isIgnored(path: string, name: string): boolean {
    if (isPartial(name)) return true;
    const inner = path === "" ? name : `${path}/${name}`;
    return this.#excluded(inner.replaceAll("\\", "/"), false);
  }

  #forget(path: string): void {
    const name = path.replace(/^\//, "");
    for (const [watched, watcher] of this.#watchers) {
      if (name === "" || (watched !== name && !watched.startsWith(`${name}/`))) continue;
      watcher.close();
      this.#watchers.delete(watched);
    }
  }

  #change(): void {
    this.#hasChanged = true;
    const tell = this.#tell;
    this.#tell = undefined;
    tell?.();
  }
}

function readFolder(path: string) {
  try {
    return readdirSync(path, { withFileTypes: true });
  } catch {
    // It has gone, or may not be read: the sync says so.
    return [];
  }
}
