import { setTimeout as wait } from "node:timers/promises";
import type { JsonObject } from "../../protocol/index.ts";
import { expectArguments, wholeNumber } from "../arguments.ts";
import type { CommandContext } from "../command-context.ts";
import { onAgents } from "../on-agents.ts";

/** Milliseconds between two pings. */
const INTERVAL = 200;

/** `tether ping`: round-trip times. */
export async function run(context: CommandContext): Promise<number> {
  expectArguments(context, 0);
  const count = wholeNumber(context.options.get("count") ?? "4", "-c", 1, 1_000_000);
  const { signal } = context;
  return onAgents(context, {
    async work(client, _alone, report) {
      const times: number[] = [];
      for (let sent = 0; sent < count; sent++) {
        if (sent > 0) await wait(INTERVAL, undefined, { signal }).catch(() => signal.throwIfAborted());
        times.push(round(await client.ping({ signal })));
        report.progress(`${sent + 1} of ${count}`);
        report.line(`${times.at(-1)} ms`);
      }
      const sum = times.reduce((total, time) => total + time, 0);
      return {
        count,
        times,
        min: Math.min(...times),
        average: round(sum / count),
        max: Math.max(...times),
      };
    },
    render(result) {
      const { times, min, average, max } = result as JsonObject;
      const lines = (times as number[]).map((time, index) => `${index + 1}: ${time} ms`);
      return [...lines, `least ${min} ms, average ${average} ms, most ${max} ms`].join("\n");
    },
  });
}

/** Milliseconds with three digits after the point: microseconds. */
function round(milliseconds: number): number {
  return Math.round(milliseconds * 1000) / 1000;
}
