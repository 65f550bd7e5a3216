import { randomBytes } from "node:crypto";
import { TetherError } from "../protocol/index.ts";
import type { Folder } from "./folder.ts";
import { partialName } from "./names.ts";

/** Who writes which name now, so that the second writer of one is told, and which partial files are not left over. */
export class Writers {
  readonly #names = new Set<string>();
  readonly #partials = new Set<string>();
  /** What tells the partial files of these writers from those of all others. */
  readonly #mark = randomBytes(5).toString("hex");
  #made = 0;

  /** True while a partial file of this name is being written here. */
  isLive(partial: string): boolean {
    return this.#partials.has(partial);
  }

  /** A name for a partial file that no other one has. */
  freshName(): string {
    this.#made = (this.#made + 1) % 0x100_0000;
    return partialName(this.#mark + this.#made.toString(16).padStart(6, "0"));
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
