import { DISCOVERY } from "../../protocol/index.ts";
import { SlidingWindow } from "./sliding-window.ts";

const SECOND = 1_000;

/** Decides which questions are answered: so many a second to one address, so many in all. */
export class AnswerRate {
  readonly #all = new SlidingWindow(DISCOVERY.signatures, SECOND);
  readonly #addresses = new Map<string, SlidingWindow>();

  /** Counts an answer to this address at this time (milliseconds), or refuses it. */
  take(address: string, now: number): boolean {
    const one = this.#addresses.get(address) ?? new SlidingWindow(DISCOVERY.answersPerAddress, SECOND);
    // Deleted and set again, an address moves to the end: the first one is the one longest unheard.
    this.#addresses.delete(address);
    this.#addresses.set(address, one);
    if (this.#addresses.size > DISCOVERY.addressesTracked) {
      for (const oldest of this.#addresses.keys()) {
        this.#addresses.delete(oldest);
        break;
      }
    }
    if (!one.allows(now) || !this.#all.allows(now)) return false;
    one.count(now);
    this.#all.count(now);
    return true;
  }

  /** Addresses remembered. */
  get size(): number {
    return this.#addresses.size;
  }
}
