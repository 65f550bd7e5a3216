import { TetherError } from "../../../protocol/errors.ts";
import { SERIAL } from "../../../protocol/limits.ts";

/** Work on one board, one piece after the other in the order of asking. */
export class Turns {
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  /**
   * Does `work` once all that was asked before is over.
   *
   * @throws TetherError `busy` when too many wait; the signal's reason when it aborts before the turn comes; what
   * `work` throws
   */
  async take<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
    if (this.#waiting >= SERIAL.queuedExchanges) {
      throw new TetherError("busy", `${this.#waiting} commands are waiting for this board already`);
    }
    this.#waiting++;
    const turn = this.#last.then(async () => {
      this.#waiting--;
      signal.throwIfAborted();
      return await work();
    });
    this.#last = turn.catch(() => {});
    return await turn;
  }
}
