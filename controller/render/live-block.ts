import type { Writable } from "node:stream";

/** What a terminal tells of itself. */
export type Terminal = Writable & { readonly columns?: number; readonly rows?: number };

// xterm's control sequences; a terminal that does not know one skips it.
const HOLD = "\x1b[?2026h";
const RELEASE = "\x1b[?2026l";
const NO_WRAP = "\x1b[?7l";
const WRAP = "\x1b[?7h";
const HIDE_CURSOR = "\x1b[?25l";
const SHOW_CURSOR = "\x1b[?25h";
const CLEAR_LINE = "\x1b[K";
const CLEAR_BELOW = "\x1b[J";

/** Lines at the end of a terminal that are redrawn in place, each time by one write. */
export class LiveBlock {
  readonly #terminal: Terminal;
  readonly #restore = () => this.end();
  #height = 0;
  #begun = false;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  /** Columns of the terminal. */
  get columns(): number {
    return this.#terminal.columns ?? 80;
  }

  /** Shows these lines in place of the last ones; what is beyond the terminal's last line is left out. */
  draw(lines: readonly string[]): void {
    if (!this.#begun) {
      this.#begun = true;
      process.once("exit", this.#restore);
    }
    // The cursor stands below the block, which takes a line too.
    const shown = lines.slice(0, Math.max(1, this.rows - 1));
    const back = this.#height > 0 ? `\x1b[${this.#height}A` : "";
    const text = shown.map((line) => `${line}${CLEAR_LINE}\n`).join("");
    this.#terminal.write(`${HOLD}${HIDE_CURSOR}${NO_WRAP}\r${back}${text}${CLEAR_BELOW}${WRAP}${RELEASE}`);
    this.#height = shown.length;
  }

  /** Rows of the terminal. */
  get rows(): number {
    return this.#terminal.rows ?? 24;
  }

  /** Takes the block away, so that other lines can stand there; the next {@link draw} puts it below them. */
  clear(): void {
    if (this.#height > 0) this.#terminal.write(`\r\x1b[${this.#height}A${CLEAR_BELOW}`);
    this.#height = 0;
  }

  /** Leaves the last lines where they are and gives the cursor back. */
  end(): void {
    if (!this.#begun) return;
    this.#begun = false;
    process.off("exit", this.#restore);
    this.#terminal.write(SHOW_CURSOR);
  }
}
