import { type FSWatcher, watch } from "node:fs";
import { COMPUTE } from "../../protocol/index.ts";

/** Hears of changes in a folder, also one that is not there yet, a little after the last of several. */
export class FolderWatch {
  readonly #folder: string;
  readonly #onChange: () => void;
  #watcher: FSWatcher | undefined;
  #looking: NodeJS.Timeout | undefined;
  #pause: NodeJS.Timeout | undefined;

  constructor(folder: string, onChange: () => void) {
    this.#folder = folder;
    this.#onChange = onChange;
  }

  start(): void {
    if (this.#open()) return;
    this.#look();
  }

  stop(): void {
    clearTimeout(this.#looking);
    clearTimeout(this.#pause);
    this.#close();
  }

  /** The folder may not be what is watched any more. */
  #again(): void {
    this.#close();
    if (!this.#open()) this.#look();
  }

  #look(): void {
    clearTimeout(this.#looking);
    this.#looking = setTimeout(() => {
      if (this.#open()) this.#onChange();
      else this.#look();
    }, COMPUTE.folderInterval).unref();
  }

  /** False when there is no such folder. */
  #open(): boolean {
    try {
      const watcher = watch(this.#folder, { persistent: false }, () => this.#changed());
      watcher.on("error", () => this.#again());
      this.#watcher = watcher;
      return true;
    } catch {
      return false;
    }
  }

  #close(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
  }

  #changed(): void {
    clearTimeout(this.#pause);
    this.#pause = setTimeout(() => {
      // A folder that was moved away and made anew has another watcher.
      this.#again();
      this.#onChange();
    }, COMPUTE.reloadDelay).unref();
  }
}
