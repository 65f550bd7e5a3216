import { fileURLToPath } from "node:url";
import { startAgent } from "../test/agent-process.ts";
import { missing, PYTHON } from "../test/peers.ts";
import { type Contest, type Findings, inTurn, type Row, type Table, type Turn } from "./contest.ts";
import { keyFile } from "./scratch.ts";
import { type Cleanup, PLAIN_ENVIRONMENT, peerProgram, Worker, withCleanup } from "./worker.ts";

const ROUNDS = 21;
/** Calls that warm a contestant up: its code is compiled by then. */
const WARM_UP = 5_000;
const CALLS = 600;
const IN_FLIGHT = 64;
/** Milliseconds that the rate is measured for in one round. */
const RATE_TIME = 250;

const OURS = "Tether: library and agent";
const BARE = "bare TLS echo, JSON behind its length";
const GRPC = "gRPC (@grpc/grpc-js), TLS";
const GRPC_PLAIN = "gRPC (@grpc/grpc-js), no TLS";
const SOCKET = "Python socket, no TLS";

type Figure = "p50" | "p99" | "rate";

/** Small calls on an open connection. */
export function benchCalls(): Promise<Findings> {
  return withCleanup(async (cleanup) => {
    const contestants: Record<string, Turn<Figure>> = {
      [OURS]: await turn(await tetherCaller(cleanup)),
      [BARE]: await turn(await tlsCaller(cleanup)),
      [GRPC]: await turn(await grpcCaller(cleanup, true)),
      [GRPC_PLAIN]: await turn(await grpcCaller(cleanup, false)),
    };
    const noPython = missing("python3");
    if (noPython === false) contestants[SOCKET] = await turn(pythonCaller(cleanup));
    const contest = await inTurn(ROUNDS, contestants);
    return {
      tables: tables(contest, Object.keys(contestants)),
      leftOut: noPython === false ? [] : [`${SOCKET}: ${noPython}`],
    };
  });
}

function tables(contest: Contest<string, Figure>, names: readonly string[]): Table[] {
  const rows = (figure: Figure, bars: Row["comparisons"]): Row[] =>
    names.map((who) => ({
      who,
      value: contest.spread(who, figure),
      comparisons:
        who === OURS
          ? bars
          : who === BARE
            ? []
            : [{ of: "times the bare TLS echo", value: contest.ratio(who, BARE, figure) }],
    }));
  const ratio = (to: string, figure: Figure) => contest.ratio(OURS, to, figure);
  const one = `One call of \`math.multiply 6 7\` after the other on one connection, ${CALLS} a round.`;
  return [
    {
      what: "round trip, median",
      unit: "µs",
      meaning: `${one} Caller and server are processes of their own on this machine. The bare echo speaks TLS 1.3 with a key on both sides and does nothing but parse JSON and multiply: no schema, no roles, no credit, no exact integers.`,
      rows: rows("p50", [
        { of: "times the bare TLS echo", value: ratio(BARE, "p50"), bar: { limit: 1.5, aim: 1.15 } },
        { of: "times gRPC with TLS", value: ratio(GRPC, "p50") },
      ]),
    },
    {
      what: "round trip, 99th percentile",
      unit: "µs",
      meaning: `${one} What 99 of 100 round trips stay below; the noisiest figure here.`,
      rows: rows("p99", [
        { of: "times the bare TLS echo", value: ratio(BARE, "p99") },
        { of: "times gRPC with TLS", value: ratio(GRPC, "p99") },
      ]),
    },
    {
      what: `calls a second, ${IN_FLIGHT} in flight`,
      unit: "/s",
      meaning: `The same call, ${IN_FLIGHT} of them under way at any time on one connection, for ${RATE_TIME} ms a round.`,
      rows: rows("rate", [
        {
          of: "times the bare TLS echo",
          value: ratio(BARE, "rate"),
          bar: { limit: 0.4, aim: 0.7, better: "larger" },
        },
        { of: "times gRPC with TLS", value: ratio(GRPC, "rate"), bar: { limit: 10, better: "larger" } },
        {
          of: "times gRPC without TLS",
          value: ratio(GRPC_PLAIN, "rate"),
          bar: { limit: 10, better: "larger" },
        },
      ]),
    },
  ];
}

/** Warms a caller up; gives what measures it. */
async function turn(caller: Worker): Promise<Turn<Figure>> {
  await caller.answer();
  await caller.ask({ measure: "latency", calls: WARM_UP });
  await caller.ask({ measure: "rate", inFlight: IN_FLIGHT, milliseconds: 4 * RATE_TIME });
  return async () => ({
    ...(await caller.ask<{ p50: number; p99: number }>({ measure: "latency", calls: CALLS })),
    ...(await caller.ask<{ rate: number }>({
      measure: "rate",
      inFlight: IN_FLIGHT,
      milliseconds: RATE_TIME,
    })),
  });
}

async function tetherCaller(cleanup: Cleanup): Promise<Worker> {
  const agent = await startAgent(cleanup, { env: PLAIN_ENVIRONMENT });
  const home = await agent.pair();
  return new Worker(cleanup, [process.execPath, await peerProgram("tether-caller.ts"), home]);
}

async function tlsCaller(cleanup: Cleanup): Promise<Worker> {
  const key = await keyFile(cleanup);
  const server = new Worker(cleanup, [process.execPath, await peerProgram("tls-server.ts"), key]);
  const { port } = await server.answer<{ port: number }>();
  return new Worker(cleanup, [process.execPath, await peerProgram("tls-caller.ts"), String(port), key]);
}

async function grpcCaller(cleanup: Cleanup, tls: boolean): Promise<Worker> {
  const key = tls ? [await keyFile(cleanup)] : [];
  const proto = fileURLToPath(new URL("peers/math.proto", import.meta.url));
  const server = new Worker(cleanup, [process.execPath, await peerProgram("grpc-server.ts"), proto, ...key]);
  const { port } = await server.answer<{ port: number }>();
  const caller = await peerProgram("grpc-caller.ts");
  return new Worker(cleanup, [process.execPath, caller, proto, String(port), ...(tls ? ["tls"] : [])]);
}

function pythonCaller(cleanup: Cleanup): Worker {
  return new Worker(cleanup, [PYTHON, fileURLToPath(new URL("peers/socket-caller.py", import.meta.url))]);
}
