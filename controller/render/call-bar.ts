import type { Writable } from "node:stream";
import type { CallProgress } from "../../protocol/index.ts";
import { plain } from "./table.ts";

/** A terminal that a line can be drawn on again and again. */
type Terminal = Writable & { readonly isTTY?: boolean; readonly columns?: number };

/** Characters of the bar. */
const WIDTH = 24;

/** The progress of a call, on a terminal; on anything else nothing. */
export class CallBar {
  readonly #terminal: () => Terminal;
  #drawn = false;

  /** `terminal` is asked for when there is something to draw. */
  constructor(terminal: () => Terminal) {
    this.#terminal = terminal;
  }

  /** A terminal that does not tell its width, or tells none, has 80 columns. */
  draw(progress: CallProgress): void {
    const terminal = this.#terminal();
    if (terminal.isTTY !== true) return;
    terminal.write(`\r${callLine(progress, terminal.columns || 80)}\x1b[K`);
    this.#drawn = true;
  }

  /** Takes the bar away, so that a line of results can stand there. */
  clear(): void {
    if (this.#drawn) this.#terminal().write("\r\x1b[K");
    this.#drawn = false;
  }
}

/** One line of fewer than `columns` characters: a bar where the total is known, and what the procedure says. */
export function callLine({ done, total, note }: CallProgress, columns: number): string {
  const share = total === undefined || total <= 0 ? undefined : Math.min(1, Math.max(0, done / total));
  const full = Math.floor((share ?? 0) * WIDTH);
  const bar =
    share === undefined
      ? String(done)
      : `[${"#".repeat(full)}${".".repeat(WIDTH - full)}] ${Math.floor(share * 100)} %`;
  return [...`${bar}${note === undefined ? "" : `  ${plain(note)}`}`].slice(0, columns - 1).join("");
}
