import { TetherError } from "../../protocol/index.ts";
import type { CallContext, Caller, CallOutlet } from "../procedures/index.ts";

/**
 * The context of one call. Its AbortController is made when somebody asks for the signal: most calls end
 * within the tick in which they came, and never do.
 */
export class CallScope implements CallContext {
  readonly caller: Caller;
  readonly outlet: CallOutlet | undefined;
  #controller: AbortController | undefined;
  #reason: TetherError | undefined;

  constructor(caller: Caller, outlet?: CallOutlet) {
    this.caller = caller;
    this.outlet = outlet;
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#reason !== undefined) this.#controller.abort(this.#reason);
    }
    return this.#controller.signal;
  }

  /** Tells the procedure that nobody waits any more, and why. */
  abort(reason: TetherError): void {
    if (this.#reason !== undefined) return;
    this.#reason = reason;
    this.#controller?.abort(reason);
  }
}

/**
 * Waits for `result`, but no longer than until the scope is aborted or `timeoutMs` are over, whether or not
 * the procedure listens to its signal.
 */
export function settleWithin<T>(
  result: Promise<T>,
  scope: CallScope,
  timeoutMs: number | undefined,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer =
      timeoutMs === undefined
        ? undefined
        : setTimeout(
            () => scope.abort(new TetherError("timeout", `no result within ${timeoutMs} ms`)),
            // Node fires longer timers at once.
            Math.min(timeoutMs, 0x7fff_ffff),
          );
    const settle = () => {
      clearTimeout(timer);
      scope.signal.removeEventListener("abort", onAbort);
    };
    const onAbort = () => {
      settle();
      reject(scope.signal.reason);
    };
    scope.signal.addEventListener("abort", onAbort);
    result.then(resolve, reject).finally(settle);
  });
}
