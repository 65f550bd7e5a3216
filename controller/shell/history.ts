import { join } from "node:path";
import { readPrivateFile, writePrivateFile } from "../../transfer/index.ts";

/** Lines remembered. */
const LINES = 1_000;

/** The shell's history, in a private file in the controller's folder. */
export class History {
  readonly #path: string;
  #lines: readonly string[];

  constructor(folder: string) {
    this.#path = join(folder, "history");
    this.#lines = (readPrivateFile(this.#path) ?? "").split("\n").filter((line) => line !== "");
  }

  /** Newest first, as `readline` wants it. */
  get lines(): string[] {
    return this.#lines.toReversed();
  }

  /** Remembers a line, unless it says what the last one said. */
  async add(line: string): Promise<void> {
    const text = line.trim();
    if (text === "" || text === this.#lines.at(-1)) return;
    this.#lines = [...this.#lines, text].slice(-LINES);
    await writePrivateFile(this.#path, `${this.#lines.join("\n")}\n`);
  }
}
