import type { TetherError } from "../../protocol/index.ts";
import { LiveBlock, type Terminal } from "../render/live-block.ts";
import { sparkline } from "../render/sparkline.ts";
import { plain, table } from "../render/table.ts";
import { valueText } from "../render/value.ts";
import type { WatchedReading, WatchedState, WatchListener } from "./follow.ts";

/** Values kept for a sparkline: the columns of a wide screen. */
const HISTORY = 512;
/** Milliseconds between two frames at least: faster is a blur. */
const FRAME = 100;
/** Milliseconds after which ages are shown anew. */
const AGEING = 1_000;

interface Row {
  latest: WatchedReading | undefined;
  isStale: boolean;
  readonly history: number[];
}

/** Shows a device's readings in place, each with its value, its age and how it went. */
export class LiveView implements WatchListener {
  readonly #block: LiveBlock;
  readonly #device: string;
  readonly #rows = new Map<string, Row>();
  readonly #ageing: NodeJS.Timeout;
  #state: WatchedState = { state: "unknown", reason: null };
  #lost = 0;
  #connection: TetherError | undefined;
  #frame: NodeJS.Timeout | undefined;

  constructor(terminal: Terminal, device: string) {
    this.#block = new LiveBlock(terminal);
    this.#device = device;
    this.#ageing = setInterval(() => this.#change(), AGEING);
  }

  onSnapshot(state: WatchedState, readings: readonly string[]): void {
    this.#state = state;
    for (const name of [...this.#rows.keys()]) if (!readings.includes(name)) this.#rows.delete(name);
    for (const name of readings) {
      if (!this.#rows.has(name)) this.#rows.set(name, { latest: undefined, isStale: false, history: [] });
    }
    this.#change();
  }

  onReading(reading: WatchedReading): void {
    const row = this.#rows.get(reading.reading);
    if (!row) return;
    row.latest = reading;
    row.isStale = false;
    const number = numberOf(reading);
    if (number !== undefined) row.history.push(number);
    if (row.history.length > HISTORY) row.history.shift();
    this.#change();
  }

  onState(state: WatchedState): void {
    this.#state = state;
    this.#change();
  }

  onStale(reading: string): void {
    const row = this.#rows.get(reading);
    if (row) row.isStale = true;
    this.#change();
  }

  onLost(count: number): void {
    this.#lost += count;
    this.#change();
  }

  onConnection(lost: TetherError | undefined): void {
    this.#connection = lost;
    this.#change();
  }

  /** Draws what there is and gives the terminal back. */
  end(): void {
    clearInterval(this.#ageing);
    clearTimeout(this.#frame);
    if (this.#rows.size > 0) this.#draw();
    this.#block.end();
  }

  #change(): void {
    this.#frame ??= setTimeout(() => {
      this.#frame = undefined;
      this.#draw();
    }, FRAME);
  }

  #draw(): void {
    const { state, reason } = this.#state;
    const title = `${this.#device} is ${state}${reason === null ? "" : `: ${reason}`}`;
    const notes = [
      this.#lost > 0 ? [`${this.#lost} changes were lost: this side reads too slowly`] : [],
      this.#connection ? [`the connection is lost, trying again: ${this.#connection.message}`] : [],
    ].flat();
    const shown = [...this.#rows].map(([name, row]) => [name, shownValue(row), shownAge(row)]);
    const lines = table(["READING", "VALUE", "AGE", ""], [...shown.map((cells) => [...cells, "·"])]).split(
      "\n",
    );
    // Each row ends with the mark, where its sparkline begins.
    const start = [...(lines[1] ?? "·")].length - 1;
    const width = this.#block.columns - start;
    const rows = [...this.#rows.values()].map(
      ({ history }, index) =>
        [...(lines[index + 1] ?? "")].slice(0, start).join("") + sparkline(history, width),
    );
    this.#block.draw([...[title].map(plain), lines[0] ?? "", ...rows, ...notes.map(plain)]);
  }
}

function numberOf({ value }: WatchedReading): number | undefined {
  if (typeof value === "boolean") return value ? 1 : 0;
  return typeof value === "number" || typeof value === "bigint" ? Number(value) : undefined;
}

function shownValue({ latest }: Row): string {
  if (!latest) return "-";
  return valueText(latest.value) + (latest.unit === null ? "" : ` ${latest.unit}`);
}

function shownAge({ latest, isStale }: Row): string {
  if (!latest) return isStale ? "stale" : "";
  return ageText(latest) + (isStale ? ", stale" : "");
}

/** By the clock here: where the two clocks differ, never less than nothing. */
function ageText(latest: WatchedReading): string {
  const seconds = Math.max(0, Math.floor((Date.now() - Date.parse(latest.time)) / 1_000));
  if (seconds < 120) return `${seconds} s`;
  return seconds < 7_200 ? `${Math.floor(seconds / 60)} min` : `${Math.floor(seconds / 3_600)} h`;
}
