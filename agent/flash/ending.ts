import { asTetherError, TetherError } from "../../protocol/index.ts";

/** Why a flashing has to end before it is done. */
export class Ending {
  readonly #controller = new AbortController();
  readonly #released = new AbortController();
  readonly #timer: NodeJS.Timeout;

  /** `onLost` is called when the caller is gone, who would have been told how it ends. */
  constructor(caller: AbortSignal, lease: AbortSignal, timeout: number, onLost: () => void) {
    const { signal } = this.#released;
    const leave = () => {
      // A board that is written halfway does nothing at all any more.
      if (asTetherError(caller.reason).code === "unreachable") onLost();
      else this.#controller.abort(caller.reason);
    };
    caller.addEventListener("abort", leave, { signal });
    if (caller.aborted) leave();
    lease.addEventListener("abort", () => this.#controller.abort(lease.reason), { signal });
    if (lease.aborted) this.#controller.abort(lease.reason);
    this.#timer = setTimeout(
      () => this.#controller.abort(new TetherError("timeout", `not flashed within ${timeout / 1000} s`)),
      timeout,
    );
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  release(): void {
    clearTimeout(this.#timer);
    this.#released.abort();
  }
}
