import { TetherError } from "../../protocol/index.ts";

/** Counts the calls that wait or run, in all fronts together, and refuses more than the bound. */
export class CallGate {
  #limit: number;
  #running = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Calls that wait or run now. */
  get running(): number {
    return this.#running;
  }

  /** Sets another bound; what runs goes on. */
  setLimit(limit: number): void {
    this.#limit = limit;
  }

  /** Counts `call` until it settles. Throws `busy` at once when there are too many. */
  async pass<T>(call: Promise<T>): Promise<T> {
    this.#running++;
    try {
      return await call;
    } finally {
      this.#running--;
    }
  }

  /** Throws `busy` when no further call may start. */
  check(): void {
    if (this.#running >= this.#limit) {
      throw new TetherError("busy", `${this.#running} calls are waiting or running already`, {
        hint: "try again later, or raise limits.queuedCalls",
        refused: true,
      });
    }
  }
}
