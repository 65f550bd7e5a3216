/** Lets at most `limit` events happen in any `interval` milliseconds. */
export class SlidingWindow {
  readonly #times: Float64Array;
  readonly #interval: number;
  #next = 0;

  constructor(limit: number, interval: number) {
    this.#times = new Float64Array(limit).fill(Number.NEGATIVE_INFINITY);
    this.#interval = interval;
  }

  /** True when one more may happen now. */
  allows(now: number): boolean {
    return now - (this.#times[this.#next] ?? now) >= this.#interval;
  }

  /** Counts one that happens now. */
  count(now: number): void {
    this.#times[this.#next] = now;
    this.#next = (this.#next + 1) % this.#times.length;
  }
}
