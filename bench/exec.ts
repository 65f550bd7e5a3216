import { spawn } from "node:child_process";
import { randomFillSync } from "node:crypto";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, statSync, writeSync } from "node:fs";
import { join } from "node:path";
import { programArguments, startAgent } from "../test/agent-process.ts";
import { missing } from "../test/peers.ts";
import { type Comparison, type Findings, inTurn, type Row, type Table, type Turn } from "./contest.ts";
import { startSshServer } from "./ssh-server.ts";
import { type Cleanup, PLAIN_ENVIRONMENT, withCleanup } from "./worker.ts";

const MiB = 1024 * 1024;
const LARGE = 1024 * MiB;
const LARGE_ROUNDS = 5;
const SHORT_ROUNDS = 15;
/** In memory, so that no disk is measured. */
const MEMORY = "/dev/shm";

/** What stands before a command to have it run on the other side. */
interface Runner {
  readonly words: readonly string[];
  readonly env: NodeJS.ProcessEnv;
}

/** Programs on another machine, which is this one. */
export function benchExec(): Promise<Findings> {
  return withCleanup(async (cleanup) => {
    const folder = mkdtempSync(join(MEMORY, "tether-bench-"));
    cleanup.after(() => rmSync(folder, { recursive: true, force: true }));
    const agent = await startAgent(cleanup, { env: PLAIN_ENVIRONMENT });
    const home = await agent.pair();
    const leftOut: string[] = [];
    const runners: { [who: string]: Runner } = {
      "tether exec": {
        words: [process.execPath, ...programArguments("tether"), "exec", "--"],
        env: { TETHER_HOME: home },
      },
    };
    const noSsh = missing("sshd");
    if (noSsh === false) {
      const server = await startSshServer(cleanup);
      runners.ssh = { words: ["ssh", ...server.arguments], env: {} };
    } else leftOut.push(`ssh: ${noSsh}`);
    const tables = [await throughCat(runners, folder, cleanup), await short(runners)];
    const meaning = `The agent's resident memory at its highest, after ${LARGE_ROUNDS} times 1 GiB through \`cat\`.`;
    const value = peakMemory(agent.pid);
    const rows = [{ who: "tetherd", value: { low: value, median: value, high: value }, comparisons: [] }];
    return {
      tables: [...tables, { what: "memory after 1 GiB through cat", unit: "MiB", meaning, rows }],
      leftOut,
    };
  });
}

async function throughCat(
  runners: { readonly [who: string]: Runner },
  folder: string,
  cleanup: Cleanup,
): Promise<Table> {
  const source = join(folder, "large");
  const target = join(folder, "back");
  writeRandom(source);
  cleanup.after(() => rmSync(source, { force: true }));
  const meaning = `1 GiB that does not compress into \`cat\` there and back into a file, from memory to memory over loopback, whole commands with process start and handshake, ${LARGE_ROUNDS} rounds.`;
  const turn = (runner: Runner): Turn<"time"> => {
    return async () => {
      rmSync(target, { force: true });
      const time = await timed(runner, ["cat"], source, target);
      if (statSync(target).size !== LARGE) throw new Error(`${target} is not whole`);
      return { time: time / 1000 };
    };
  };
  return table("1 GiB through cat, both ways", "s", meaning, LARGE_ROUNDS, runners, turn);
}

function short(runners: { readonly [who: string]: Runner }): Promise<Table> {
  const meaning = `\`true\` on the other side over loopback, a fresh connection each time, ${SHORT_ROUNDS} rounds.`;
  const turn = (runner: Runner): Turn<"time"> => {
    return async () => ({ time: await timed(runner, ["true"], "/dev/null", "/dev/null") });
  };
  return table("a program that does nothing", "ms", meaning, SHORT_ROUNDS, runners, turn);
}

async function table(
  what: string,
  unit: string,
  meaning: string,
  rounds: number,
  runners: { readonly [who: string]: Runner },
  turn: (runner: Runner) => Turn<"time">,
): Promise<Table> {
  const contestants = Object.entries(runners).map(([who, runner]) => [who, turn(runner)] as const);
  const contest = await inTurn(rounds, Object.fromEntries(contestants));
  const rows = Object.keys(runners).map((who): Row => {
    const comparisons: Comparison[] =
      who === "ssh" || runners.ssh === undefined
        ? []
        : [{ of: "times ssh", value: contest.ratio(who, "ssh", "time") }];
    return { who, value: contest.spread(who, "time"), comparisons };
  });
  return { what, unit, meaning, rows };
}

/** Milliseconds of a whole command. */
async function timed(
  { words, env }: Runner,
  command: readonly string[],
  source: string,
  target: string,
): Promise<number> {
  const [program = "", ...args] = words;
  const input = openSync(source, "r");
  const output = openSync(target, "w");
  try {
    const start = performance.now();
    await new Promise<void>((resolve, reject) => {
      const child = spawn(program, [...args, ...command], {
        stdio: [input, output, "inherit"],
        env: { ...process.env, ...PLAIN_ENVIRONMENT, ...env },
      });
      child.once("error", reject);
      child.once("close", (code) =>
        code === 0 ? resolve() : reject(new Error(`${program}: exit code ${code}`)),
      );
    });
    return performance.now() - start;
  } finally {
    closeSync(input);
    closeSync(output);
  }
}

/** proc(5): `VmHWM` of `/proc/PID/status`, in MiB. */
function peakMemory(pid: number): number {
  return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1024;
}

function writeRandom(path: string): void {
  const piece = Buffer.allocUnsafe(4 * MiB);
  const file = openSync(path, "w");
  for (let written = 0; written < LARGE; written += piece.length) writeSync(file, randomFillSync(piece));
  closeSync(file);
}
