import { randomBytes } from "node:crypto";
import { TetherError } from "../protocol/index.ts";
import type { Folder } from "./folder.ts";
import { partialName } from "./names.ts";

/** A name that somebody writes. */
interface Claim {
  isEnding: boolean;
  /** Those that want it next. */
  readonly waiting: (() => void)[];
}

/** Who writes which name now, so that the second writer of one is told, and which partial files are not left over. */
export class Writers {
  readonly #names = new Map<string, Claim>();
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
    const key = keyOf(folder, name);
    if (this.#names.has(key)) {
      throw new TetherError("busy", "it is being written by somebody else right now", {
        hint: "try again later",
      });
    }
    const claim: Claim = { isEnding: false, waiting: [] };
    this.#names.set(key, claim);
    return () => {
      if (this.#names.get(key) === claim) this.#names.delete(key);
      for (const resolve of claim.waiting) resolve();
    };
  }

  /** Whoever has a name will give it back in a moment. */
  ending(folder: Folder, name: string): void {
    const claim = this.#names.get(keyOf(folder, name));
    if (claim !== undefined) claim.isEnding = true;
  }

  /** Resolves at once, or when whoever has a name, and has said that it is ending, has given it back. */
  freed(folder: Folder, name: string): Promise<void> {
    const claim = this.#names.get(keyOf(folder, name));
    return new Promise((resolve) => {
      if (claim?.isEnding === true) claim.waiting.push(resolve);
      else resolve();
    });
  }
}

function keyOf(folder: Folder, name: string): string {
  return `${folder.key()}/${name}`;
}
