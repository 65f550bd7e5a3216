import {
  CALL_FEATURES,
  type CallProgress,
  encodeProgress,
  encodeYield,
  type JsonValue,
  type Stream,
} from "../../protocol/index.ts";
import type { CallOutlet } from "../procedures/index.ts";

/** Sends what comes before the answer to a call on the call's own stream, as fast as the other side takes it. */
export class StreamOutlet implements CallOutlet {
  readonly #stream: Stream;
  readonly #features: readonly string[];
  /** Results that were sent; undefined while the call has not yielded any. */
  #yields: number | undefined;
  #resume: (() => void) | undefined;
  #room: Promise<void> | undefined;

  constructor(stream: Stream, features: readonly string[]) {
    this.#stream = stream;
    this.#features = features;
  }

  /** Results that were sent before the answer; undefined for a call whose answer is its only result. */
  get yields(): number | undefined {
    return this.#yields;
  }

  get onProgress(): CallOutlet["onProgress"] {
    if (!this.#features.includes(CALL_FEATURES.progress)) return undefined;
    return (progress: CallProgress) => {
      // Who reads slowly wants to know where it is now, and not where it was.
      if (!this.#stream.isWaiting) this.#stream.sendDocument(encodeProgress(progress));
    };
  }

  get onYield(): CallOutlet["onYield"] {
    return this.#features.includes(CALL_FEATURES.yields) ? (value) => this.#give(value) : undefined;
  }

  /** The call's results are a stream, even if there is none. */
  begin(): void {
    this.#yields ??= 0;
  }

  /** What was sent has been taken. */
  drained(): void {
    this.#resume?.();
    this.#room = undefined;
  }

  /** Nobody takes anything any more. */
  close(): void {
    this.drained();
  }

  #give(value: JsonValue): Promise<void> | undefined {
    this.begin();
    this.#yields = (this.#yields ?? 0) + 1;
    this.#stream.sendDocument(encodeYield(value));
    if (!this.#stream.isWaiting) return undefined;
    this.#room ??= new Promise((resolve) => {
      this.#resume = resolve;
    });
    return this.#room;
  }
}
