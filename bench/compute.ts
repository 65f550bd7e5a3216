import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Client, connect } from "../controller/index.ts";
import { startAgent } from "../test/agent-process.ts";
import { type Findings, inTurn, type Row, type Table, type Turn } from "./contest.ts";
import { scratchFolder } from "./scratch.ts";
import { type Cleanup, PLAIN_ENVIRONMENT, peerProgram, Worker, withCleanup } from "./worker.ts";

/** Milliseconds that both processes compute while signs of life are asked for. */
const BUSY_TIME = 10_000;
const BUSY_ROUNDS = 3;
const PINGS = 400;
const RATE_ROUNDS = 9;
/** Calls of one round, some milliseconds of computing each. */
const HEAVY_CALLS = 16;
const OVERHEAD_ROUNDS = 15;
const SMALL_CALLS = 300;

const PROCEDURES = `
const spin = (milliseconds) => { for (const end = performance.now() + milliseconds; performance.now() < end; ); };
const member = (name, parameters, run) => ({ name, summary: "", parameters, retryable: true, run });
const number = { type: "number" };
export const procedures = [
  member("bench.spin", { milliseconds: number }, ({ milliseconds }) => spin(milliseconds)),
  member("bench.primes", { below: number }, ({ below }) => {
    let count = 0;
    for (let n = 2; n < below; n++) {
      let prime = true;
      for (let d = 2; d * d <= n; d++) if (n % d === 0) { prime = false; break; }
      if (prime) count++;
    }
    return count;
  }),
  member("bench.multiply", { a: number, b: number }, ({ a, b }) => a * b),
];
`;
/** About 30 ms of work on a laptop's core. */
const BELOW = 400_000;

/** User procedures: what they cost, and that they hold nobody up. */
export function benchCompute(): Promise<Findings> {
  return withCleanup(async (cleanup) => {
    const folder = join(await scratchFolder(cleanup), "procedures");
    mkdirSync(folder, { mode: 0o755 });
    writeFileSync(join(folder, "bench.mjs"), PROCEDURES, { mode: 0o644 });
    const two = await client(cleanup, folder, 2);
    const one = await client(cleanup, folder, 1);
    return {
      tables: [...(await whileBusy(two)), await throughput(cleanup, one, two), await overhead(two)],
      leftOut: [],
    };
  });
}

async function client(cleanup: Cleanup, folder: string, workers: number): Promise<Client> {
  const configuration = { compute: { procedures: folder, workers } };
  const agent = await startAgent(cleanup, { configuration, env: PLAIN_ENVIRONMENT });
  const connected = await connect("test-agent", { folder: await agent.pair() });
  cleanup.after(() => connected.close());
  return connected;
}

async function whileBusy(agent: Client): Promise<Table[]> {
  const idle = "idle";
  const busy = `both processes compute for ${BUSY_TIME / 1000} s`;
  const look = async () => {
    const pings = await times(PINGS, () => agent.ping());
    const calls = await times(PINGS, () => agent.call("math.multiply", [6, 7]));
    return { ping: quantile(pings, 0.99), pingMedian: quantile(pings, 0.5), call: quantile(calls, 0.99) };
  };
  await look();
  const contest = await inTurn<string, "ping" | "pingMedian" | "call">(BUSY_ROUNDS, {
    [idle]: look,
    async [busy]() {
      const work = [1, 2].map(() => agent.call("bench.spin", [BUSY_TIME]));
      // The processes have to be at it.
      await new Promise((resolve) => setTimeout(resolve, 500));
      const figures = await look();
      await Promise.all(work);
      return figures;
    },
  });
  const table = (what: string, figure: "ping" | "pingMedian" | "call", limit?: number): Table => ({
    what,
    unit: "µs",
    meaning: `One after the other on one connection, ${PINGS} a round, with nothing else to do and while each of the two processes for user procedures computes. This machine has as many cores as there are processes, so the agent has none for itself.`,
    rows: [idle, busy].map((who) => ({
      who,
      value: contest.spread(who, figure),
      comparisons:
        who === idle
          ? []
          : [
              {
                of: "times idle",
                value: contest.ratio(busy, idle, figure),
                ...(limit !== undefined && { bar: { limit } }),
              },
            ],
    })),
  });
  return [
    table("sign of life, median", "pingMedian"),
    table("sign of life, 99th percentile", "ping", 3),
    table("call of `math.multiply`, 99th percentile", "call"),
  ];
}

async function throughput(cleanup: Cleanup, one: Client, two: Client): Promise<Table> {
  const turn =
    (work: () => Promise<unknown>): Turn<"rate"> =>
    async () => {
      const start = performance.now();
      await work();
      return { rate: HEAVY_CALLS / ((performance.now() - start) / 1000) };
    };
  const called = (agent: Client) => () =>
    Promise.all(Array.from({ length: HEAVY_CALLS }, () => agent.call("bench.primes", [BELOW])));
  const program = await peerProgram("prime-counter.ts");
  const counters = [1, 2].map(() => new Worker(cleanup, [process.execPath, program]));
  await Promise.all(counters.map((counter) => counter.answer()));
  const bare = (count: number) => () =>
    Promise.all(
      counters.slice(0, count).map((counter) => counter.ask({ calls: HEAVY_CALLS / count, below: BELOW })),
    );
  const contestants = {
    "one process": turn(called(one)),
    "two processes": turn(called(two)),
    "one bare process": turn(bare(1)),
    "two bare processes": turn(bare(2)),
  };
  for (const warmUp of Object.values(contestants)) await warmUp();
  const contest = await inTurn(RATE_ROUNDS, contestants);
  type Who = keyof typeof contestants;
  const row = (who: Who, than: Who | undefined, limit?: number): Row => ({
    who,
    value: contest.spread(who, "rate"),
    comparisons:
      than === undefined
        ? []
        : [
            {
              of: `times ${than}`,
              value: contest.ratio(who, than, "rate"),
              ...(limit !== undefined && { bar: { limit, better: "larger" } }),
            },
          ],
  });
  return {
    what: "calls a second of a procedure that computes",
    unit: "/s",
    meaning: `${HEAVY_CALLS} calls at once, each counting the primes below ${BELOW}, with \`compute.workers\` 1 and 2. The bare processes do the same work without an agent: where two of them do not give twice the rate of one, other work had a core of this machine.`,
    rows: [
      row("one process", undefined),
      row("two processes", "one process", 1.7),
      row("one bare process", undefined),
      row("two bare processes", "one bare process"),
    ],
  };
}

async function overhead(agent: Client): Promise<Table> {
  const turn =
    (procedure: string): Turn<"p50"> =>
    async () => ({ p50: quantile(await times(SMALL_CALLS, () => agent.call(procedure, [6, 7])), 0.5) });
  const inside = "`math.multiply`, built in";
  const own = "the same as a user procedure";
  const contestants = { [inside]: turn("math.multiply"), [own]: turn("bench.multiply") };
  for (const warmUp of Object.values(contestants)) for (let n = 0; n < 10; n++) await warmUp();
  const contest = await inTurn(OVERHEAD_ROUNDS, contestants);
  return {
    what: "round trip of a small call, median",
    unit: "µs",
    meaning: `One call after the other on one connection, ${SMALL_CALLS} a round: in the agent's own process, and through a process for user procedures.`,
    rows: [
      { who: inside, value: contest.spread(inside, "p50"), comparisons: [] },
      {
        who: own,
        value: contest.spread(own, "p50"),
        comparisons: [
          { of: "times built in", value: contest.ratio(own, inside, "p50") },
          { of: "µs more", value: contest.difference(own, inside, "p50") },
        ],
      },
    ],
  };
}

/** Microseconds that each of `count` acts took, sorted. */
async function times(count: number, act: () => Promise<unknown>): Promise<number[]> {
  const taken: number[] = [];
  for (let n = 0; n < count; n++) {
    const start = performance.now();
    await act();
    taken.push((performance.now() - start) * 1000);
  }
  return taken.sort((a, b) => a - b);
}

function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}
