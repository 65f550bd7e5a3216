import { asTetherError, TetherError } from "../protocol/errors.ts";
import { SERIAL } from "../protocol/limits.ts";

/** One question to a device and how its answer is known. */
export interface Transaction<Unit, Result> {
  readonly bytes: Uint8Array;
  /** Milliseconds from handing the bytes to the port to the whole answer. */
  readonly timeout: number;
  /**
   * Gives the result when `unit` is or completes the answer, undefined when it is something else; what it
   * throws ends the transaction. Absent: no answer is awaited.
   */
  readonly accept?: (unit: Unit) => { readonly result: Result } | undefined;
  /** The error when nothing was accepted in time. */
  readonly timedOut: () => TetherError;
  /**
   * Milliseconds that the port goes on waiting, when nothing was accepted in time, for an answer that is merely
   * late, so that it is not taken for the next one's. Absent: none.
   */
  readonly late?: () => number;
  /**
   * Asked when its turn has come: a transaction that has to succeed before it, and whose failure is its own; then
   * asked again. Absent, or undefined: none.
   */
  readonly first?: () => Transaction<Unit, unknown> | undefined;
}

interface Entry<Unit> {
  readonly transaction: Transaction<Unit, unknown>;
  /** Its caller has been told; only of an entry that is not out yet it means that it never will be. */
  isSettled(): boolean;
  /** Settles the caller's promise; later calls do nothing. */
  resolve(result: unknown): void;
  reject(error: TetherError): void;
}

/**
 * One transaction at a time on a port, whoever asks, in the order of asking.
 *
 * A caller who cancels is told at once, but a question that is already out keeps the port until its answer
 * or its deadline, so that the answer cannot be taken for the next one's.
 */
export class Exchange<Unit> {
  readonly #write: (bytes: Uint8Array) => Promise<void>;
  readonly #queue: Entry<Unit>[] = [];
  #current: { readonly entry: Entry<Unit>; timer: NodeJS.Timeout } | undefined;
  #ended: TetherError | undefined;

  constructor(write: (bytes: Uint8Array) => Promise<void>) {
    this.#write = write;
  }

  /**
   * Asks, and gives what `accept` makes of the answer.
   *
   * @throws TetherError `timeout`, `cancelled` (or the signal's own TetherError), `busy` when too many wait,
   * what ended the link, or what `accept` threw.
   */
  run<Result>(transaction: Transaction<Unit, Result>, signal: AbortSignal): Promise<Result> {
    return new Promise((resolve, reject) => {
      const refusal = this.#refusal(signal);
      if (refusal) {
        reject(refusal);
        return;
      }
      const aborted = () => {
        const place = this.#queue.indexOf(entry);
        if (place >= 0) this.#queue.splice(place, 1);
        entry.reject(abortError(signal));
      };
      let settled = false;
      const entry: Entry<Unit> = {
        transaction,
        isSettled: () => settled,
        resolve(result) {
          settled = true;
          signal.removeEventListener("abort", aborted);
          resolve(result as Result);
        },
        reject(error) {
          settled = true;
          signal.removeEventListener("abort", aborted);
          reject(error);
        },
      };
      signal.addEventListener("abort", aborted, { once: true });
      this.#queue.push(entry);
      this.#next();
    });
  }

  /** Takes a unit from the framing. False when it answered nothing: it is unsolicited, or too late. */
  receive(unit: Unit): boolean {
    const entry = this.#current?.entry;
    if (!entry) return false;
    try {
      const accepted = entry.transaction.accept?.(unit);
      if (!accepted) return false;
      this.#finish(entry, () => entry.resolve(accepted.result));
    } catch (thrown) {
      this.#finish(entry, () => entry.reject(asTetherError(thrown)));
    }
    return true;
  }

  /** Tells everyone who waits, and whoever comes later, that it is over. */
  end(reason: TetherError): void {
    this.#ended = reason;
    clearTimeout(this.#current?.timer);
    this.#current?.entry.reject(reason);
    this.#current = undefined;
    for (const entry of this.#queue.splice(0)) entry.reject(reason);
  }

  #refusal(signal: AbortSignal): TetherError | undefined {
    if (signal.aborted) return abortError(signal);
    if (this.#ended) return this.#ended;
    if (this.#queue.length < SERIAL.queuedExchanges) return undefined;
    return new TetherError("busy", `${this.#queue.length} exchanges are waiting for this device already`);
  }

  #next(): void {
    if (this.#current) return;
    const entry = this.#queue.shift();
    if (!entry) return;
    const first = entry.transaction.first?.();
    this.#begin(first ? this.#before(entry, first) : entry);
  }

  /** A transaction that goes out in the place of one whose turn has come. */
  #before(entry: Entry<Unit>, transaction: Transaction<Unit, unknown>): Entry<Unit> {
    return {
      transaction,
      isSettled: entry.isSettled,
      resolve: () => {
        if (!entry.isSettled()) this.#queue.unshift(entry);
      },
      reject: entry.reject,
    };
  }

  #begin(entry: Entry<Unit>): void {
    const { bytes, timeout, accept } = entry.transaction;
    this.#current = { entry, timer: setTimeout(() => this.#timeOut(entry), timeout) };
    this.#write(bytes).then(
      () => {
        if (!accept) this.#finish(entry, () => entry.resolve(undefined));
      },
      (thrown) => this.#finish(entry, () => entry.reject(asTetherError(thrown))),
    );
  }

  #timeOut(entry: Entry<Unit>): void {
    const { timedOut, late } = entry.transaction;
    const wait = late?.() ?? 0;
    entry.reject(timedOut());
    if (wait > 0 && this.#current?.entry === entry) {
      this.#current.timer = setTimeout(() => this.#finish(entry, () => {}), wait);
    } else {
      this.#finish(entry, () => {});
    }
  }

  #finish(entry: Entry<Unit>, settle: () => void): void {
    if (this.#current?.entry !== entry) return;
    clearTimeout(this.#current.timer);
    this.#current = undefined;
    settle();
    this.#next();
  }
}

/** What a caller is told whose signal has aborted: its reason where that says what happened, else `cancelled`. */
export function abortError(signal: AbortSignal): TetherError {
  const { reason } = signal;
  const telling =
    reason instanceof TetherError || (reason instanceof Error && reason.name === "TimeoutError");
  return telling ? asTetherError(reason) : new TetherError("cancelled", "cancelled", { cause: reason });
}
