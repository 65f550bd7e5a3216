/** Runs what needs much memory one at a time, in the order in which it came. */
export class Turns {
  private last: Promise<unknown> = Promise.resolve();

  /** Runs `work` when its turn has come; rejects with the signal's reason when nobody waits for it any more then. */
  take<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    const turn = this.last.then(() => {
      signal.throwIfAborted();
      return work();
    });
    this.last = turn.catch(() => undefined);
    return turn;
  }
}
