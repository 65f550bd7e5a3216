import type { Stream } from "../../protocol/index.ts";

/** Whoever takes what a stream brings. */
interface Taker {
  push(bytes: Buffer): void;
  end(): void;
}

/** Keeps what a stream brings before it is known where it goes; it is no more than the stream's own window. */
export class EarlyArrivals {
  readonly #bytes: Buffer[] = [];
  #ended = false;
  #over = false;

  constructor(stream: Stream) {
    stream.handlers = {
      onData: (bytes) => this.#bytes.push(bytes),
      onEnd: () => {
        this.#ended = true;
      },
      onReset: () => {
        this.#over = true;
      },
    };
  }

  /** True when the other side has given up meanwhile. */
  get isOver(): boolean {
    return this.#over;
  }

  handTo(taker: Taker): void {
    for (const bytes of this.#bytes) taker.push(bytes);
    if (this.#ended) taker.end();
  }
}
