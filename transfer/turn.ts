import { TRANSFER } from "../protocol/index.ts";

/** Keeps a long piece of synchronous work from holding the event loop for more than a few milliseconds. */
export class Turn {
  #since = performance.now();

  /** True when others should have their turn. */
  get isOver(): boolean {
    return performance.now() - this.#since > TRANSFER.slice;
  }

  /** Lets the event loop do what has come meanwhile. */
  async rest(): Promise<void> {
    await new Promise<void>((resolve) => setImmediate(resolve));
    this.#since = performance.now();
  }
}
