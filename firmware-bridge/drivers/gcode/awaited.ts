import { asTetherError } from "../../../protocol/errors.ts";

/** Something that is told again and again, to whoever waits for its next time. */
export class Awaited<T> {
  readonly #waiting = new Set<(value: T | undefined) => void>();
  #ended = false;

  tell(value: T): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const resolve of waiting) resolve(value);
  }

  get hasEnded(): boolean {
    return this.#ended;
  }

  /** There is no next one: nobody waits any more. */
  end(): void {
    this.#ended = true;
    for (const resolve of [...this.#waiting]) resolve(undefined);
  }

  /** The next one; undefined when none comes within so many milliseconds. Rejects with the signal's reason. */
  next(milliseconds: number, signal?: AbortSignal): Promise<T | undefined> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(asTetherError(signal.reason));
        return;
      }
      if (this.#ended) {
        resolve(undefined);
        return;
      }
      const done = (value: T | undefined) => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", onAbort);
        this.#waiting.delete(done);
        resolve(value);
      };
      const onAbort = () => {
        reject(asTetherError(signal?.reason));
        done(undefined);
      };
      const timer = setTimeout(() => done(undefined), milliseconds);
      signal?.addEventListener("abort", onAbort, { once: true });
      this.#waiting.add(done);
    });
  }
}
