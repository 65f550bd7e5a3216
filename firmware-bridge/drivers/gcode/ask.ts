import { asTetherError } from "../../../protocol/errors.ts";
import type { FlowLine, LineFlow } from "./line-flow.ts";

/**
 * Sends a line in its turn and gives what the machine says before it is done with it. Rejects with what the machine
 * said instead, or the signal's reason; a line that is out stays counted then.
 *
 * @param patience milliseconds of silence meanwhile, where they are others than the flow's
 */
export function ask(
  flow: LineFlow,
  text: string,
  signal: AbortSignal,
  patience?: number,
): Promise<readonly string[]> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(asTetherError(signal.reason));
      return;
    }
    const line: FlowLine = {
      text,
      patience,
      settled: (outcome) => {
        signal.removeEventListener("abort", onAbort);
        if (outcome.ok) resolve(outcome.lines);
        else reject(outcome.error);
      },
    };
    const onAbort = () => {
      flow.withdraw(line);
      reject(asTetherError(signal.reason));
    };
    signal.addEventListener("abort", onAbort, { once: true });
    flow.add(line);
  });
}
