import type { Writable } from "node:stream";
import type { Progress } from "../../transfer/index.ts";
import { sizeText } from "./size.ts";
import { plain } from "./table.ts";

/** A terminal that a line can be drawn on again and again. */
type Terminal = Writable & { readonly isTTY?: boolean; readonly columns?: number };

/** Milliseconds between two looks. */
const INTERVAL = 100;
/** Milliseconds over which the rate is smoothed. */
const MEMORY = 3_000;

/**
 * Shows how far a transfer is, with its rate and the time left for the file and for the whole, on a terminal;
 * on anything else nothing. Gives what ends that.
 */
export function showProgress(terminal: Terminal, progress: Progress): () => void {
  if (terminal.isTTY !== true) return () => undefined;
  const rate = new Rate();
  let drawn = false;
  const draw = () => {
    rate.note(progress.bytes, performance.now());
    if (progress.name === "") return;
    const line = progressLine(progress, rate.perSecond, terminal.columns ?? 80);
    terminal.write(`\r${line}\x1b[K`);
    drawn = true;
  };
  const timer = setInterval(draw, INTERVAL);
  timer.unref();
  return () => {
    clearInterval(timer);
    if (drawn) terminal.write("\r\x1b[K");
  };
}

/** One line of at most `columns` characters; `rate` in bytes a second. */
export function progressLine(progress: Progress, rate: number, columns: number): string {
  const { name, size, done, total, bytes, files } = progress;
  const whole = total !== undefined && total.files > 1;
  const parts = [
    `${percent(done, size)} of ${sizeText(size)}`,
    `${sizeText(rate)}/s`,
    `${timeLeft(size - done, rate)} left`,
  ];
  if (whole) {
    parts.push(
      `${files}/${total.files} files, ${percent(bytes, total.bytes)}, ${timeLeft(total.bytes - bytes, rate)} left`,
    );
  }
  const facts = parts.join("  ");
  const room = Math.max(8, columns - facts.length - 3);
  const shown = [...plain(name)];
  const label = shown.length > room ? `…${shown.slice(shown.length - room + 1).join("")}` : shown.join("");
  return `${label}  ${facts}`.slice(0, columns - 1);
}

/** Bytes a second, where the last seconds count more than those before. */
export class Rate {
  #bytes = 0;
  #at: number | undefined;
  #rate: number | undefined;

  get perSecond(): number {
    return this.#rate ?? 0;
  }

  note(bytes: number, now: number): void {
    if (this.#at !== undefined && now > this.#at) {
      const elapsed = now - this.#at;
      const current = (Math.max(0, bytes - this.#bytes) * 1000) / elapsed;
      const weight = 1 - Math.exp(-elapsed / MEMORY);
      this.#rate = this.#rate === undefined ? current : this.#rate + weight * (current - this.#rate);
    }
    this.#bytes = bytes;
    this.#at = now;
  }
}

function percent(part: number, whole: number): string {
  return `${whole === 0 ? 100 : Math.min(100, Math.floor((part * 100) / whole))} %`;
}

function timeLeft(bytes: number, rate: number): string {
  if (bytes <= 0) return "0 s";
  if (rate <= 0) return "?";
  const seconds = Math.ceil(bytes / rate);
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
}
