import { DISCOVERY } from "../../protocol/index.ts";
import type { AgentLedger } from "./agent-ledger.ts";
import { askPauses } from "./ask-pauses.ts";

/**
 * When to ask while watching: in rounds, and within a round with growing pauses as long as somebody known has
 * not answered. Times are milliseconds, passed in.
 */
export class AskRounds {
  #startedAt: number;
  #length: number = DISCOVERY.watchInterval;
  #nextAt: number;
  #asked = 0;
  /** The first round, and one after an announcement, looks for agents that nobody knows yet. */
  #searching = true;
  #pauses = askPauses(Math.random);
  #announced = false;
  /** When an announcement may cause a search again. */
  #searchAt = Number.NEGATIVE_INFINITY;

  constructor(now: number) {
    this.#startedAt = now;
    this.#nextAt = now;
  }

  /** When this round began. */
  get startedAt(): number {
    return this.#startedAt;
  }

  /** When to look again. */
  get nextAt(): number {
    return this.#announced ? Math.min(this.#nextAt, this.#searchAt) : this.#nextAt;
  }

  /** True when a question is to be sent now; counts it as sent. */
  takeTurn(now: number, ledger: AgentLedger): boolean {
    if (this.#announced && now >= this.#searchAt) {
      this.#announced = false;
      this.#searchAt = now + DISCOVERY.announcementInterval;
      this.#begin(now, true);
    }
    if (now < this.#nextAt) return false;
    const end = this.#startedAt + this.#length;
    if (now >= end) {
      this.#begin(now, false);
    } else if (this.#asked > 0 && !this.#searching && !ledger.isMissedSince(this.#startedAt)) {
      this.#nextAt = end;
      return false;
    }
    this.#asked++;
    const pause = this.#pauses.next().value;
    const roundEnd = this.#startedAt + this.#length;
    this.#nextAt = this.#asked < DISCOVERY.asksInRound ? Math.min(now + pause, roundEnd) : roundEnd;
    return true;
  }

  /** Makes the next turn begin a searching round, at once unless another announcement has just done so. */
  announced(): void {
    this.#announced = true;
  }

  #begin(now: number, searching: boolean): void {
    this.#startedAt = now;
    this.#nextAt = now;
    this.#asked = 0;
    // Controllers that began together drift apart.
    this.#length = DISCOVERY.watchInterval * (0.95 + 0.05 * Math.random());
    this.#searching = searching;
    this.#pauses = askPauses(Math.random);
  }
}
