/** Searches until so many agents are found or the time is up, and says how long it took. */
import { discover } from "../../controller/index.ts";
import { answerLines } from "./answer-lines.ts";

/** What is asked of a finder. */
export interface Search {
  readonly agents: number;
  /** Milliseconds. */
  readonly timeout: number;
}

/** What it found. */
export interface Found {
  readonly agents: number;
  /** Milliseconds until the last of them. */
  readonly last: number;
}

answerLines("ready", async ({ agents, timeout }: Search): Promise<Found> => {
  const ids = new Set<string>();
  const start = performance.now();
  let last = Number.NaN;
  await discover({
    timeout,
    until: ({ id }) => {
      if (!ids.has(id)) last = performance.now() - start;
      ids.add(id);
      return ids.size === agents;
    },
  });
  return { agents: ids.size, last };
});
