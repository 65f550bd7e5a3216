import { spawn } from "node:child_process";
import { programArguments, startAgent } from "../test/agent-process.ts";
import { type Findings, inTurn, type Turn } from "./contest.ts";
import { type Cleanup, PLAIN_ENVIRONMENT, withCleanup } from "./worker.ts";

const AGENTS = 20;
const ROUNDS = 15;

const ONE = "one agent";
const ALL = `${AGENTS} agents, \`--all\``;
const TURNS = `${AGENTS} commands, one after the other`;

/** One command on many agents, beside the same on one. */
export function benchFanOut(): Promise<Findings> {
  return withCleanup(async (cleanup) => {
    const home = await farm(cleanup);
    const contest = await inTurn(ROUNDS, {
      [ONE]: command(home, ["-a", "agent-1"]),
      [ALL]: command(home, ["--all"]),
    });
    const serial = await inTurn(3, { [TURNS]: oneByOne(home) });
    const meaning = `Wall time of \`tether call math.multiply 6 7\` from spawn to exit, ${ROUNDS} rounds: on one agent, and on ${AGENTS}, each a process of its own on this machine, which has to do all their handshakes with the cores that it has. One after the other: ${AGENTS} such commands, 3 rounds.`;
    const median = contest.spread(ONE, "time").median;
    const turns = serial.spread(TURNS, "time");
    const times = { low: turns.low / median, median: turns.median / median, high: turns.high / median };
    return {
      tables: [
        {
          what: "a call on many agents",
          unit: "ms",
          meaning,
          rows: [
            { who: ONE, value: contest.spread(ONE, "time"), comparisons: [] },
            {
              who: ALL,
              value: contest.spread(ALL, "time"),
              comparisons: [
                { of: "times one agent", value: contest.ratio(ALL, ONE, "time"), bar: { limit: 3 } },
              ],
            },
            { who: TURNS, value: turns, comparisons: [{ of: "times one agent", value: times }] },
          ],
        },
      ],
      leftOut: [],
    };
  });
}

/** Starts the agents and pairs with all of them; gives the controller's folder. */
async function farm(cleanup: Cleanup): Promise<string> {
  let home: string | undefined;
  // Each is ended where this process ends.
  process.setMaxListeners(2 * AGENTS);
  for (let n = 1; n <= AGENTS; n++) {
    const agent = await startAgent(cleanup, {
      configuration: { name: `agent-${n}` },
      env: PLAIN_ENVIRONMENT,
    });
    home = await agent.pair(home);
  }
  return home as string;
}

function command(home: string, which: readonly string[]): Turn<"time"> {
  return async () => {
    const start = performance.now();
    await run(home, which);
    return { time: performance.now() - start };
  };
}

function oneByOne(home: string): Turn<"time"> {
  return async () => {
    const start = performance.now();
    for (let n = 1; n <= AGENTS; n++) await run(home, ["-a", `agent-${n}`]);
    return { time: performance.now() - start };
  };
}

function run(home: string, which: readonly string[]): Promise<void> {
  const args = [...programArguments("tether"), "call", "math.multiply", "6", "7", "--json", ...which];
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, {
      stdio: ["ignore", "ignore", "inherit"],
      env: { ...process.env, ...PLAIN_ENVIRONMENT, TETHER_HOME: home },
    });
    child.once("error", reject);
    child.once("close", (code) => (code === 0 ? resolve() : reject(new Error(`exit code ${code}`))));
  });
}
