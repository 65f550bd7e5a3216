import { spawn } from "node:child_process";
import { setTimeout as wait } from "node:timers/promises";
import { startAgent } from "../test/agent-process.ts";
import { freePort } from "../test/free-port.ts";
import { type Comparison, Contest, type Findings, type Row, type Spread, type Table } from "./contest.ts";
import { type Memory, memoryOf, openFilesLimit } from "./resident-memory.ts";
import { keyFile } from "./scratch.ts";
import { type Cleanup, PLAIN_ENVIRONMENT, peerProgram, Worker, withCleanup } from "./worker.ts";

const IDLE_ROUNDS = 3;
const CONNECTION_ROUNDS = 2;
/** Milliseconds after which V8 has cleaned up behind a start. */
const SETTLE = 12_000;
/** Milliseconds after which it has cleaned up behind thousands of handshakes, amid heartbeats. */
const SETTLE_CONNECTIONS = 25_000;
const FEW = 2_000;
const MANY = 10_000;
/** Connections that one process holds on the other side. */
const PER_HOLDER = 2_000;

const KiB = 1024;
const MiB = 1024 * KiB;

const BARE_NODE = "bare Node: a timer and nothing else";
const AGENT = "agent, defaults (discovery on)";
const WITH_DEVICES = "agent, three simulated devices, discovery";
const WITH_MQTT = "agent, three simulated devices, discovery, MQTT by its embedded broker";
const SERVER = "agent";
const BARE_SERVER = "bare Node TLS server";

const DEVICE = {
  serial: { simulate: "bench" },
  driver: "line",
  commands: {
    led: {
      send: "LED {state}",
      expect: "^OK",
      parameters: { state: { type: "integer", minimum: 0, maximum: 1 } },
    },
    temperature: {
      send: "TEMP?",
      expect: "^TEMP (?<celsius>-?[0-9.]+)$",
      result: "celsius",
      type: "number",
    },
  },
  readings: { temperature: { command: "temperature", every: "5s", unit: "°C" } },
};

/** Memory: of the idle agent, and of each connection that does nothing. */
export async function benchFootprint(): Promise<Findings> {
  if (process.platform !== "linux") return { tables: [], leftOut: ["memory is read from Linux's /proc"] };
  const idle = await idleAgent();
  const { table, leftOut } = await idleConnections();
  return { tables: [...idle, table], leftOut };
}

async function idleAgent(): Promise<Table[]> {
  const rounds: Record<string, Memory[]> = {
    [BARE_NODE]: [],
    [AGENT]: [],
    [WITH_DEVICES]: [],
    [WITH_MQTT]: [],
  };
  for (let round = 0; round < IDLE_ROUNDS; round++) {
    await withCleanup(async (cleanup) => {
      const discovery = { port: await freePort() };
      const devices = ["one", "two", "three"].map((name) => ({ name, ...DEVICE }));
      const mqtt = { broker: { host: "127.0.0.1", port: await freePort() } };
      const pids = {
        [BARE_NODE]: bareNode(cleanup),
        [AGENT]: (await plainAgent(cleanup, { discovery })).pid,
        [WITH_DEVICES]: (await plainAgent(cleanup, { discovery, devices })).pid,
        [WITH_MQTT]: (await plainAgent(cleanup, { discovery, devices, mqtt })).pid,
      };
      await wait(SETTLE);
      for (const [who, pid] of Object.entries(pids)) rounds[who]?.push(memoryOf(pid));
    });
  }
  const contest = new Contest(new Map(Object.entries(rounds)));
  const rows = (figure: "rss" | "pss"): Row[] =>
    Object.keys(rounds).map((who) => {
      const bar = figure === "rss" && who === WITH_MQTT && { bar: { limit: 35, aim: 20 } };
      const over = scaled(contest.difference(who, BARE_NODE, figure), MiB);
      const comparisons = who === BARE_NODE ? [] : [{ of: "MiB over bare Node", value: over, ...bar }];
      return { who, value: scaled(contest.spread(who, figure), MiB), comparisons };
    });
  const meaning = `${SETTLE / 1000} s after the start, nobody connected, the median of ${IDLE_ROUNDS} starts.`;
  return [
    {
      what: "memory of the idle agent, resident",
      unit: "MiB",
      meaning: `${meaning} Pages in memory (RSS), the program of Node itself included. The devices are asked for a reading every 5 s.`,
      rows: rows("rss"),
    },
    {
      what: "memory of the idle agent, its share",
      unit: "MiB",
      meaning: `${meaning} The same with each page divided by the processes that share it (PSS): what one more costs a machine that runs Node anyway.`,
      rows: rows("pss"),
    },
  ];
}

async function idleConnections(): Promise<{ table: Table; leftOut: string[] }> {
  const leftOut: string[] = [];
  const figures: Record<string, number[]> = {};
  const note = (who: string, count: number, each: number) => {
    const name = `${who}, ${count.toLocaleString("en")} connections`;
    figures[name] = [...(figures[name] ?? []), each];
  };
  for (let round = 0; round < CONNECTION_ROUNDS; round++) {
    await withCleanup(async (cleanup) => {
      const contestants = {
        [SERVER]: await agentSide(cleanup),
        [BARE_SERVER]: await bareSide(cleanup),
      };
      await wait(SETTLE / 4);
      const before = Object.fromEntries(
        Object.entries(contestants).map(([who, { pid }]) => [who, memoryOf(pid).rss]),
      );
      const hold = async (count: number, more: number) => {
        for (const { holder } of Object.values(contestants)) {
          for (let left = more; left > 0; left -= PER_HOLDER) {
            const worker = await holder();
            await worker.answer();
            await worker.ask(Math.min(left, PER_HOLDER));
          }
        }
        await wait(SETTLE_CONNECTIONS);
        for (const [who, { pid }] of Object.entries(contestants)) {
          note(who, count, (memoryOf(pid).rss - (before[who] ?? 0)) / count);
        }
      };
      await hold(FEW, FEW);
      if (round < CONNECTION_ROUNDS - 1) return;
      const limit = Math.min(...Object.values(contestants).map(({ pid }) => openFilesLimit(pid)));
      if (limit > MANY + 100) await hold(MANY, MANY - FEW);
      else leftOut.push(`${MANY} connections: a process may open ${limit} files (ulimit -n)`);
    });
  }
  const contest = new Contest(
    new Map(Object.entries(figures).map(([who, values]) => [who, values.map((each) => ({ each }))])),
  );
  const rows = Object.keys(figures).map((who) => {
    const value = scaled(contest.spread(who, "each"), KiB);
    return { who, value, comparisons: comparisons(who, value, contest) };
  });
  const table: Table = {
    what: "memory of an idle paired connection",
    unit: "KiB",
    meaning: `How much the resident memory of the process grew from before the first connection until ${SETTLE_CONNECTIONS / 1000} s after the last, divided by their number; heartbeats go both ways meanwhile. Every connection is a full handshake with one paired key, held by other processes. ${FEW} in ${CONNECTION_ROUNDS} starts, ${MANY} once. The bare server asks for a key too, and keeps nothing else of a connection than what parses its frames.`,
    rows,
  };
  return { table, leftOut };
}

function comparisons(who: string, value: Spread, contest: Contest<string, "each">): Comparison[] {
  if (!who.startsWith(`${SERVER},`)) return [];
  const bare = who.replace(SERVER, BARE_SERVER);
  return [
    { of: "", value, bar: { limit: 45, aim: 32 } },
    { of: "times the bare server", value: contest.ratio(who, bare, "each") },
  ];
}

/** A server, and what starts a process that holds connections to it. */
interface Side {
  readonly pid: number;
  readonly holder: () => Promise<Worker>;
}

async function agentSide(cleanup: Cleanup): Promise<Side> {
  const agent = await plainAgent(cleanup, { limits: { connections: MANY } });
  const home = await agent.pair();
  const program = await peerProgram("tether-holder.ts");
  return {
    pid: agent.pid,
    holder: async () => new Worker(cleanup, [process.execPath, program, home]),
  };
}

async function bareSide(cleanup: Cleanup): Promise<Side> {
  const key = await keyFile(cleanup);
  const server = new Worker(cleanup, [process.execPath, await peerProgram("tls-server.ts"), key]);
  const { port } = await server.answer<{ port: number }>();
  const program = await peerProgram("tls-holder.ts");
  return {
    pid: server.pid,
    holder: async () => new Worker(cleanup, [process.execPath, program, String(port), key]),
  };
}

function plainAgent(cleanup: Cleanup, configuration: { readonly [key: string]: unknown }) {
  return startAgent(cleanup, { configuration, env: PLAIN_ENVIRONMENT });
}

function bareNode(cleanup: Cleanup): number {
  const child = spawn(process.execPath, ["-e", "setInterval(() => {}, 1e9)"], {
    stdio: "ignore",
    env: { ...process.env, ...PLAIN_ENVIRONMENT },
  });
  cleanup.after(() => child.kill());
  return child.pid ?? -1;
}

function scaled({ low, median, high }: Spread, unit: number): Spread {
  return { low: low / unit, median: median / unit, high: high / unit };
}
