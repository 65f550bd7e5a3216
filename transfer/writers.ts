import { TetherError } from "../protocol/index.ts";
import type { Folder } from "./folder.ts";

/** Who writes which name now, so that the second writer of one is told, and which partial files are not left over. */
export class Writers {
  readonly #names = new Set<string>();
  readonly #partials = new Set<string>();

  /** True while a partial file of this name is being written here. */
  isLive(partial: string): boolean {
    return this.#partials.has(partial);
  }

  /** Notes that a partial file is being written; gives what ends that. */
  begin(partial: string): () => void {
    this.#partials.add(partial);
    return () => this.#partials.delete(partial);
  }

  /** Takes a name; gives what gives it back. Throws `busy` when somebody has it. */
  claim(folder: Folder, name: string): () => void {
    const key = `${folder.key()}/${name}`;
    if (this.#names.has(key)) {
      throw new TetherError("busy", "it is being written by somebody else right now", {
        hint: "try again later",
      });
    }
    this.#names.add(key);
    return () => this.#names.delete(key);
  }
}
