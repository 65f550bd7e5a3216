import type { Folder } from "./folder.ts";

/** Folders that have been seen to be where they were, in this turn of the event loop. */
export class VerifiedFolders {
  readonly #seen = new Set<Folder>();

  /** Makes sure that a folder is still where it was, unless that was just done. Throws as `Folder.verify`. */
  verify(folder: Folder): void {
    if (this.#seen.has(folder)) return;
    folder.verify();
    this.#seen.add(folder);
  }

  /** Others have had their turn: what was seen may not be so any more. */
  forget(): void {
    this.#seen.clear();
  }
}
