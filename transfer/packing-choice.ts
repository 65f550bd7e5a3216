/** Milliseconds over which rates are taken. */
const WINDOW = 250;
/** Bytes a second beyond which no packing is fast enough to be worth a try. */
const FASTEST = 300e6;
/** Part of the bytes that may be left for packing to be worth it. */
const WORTH = 0.9;
/** Part of the time in which there may be nothing to write where the link is the limit. */
const IDLE = 0.3;
/** How much faster it must promise to be, and how much faster it must turn out to be. */
const PROMISE = 1.2;
const PROOF = 1.05;
/** Windows without a try after packing has lost, at first and at most. */
const FIRST_REST = 8;
const LONGEST_REST = 256;

/**
 * Decides whether the bytes of a transfer are packed: when what is sent makes the link the limit, a sample has
 * become small, and packing is faster than the link; and as long as the transfer is faster for it.
 */
export class PackingChoice {
  /** Samples packed at once. */
  readonly #threads: number;
  #packs = false;
  #begun: number | undefined;
  #bytes = 0;
  /** Milliseconds in which there was nothing to write. */
  #idle = 0;
  #sample: { readonly ratio: number; readonly rate: number } | undefined;
  #wantsSample = false;
  /** Bytes a second without packing, when it was begun. */
  #plainRate = 0;
  /** Windows of packing that say nothing yet. */
  #unjudged = 0;
  #rest = 0;
  #nextRest = FIRST_REST;

  constructor(threads: number) {
    this.#threads = threads;
  }

  /** True when the next bytes are to be packed. */
  get packs(): boolean {
    return this.#packs;
  }

  /** True, once each time, when it wants to know how small the next bytes become. */
  takesSample(): boolean {
    const wanted = this.#wantsSample;
    this.#wantsSample = false;
    return wanted;
  }

  /** Bytes were packed for a try. `milliseconds`: how long that took. */
  sampled(bytes: number, packedBytes: number, milliseconds: number): void {
    this.#sample = { ratio: packedBytes / bytes, rate: (bytes * 1_000) / Math.max(milliseconds, 0.01) };
  }

  /** For so many milliseconds there was nothing to write, so that the link was not what was waited for. */
  idled(milliseconds: number): void {
    this.#idle += milliseconds;
  }

  /**
   * Bytes have been written; `packed` is what went over the wire for them, undefined where nobody had tried to pack
   * them, `now` milliseconds.
   */
  written(bytes: number, packed: number | undefined, now: number): void {
    this.#begun ??= now;
    this.#bytes += bytes;
    if (this.#packs && packed !== undefined && packed > bytes * 0.97) this.#stop();
    const elapsed = now - this.#begun;
    if (elapsed < WINDOW) return;
    this.#decide((this.#bytes * 1_000) / elapsed, this.#idle < IDLE * elapsed);
    this.#begun = now;
    this.#bytes = 0;
    this.#idle = 0;
  }

  #decide(rate: number, isSaturated: boolean): void {
    if (this.#packs) {
      // What was under way as it was is still in front of what is packed.
      if (this.#unjudged-- > 0) return;
      if (rate < PROOF * this.#plainRate) {
        this.#stop();
        this.#nextRest = Math.min(2 * this.#nextRest, LONGEST_REST);
      }
      return;
    }
    if (this.#rest > 0) {
      this.#rest--;
      return;
    }
    const sample = this.#sample;
    this.#sample = undefined;
    if (!isSaturated || rate > FASTEST) return;
    if (sample === undefined) {
      this.#wantsSample = true;
      return;
    }
    const promised = Math.min(sample.rate * this.#threads, rate / sample.ratio);
    if (sample.ratio > WORTH || promised < PROMISE * rate) {
      this.#rest = FIRST_REST;
      return;
    }
    this.#packs = true;
    this.#unjudged = 1;
    this.#plainRate = rate;
  }

  #stop(): void {
    this.#packs = false;
    this.#rest = this.#nextRest;
  }
}
