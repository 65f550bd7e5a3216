import { TetherError } from "../../protocol/errors.ts";
import { SERIAL } from "../../protocol/limits.ts";

/** Acts on one port, one after the other: bytes to write, of which a bounded number may wait, and all else. */
export class OutputQueue {
  readonly #path: string;
  #last: Promise<unknown> = Promise.resolve();
  #queuedBytes = 0;
  /** Counts the times that waiting bytes were dropped: what was queued before is not written any more. */
  #drops = 0;

  /** `path` names the port in errors. */
  constructor(path: string) {
    this.#path = path;
  }

  /** Writes in turn, unless the bytes are dropped before. Throws `limit`, and what `act` throws. */
  async write(bytes: Uint8Array, act: () => Promise<void>): Promise<void> {
    if (this.#queuedBytes + bytes.length > SERIAL.queuedOutput) {
      throw new TetherError("limit", `${this.#path} takes no more: ${this.#queuedBytes} bytes are waiting`);
    }
    this.#queuedBytes += bytes.length;
    const { length } = bytes;
    const drops = this.#drops;
    try {
      await this.inTurn(async () => {
        if (drops === this.#drops) await act();
      });
    } finally {
      this.#queuedBytes -= length;
    }
  }

  /** Does something else in turn. */
  inTurn<T>(act: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(act);
    this.#last = turn.catch(() => {});
    return turn;
  }

  /** Forgets the bytes that wait; those whose turn it is go on. */
  drop(): void {
    this.#drops += 1;
  }
}
