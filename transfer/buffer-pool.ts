import { TetherError } from "../protocol/index.ts";

/** A few buffers that are used again and again; whoever finds none waits. */
export class BufferPool {
  readonly #free: Buffer[] = [];
  readonly #bytes: number;
  /** Buffers that may still be made. */
  #unmade: number;
  #waiting: { resolve(buffer: Buffer): void; reject(error: TetherError): void } | undefined;
  #failed: TetherError | undefined;

  constructor(count: number, bytes: number) {
    this.#unmade = count;
    this.#bytes = bytes;
  }

  /** True when {@link take} would not wait. */
  get hasFree(): boolean {
    return this.#free.length > 0 || this.#unmade > 0;
  }

  /** A buffer with whatever is in it; one taker may wait at a time. Rejects with the reason of {@link fail}. */
  async take(): Promise<Buffer> {
    if (this.#failed !== undefined) throw this.#failed;
    const free = this.#free.pop();
    if (free !== undefined) return free;
    if (this.#unmade > 0) {
      this.#unmade--;
      return Buffer.allocUnsafeSlow(this.#bytes);
    }
    if (this.#waiting !== undefined) throw new TetherError("internal", "two wait for one buffer");
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
    });
  }

  /** Gives a buffer back. */
  release(buffer: Buffer): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting === undefined) this.#free.push(buffer);
    else waiting.resolve(buffer);
  }

  /** Lets everybody who waits, and will ask, know that there is no use in it any more. */
  fail(error: TetherError): void {
    this.#failed ??= error;
    this.#waiting?.reject(error);
    this.#waiting = undefined;
  }
}
