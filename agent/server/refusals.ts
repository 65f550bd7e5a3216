import { REFUSALS } from "../../protocol/index.ts";
import type { Log, LogFacts } from "../log.ts";

/** What one address was refused in its present window. */
interface Tally {
  readonly since: number;
  lines: number;
  leftOut: number;
}

/** Everybody for whom there is no tally of their own. */
const OTHERS = "others";

/**
 * Logs what strangers are refused, without letting them fill the disk: the first refusals of an address are
 * lines of their own, those beyond are counted, and the count is a line when the window is over.
 */
export class Refusals {
  readonly #log: Log;
  readonly #tallies = new Map<string, Tally>();
  #window = { since: 0, lines: 0 };

  constructor(log: Log) {
    this.#log = log;
  }

  /** Writes a line or counts it; `now` in milliseconds of a steady clock. */
  note(event: string, message: string, facts: LogFacts & { readonly address: string }, now: number): void {
    this.tick(now);
    const tally = this.#tallyOf(facts.address, now);
    if (tally.lines >= REFUSALS.linesPerAddress || this.#window.lines >= REFUSALS.lines) {
      tally.leftOut++;
      return;
    }
    tally.lines++;
    this.#window.lines++;
    this.#log.warn(event, message, facts);
  }

  /** Writes the counts of the windows that are over. */
  tick(now: number): void {
    if (now - this.#window.since >= REFUSALS.window) this.#window = { since: now, lines: 0 };
    for (const [address, tally] of this.#tallies) {
      // In the order in which they began.
      if (now - tally.since < REFUSALS.window) break;
      this.#tallies.delete(address);
      this.#report(address, tally);
    }
  }

  /** Writes all counts, as before the end. */
  flush(): void {
    for (const [address, tally] of this.#tallies) this.#report(address, tally);
    this.#tallies.clear();
  }

  #tallyOf(address: string, now: number): Tally {
    const known = this.#tallies.get(address);
    if (known !== undefined) return known;
    if (this.#tallies.size >= REFUSALS.addresses && address !== OTHERS) return this.#tallyOf(OTHERS, now);
    const tally = { since: now, lines: 0, leftOut: 0 };
    this.#tallies.set(address, tally);
    return tally;
  }

  #report(address: string, { leftOut }: Tally): void {
    if (leftOut === 0) return;
    this.#log.warn("refusals-left-out", `${leftOut} more refusals are not in the log`, {
      address,
      count: leftOut,
    });
  }
}
