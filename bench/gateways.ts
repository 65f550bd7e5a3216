import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { startAgent } from "../test/agent-process.ts";
import { freePorts } from "../test/free-port.ts";
import { missing, PYTHON } from "../test/peers.ts";
import { Contest, type Findings, inTurn, type Row, type Table, type Turn } from "./contest.ts";
import { memoryOf, openFilesLimit } from "./resident-memory.ts";
import { type Cleanup, PLAIN_ENVIRONMENT, peerProgram, Worker, withCleanup } from "./worker.ts";

const CALL_ROUNDS = 15;
const WARM_UP = 3_000;
const CALLS = 400;
const IN_FLIGHT = 16;
/** Milliseconds that the rate is measured for in one round. */
const RATE_TIME = 300;

const MEMORY_ROUNDS = 3;
const IDLE = 10_000;
/** Milliseconds after which V8 has cleaned up behind thousands of connections. */
const SETTLE = 12_000;
const KiB = 1024;

const JSON_GATEWAY = "Tether: JSON-RPC gateway";
const XML_GATEWAY = "Tether: XML-RPC gateway";
const BARE_HTTP = "bare Node HTTP server, JSON";
const PYTHON_SERVER = "Python's XML-RPC server";
const LINE_GATEWAY = "Tether: line gateway";
const BARE_LINES = "bare Node TCP server, lines";

const JSON_CALL = ["application/json", '{"jsonrpc":"2.0","id":1,"method":"math.multiply","params":[6,7]}'];
const XML_CALL = [
  "text/xml",
  "<?xml version='1.0'?><methodCall><methodName>math.multiply</methodName><params><param><value><int>6</int></value></param><param><value><int>7</int></value></param></params></methodCall>",
];

type Figure = "p50" | "p99" | "rate";

/** Calls over other people's protocols, and what a client that does nothing costs. */
export async function benchGateways(): Promise<Findings> {
  const calls = await withCleanup(benchCalls);
  const memory = process.platform === "linux" ? await benchIdleClients() : undefined;
  return {
    tables: [...calls.tables, ...(memory?.tables ?? [])],
    leftOut: [...calls.leftOut, ...(memory?.leftOut ?? ["memory is read from Linux's /proc"])],
  };
}

async function benchCalls(cleanup: Cleanup): Promise<Findings> {
  const [json = 0, xml = 0] = await freePorts(2);
  const gateways = [
    { kind: "http", port: json },
    { kind: "xmlrpc", port: xml },
  ];
  await startAgent(cleanup, { configuration: { gateways }, env: PLAIN_ENVIRONMENT });
  const bare = new Worker(cleanup, [process.execPath, await peerProgram("http-server.ts")]);
  const contestants: Record<string, Turn<Figure>> = {
    [JSON_GATEWAY]: await turn(cleanup, json, JSON_CALL),
    [XML_GATEWAY]: await turn(cleanup, xml, XML_CALL),
    [BARE_HTTP]: await turn(cleanup, (await bare.answer<{ port: number }>()).port, JSON_CALL),
  };
  const noPython = missing("python3");
  if (noPython === false) {
    const program = fileURLToPath(new URL("peers/xmlrpc-server.py", import.meta.url));
    const server = new Worker(cleanup, [PYTHON, program]);
    contestants[PYTHON_SERVER] = await turn(
      cleanup,
      (await server.answer<{ port: number }>()).port,
      XML_CALL,
    );
  }
  const contest = await inTurn(CALL_ROUNDS, contestants);
  const rows = (figure: Figure): Row[] =>
    Object.keys(contestants).map((who) => ({
      who,
      value: contest.spread(who, figure),
      comparisons:
        who === JSON_GATEWAY || who === XML_GATEWAY
          ? [
              ...(noPython === false
                ? [{ of: `times ${PYTHON_SERVER}`, value: contest.ratio(who, PYTHON_SERVER, figure) }]
                : []),
              { of: "times the bare HTTP server", value: contest.ratio(who, BARE_HTTP, figure) },
            ]
          : [],
    }));
  const meaning =
    "`math.multiply 6 7` over connections that stay open; the caller is the same small program for all. The bare server parses JSON and multiplies: no gates, no schema, no roles. Python's runs a thread for each connection.";
  return {
    tables: [
      {
        what: "gateway round trip, median",
        unit: "µs",
        meaning: `${meaning} One after the other.`,
        rows: rows("p50"),
      },
      {
        what: `gateway calls a second, ${IN_FLIGHT} connections`,
        unit: "/s",
        meaning: `${meaning} One under way on each of ${IN_FLIGHT} connections, for ${RATE_TIME} ms a round.`,
        rows: rows("rate"),
      },
    ],
    leftOut: noPython === false ? [] : [`${PYTHON_SERVER}: ${noPython}`],
  };
}

async function turn(cleanup: Cleanup, port: number, call: readonly string[]): Promise<Turn<Figure>> {
  const program = await peerProgram("http-caller.ts");
  const caller = new Worker(cleanup, [process.execPath, program, String(port), ...call]);
  await caller.answer();
  await caller.ask({ measure: "latency", calls: WARM_UP });
  await caller.ask({ measure: "rate", inFlight: IN_FLIGHT, milliseconds: 2 * RATE_TIME });
  return async () => ({
    ...(await caller.ask<{ p50: number; p99: number }>({ measure: "latency", calls: CALLS })),
    ...(await caller.ask<{ rate: number }>({
      measure: "rate",
      inFlight: IN_FLIGHT,
      milliseconds: RATE_TIME,
    })),
  });
}

async function benchIdleClients(): Promise<Findings> {
  const figures: Record<string, { each: number }[]> = { [LINE_GATEWAY]: [], [BARE_LINES]: [] };
  let limit = Number.POSITIVE_INFINITY;
  for (let round = 0; round < MEMORY_ROUNDS && limit > IDLE + 100; round++) {
    await withCleanup(async (cleanup) => {
      const [port = 0] = await freePorts(1);
      const gateways = [{ kind: "tcp", port, limits: { connections: 2 * IDLE } }];
      const agent = await startAgent(cleanup, { configuration: { gateways }, env: PLAIN_ENVIRONMENT });
      const bare = new Worker(cleanup, [process.execPath, await peerProgram("line-server.ts")]);
      const sides = {
        [LINE_GATEWAY]: { pid: agent.pid, port },
        [BARE_LINES]: { pid: bare.pid, port: (await bare.answer<{ port: number }>()).port },
      };
      limit = Math.min(...Object.values(sides).map(({ pid }) => openFilesLimit(pid)));
      if (limit <= IDLE + 100) return;
      await wait(SETTLE / 4);
      const before = new Map(Object.values(sides).map(({ pid }) => [pid, memoryOf(pid).rss]));
      for (const side of Object.values(sides)) {
        const program = await peerProgram("line-holder.ts");
        const holder = new Worker(cleanup, [process.execPath, program, String(side.port)]);
        await holder.answer();
        await holder.ask(IDLE);
      }
      await wait(SETTLE);
      for (const [who, { pid }] of Object.entries(sides)) {
        figures[who]?.push({ each: (memoryOf(pid).rss - (before.get(pid) ?? 0)) / IDLE / KiB });
      }
    });
  }
  if (limit <= IDLE + 100) {
    return { tables: [], leftOut: [`${IDLE} idle clients: a process may open ${limit} files (ulimit -n)`] };
  }
  const contest = new Contest(new Map(Object.entries(figures)));
  const table: Table = {
    what: "memory of an idle client of a line gateway",
    unit: "KiB",
    meaning: `How much the resident memory of the server grew from before the first of ${IDLE.toLocaleString("en")} connections until ${SETTLE / 1000} s after the last, divided by their number; ${MEMORY_ROUNDS} starts. The bare server splits lines and echoes them.`,
    rows: Object.keys(figures).map((who) => ({
      who,
      value: contest.spread(who, "each"),
      comparisons:
        who === LINE_GATEWAY
          ? [{ of: "times the bare server", value: contest.ratio(who, BARE_LINES, "each") }]
          : [],
    })),
  };
  return { tables: [table], leftOut: [] };
}
