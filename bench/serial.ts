import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { type AgentProcess, programArguments, startAgent } from "../test/agent-process.ts";
import { freePorts } from "../test/free-port.ts";
import { findCommand, missing, PYTHON } from "../test/peers.ts";
import {
  type Comparison,
  type Findings,
  inTurn,
  type Row,
  spreadOf,
  type Table,
  type Turn,
} from "./contest.ts";
import { scratchFolder } from "./scratch.ts";
import { type Cleanup, PLAIN_ENVIRONMENT, peerProgram, Worker, withCleanup } from "./worker.ts";

const ROUNDS = 15;
const WARM_UP = 5_000;
const ECHOES = 1_000;

/** Bytes a second, each way: 3 Mbit/s. */
const RATE = 375_000;
/** Seconds of it; `TETHER_BENCH_SECONDS=60` asks for more. */
const SECONDS = Number(process.env.TETHER_BENCH_SECONDS ?? 10);
const WATCHERS = 10;

const DIRECT = "Python on the port itself";
const SER2NET = "ser2net, nodelay";
const LIBRARY = "Tether: library and agent";
const EXPOSE = "tether serial expose";
const RFC2217 = "gateway rfc2217";
const RAW = "gateway serial";

type Figure = "p50" | "p99";

/** A serial port that is somewhere else. */
export function benchSerial(): Promise<Findings> {
  return withCleanup(async (cleanup) => {
    const absent = missing("socat", "python3");
    if (absent !== false) return { tables: [], leftOut: [`serial: ${absent}`] };
    const leftOut: string[] = [];
    const contestants = await echoContestants(cleanup, leftOut);
    const contest = await inTurn(ROUNDS, contestants);
    const names = Object.keys(contestants);
    const rows = (figure: Figure): Row[] =>
      names.map((who) => {
        const to = (other: string, bar?: Comparison["bar"]): Comparison[] =>
          names.includes(other) && who !== other
            ? [{ of: `times ${other}`, value: contest.ratio(who, other, figure), ...(bar && { bar }) }]
            : [];
        const bar = figure === "p50" ? { limit: 1.6, aim: 1.2 } : { limit: 3 };
        const comparisons =
          who === SER2NET || who === DIRECT
            ? []
            : to(SER2NET, who === LIBRARY || who === EXPOSE ? bar : undefined);
        return { who, value: contest.spread(who, figure), comparisons };
      });
    const meaning = `A byte to a program at the far end of a pseudo-terminal, and back, one after the other, ${ECHOES} a round; each contestant has a pair of pseudo-terminals and a far end of its own. The clients of all but the library are the same small Python program on a plain socket.`;
    const echo: Table[] = [
      { what: "echo of one byte, median", unit: "µs", meaning, rows: rows("p50") },
      { what: "echo of one byte, 99th of 100", unit: "µs", meaning, rows: rows("p99") },
    ];
    return { tables: [...echo, ...(await sustained(cleanup))], leftOut };
  });
}

async function echoContestants(cleanup: Cleanup, leftOut: string[]): Promise<Record<string, Turn<Figure>>> {
  const folder = await scratchFolder(cleanup);
  const [ser2net = 0, rfc2217 = 0, raw = 0] = await freePorts(3);
  const ports: Record<string, string> = {};
  for (const name of ["direct", "ser2net", "library", "expose", "rfc2217", "raw"]) {
    ports[name] = await pseudoTerminal(cleanup, folder, name);
    await new Worker(cleanup, [PYTHON, program("serial-board.py"), `${ports[name]}-board`, "echo"]).answer();
  }
  const device = (name: string) => ({ name, serial: { path: ports[name] }, driver: "raw" });
  const agent = await startAgent(cleanup, {
    configuration: {
      devices: ["library", "expose", "rfc2217", "raw"].map(device),
      gateways: [
        { kind: "rfc2217", port: rfc2217, device: "rfc2217" },
        { kind: "serial", port: raw, device: "raw", lease: "1h" },
      ],
    },
    env: PLAIN_ENVIRONMENT,
  });
  const home = await agent.pair();
  const exposed = await expose(cleanup, home);
  const contestants: Record<string, Turn<Figure>> = {
    [DIRECT]: await pinger(cleanup, ports.direct ?? ""),
  };
  const noSer2net = missing("ser2net");
  if (noSer2net === false) {
    await startSer2net(cleanup, { folder, port: ser2net, path: ports.ser2net ?? "" });
    contestants[SER2NET] = await pinger(cleanup, String(ser2net));
  } else leftOut.push(`${SER2NET}: ${noSer2net}`);
  const user = new Worker(cleanup, [
    process.execPath,
    await peerProgram("serial-user.ts"),
    home,
    "library",
    "ping",
  ]);
  contestants[LIBRARY] = await turnOf(user);
  contestants[EXPOSE] = await pinger(cleanup, String(exposed));
  contestants[RFC2217] = await pinger(cleanup, String(rfc2217));
  contestants[RAW] = await pinger(cleanup, String(raw));
  return contestants;
}

/** 3 Mbit/s both ways at once, with watchers of whom one takes nothing. */
async function sustained(cleanup: Cleanup): Promise<Table[]> {
  const folder = await scratchFolder(cleanup);
  const path = await pseudoTerminal(cleanup, folder, "stream");
  const agent = await startAgent(cleanup, {
    configuration: { devices: [{ name: "stream", serial: { path }, driver: "raw" }] },
    env: PLAIN_ENVIRONMENT,
  });
  const home = await agent.pair();
  const board = new Worker(cleanup, [PYTHON, program("serial-board.py"), `${path}-board`]);
  await board.answer();
  const user = await peerProgram("serial-user.ts");
  const users = await Promise.all(
    ["stream", ...Array.from({ length: WATCHERS }, (_, n) => (n === 0 ? "stop" : "watch"))].map(
      async (mode) => {
        const worker = new Worker(cleanup, [process.execPath, user, home, "stream", mode]);
        await worker.answer();
        return { mode, worker };
      },
    ),
  );
  const size = RATE * SECONDS;
  const task = { rate: RATE, seconds: SECONDS };
  const before = cpuSeconds(agent);
  const said = await Promise.all(
    [board, ...users.filter(({ mode }) => mode !== "stop").map(({ worker }) => worker)].map((worker) =>
      worker.ask<{ heard: number; wrong: number }>(task),
    ),
  );
  const cpu = (100 * (cpuSeconds(agent) - before)) / SECONDS;
  const lost = said.reduce((sum, { heard, wrong }) => sum + Math.abs(size - heard) + wrong, 0);
  const row = (who: string, value: number, comparisons: readonly Comparison[] = []): Row => ({
    who,
    value: spreadOf([value]),
    comparisons,
  });
  const meaning = `3 Mbit/s from and to one port at once for ${SECONDS} s, through the authenticated connection, with ${WATCHERS} watchers, each a connection of its own, one of which takes nothing.`;
  return [
    {
      what: "3 Mbit/s both ways",
      unit: "bytes lost",
      meaning: `${meaning} Bytes that the board, the writer or one of the watchers that read did not get, or got wrong.`,
      rows: [row(LIBRARY, lost, [{ of: "", value: spreadOf([lost]), bar: { limit: 0 } }])],
    },
    {
      what: "processor for that",
      unit: "% of a core",
      meaning: `${meaning} The agent's.`,
      rows: [row(LIBRARY, cpu)],
    },
  ];
}

/** proc(5): `utime` and `stime` of `/proc/PID/stat`, in ticks of 10 ms. */
function cpuSeconds({ pid }: AgentProcess): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
    .replace(/^.*\) /, "")
    .split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** A pair of pseudo-terminals; gives the path of one, which with `-board` behind it is that of the other. */
async function pseudoTerminal(cleanup: Cleanup, folder: string, name: string): Promise<string> {
  const path = join(folder, name);
  const child = spawn("socat", [`pty,raw,echo=0,link=${path}`, `pty,raw,echo=0,link=${path}-board`]);
  cleanup.after(() => ended(child));
  while (!existsSync(path) || !existsSync(`${path}-board`)) await delay(5);
  return path;
}

async function startSer2net(
  cleanup: Cleanup,
  { folder, port, path }: { readonly folder: string; readonly port: number; readonly path: string },
): Promise<void> {
  const configuration = join(folder, "ser2net.yaml");
  await writeFile(
    configuration,
    `connection: &port
  accepter: tcp(nodelay),127.0.0.1,${port}
  connector: serialdev,${path},115200n81,local
  options:
    chardelay: false
`,
  );
  const command = findCommand("ser2net") ?? "ser2net";
  const child = spawn(command, ["-n", "-c", configuration, "-P", join(folder, "ser2net.pid")], {
    stdio: "ignore",
  });
  cleanup.after(() => ended(child));
  while (!(await answers(port))) await delay(20);
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

/** Gives the port. */
async function expose(cleanup: Cleanup, home: string): Promise<number> {
  const command = [process.execPath, ...programArguments("tether"), "serial", "expose", "expose", "--json"];
  const exposing = new Worker(cleanup, ["env", `TETHER_HOME=${home}`, ...command]);
  return (await exposing.answer<{ port: number }>()).port;
}

async function pinger(cleanup: Cleanup, where: string): Promise<Turn<Figure>> {
  return turnOf(new Worker(cleanup, [PYTHON, program("serial-pinger.py"), where]));
}

async function turnOf(worker: Worker): Promise<Turn<Figure>> {
  await worker.answer();
  await worker.ask({ count: WARM_UP });
  return () => worker.ask({ count: ECHOES });
}

function program(name: string): string {
  return fileURLToPath(new URL(`peers/${name}`, import.meta.url));
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once("close", resolve));
  child.kill();
  await gone;
}
