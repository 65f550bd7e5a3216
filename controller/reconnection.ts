import { setTimeout as wait } from "node:timers/promises";
import { asTetherError, RECONNECT, TetherError } from "../protocol/index.ts";

/**
 * Connects again after a connection was lost: at once, then with growing pauses, for `RECONNECT.patience`.
 *
 * @throws TetherError `unreachable` when the agent does not come back, what `signal` is aborted with, and at once
 * what says that coming back is no use, such as `unauthorized`
 */
export async function connectAgain<T>(
  connect: (signal: AbortSignal) => Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  const deadline = performance.now() + RECONNECT.patience;
  let pause: number = RECONNECT.firstPause;
  for (;;) {
    try {
      return await connect(signal);
    } catch (thrown) {
      signal.throwIfAborted();
      const { code, message } = asTetherError(thrown);
      if (code !== "unreachable" && code !== "timeout") throw thrown;
      if (performance.now() + pause > deadline) {
        throw new TetherError("unreachable", `no connection for ${RECONNECT.patience / 1_000} s: ${message}`);
      }
      await wait(pause, undefined, { signal }).catch(() => signal.throwIfAborted());
      pause = Math.min(pause * RECONNECT.pauseGrowth, RECONNECT.longestPause);
    }
  }
}
