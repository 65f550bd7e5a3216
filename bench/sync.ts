import { randomFillSync } from "node:crypto";
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { setImmediate as breathe } from "node:timers/promises";
import { programArguments, startAgent } from "../test/agent-process.ts";
import { missing } from "../test/peers.ts";
import {
  type Bar,
  type Contest,
  type Findings,
  inTurn,
  type Row,
  type Spread,
  type Table,
  type Turn,
} from "./contest.ts";
import { rsyncArguments, run } from "./files.ts";
import { startSshServer } from "./ssh-server.ts";
import { type Cleanup, PLAIN_ENVIRONMENT, withCleanup } from "./worker.ts";

const MiB = 1024 * 1024;
const LARGE = 256 * MiB;
const CHANGED = MiB;
const FOLDERS = 100;
const FILES_EACH = 100;
const FILE_BYTES = 4096;
const ROUNDS = 9;
/** In memory, so that no disk is measured. */
const MEMORY = "/dev/shm";

const OF_TIME: Bar = { limit: 1 };
const OF_BYTES: Bar = { limit: 1.1 };

type Figure = "time" | "bytes";
type Direction = "push" | "pull";

/** A program that syncs; gives the bytes that it says were on the wire. */
interface Contestant {
  /** A folder of its own on this side. */
  readonly here: string;
  /** The same on the other. */
  readonly there: string;
  readonly sync: (direction: Direction, path: string) => Promise<number>;
}

/** Making two places equal that nearly are, between two processes of this machine. */
export function benchSync(): Promise<Findings> {
  return withCleanup(async (cleanup) => {
    const leftOut: string[] = [];
    const contestants = await prepare(cleanup, leftOut);
    const tables: Table[] = [];
    for (const direction of ["push", "pull"] as const) {
      tables.push(...(await trees(contestants, direction)), ...(await large(contestants, direction)));
    }
    return { tables, leftOut };
  });
}

async function prepare(cleanup: Cleanup, leftOut: string[]): Promise<Readonly<Record<string, Contestant>>> {
  const folder = mkdtempSync(join(MEMORY, "tether-bench-"));
  cleanup.after(() => rmSync(folder, { recursive: true, force: true }));
  const place = (name: string) => {
    const [here, there] = [join(folder, `${name}-here`), join(folder, `${name}-there`)];
    for (const one of [here, there]) mkdirSync(one, { mode: 0o700 });
    return { here, there };
  };
  const ours = place("tether");
  const agent = await startAgent(cleanup, {
    env: PLAIN_ENVIRONMENT,
    configuration: { files: { root: ours.there, quota: "16GiB" } },
  });
  const home = await agent.pair();
  const contestants: Record<string, Contestant> = {
    tether: {
      ...ours,
      async sync(direction, path) {
        const [local, remote] = [join(ours.here, path), `:${path}`];
        const sides = direction === "push" ? [local, remote] : [remote, local];
        const args = [...programArguments("tether"), "sync", "--json", ...sides];
        const { sent } = JSON.parse(await run(process.execPath, args, { TETHER_HOME: home })) as {
          sent: number;
        };
        return sent;
      },
    },
  };
  const noSsh = missing("sshd", "rsync");
  if (noSsh !== false) {
    leftOut.push(`rsync: ${noSsh}`);
    return contestants;
  }
  const theirs = place("rsync");
  const { shell, host } = rsyncArguments(await startSshServer(cleanup));
  contestants["rsync over ssh"] = {
    ...theirs,
    async sync(direction, path) {
      const slash = path === "tree" ? "/" : "";
      const [local, remote] = [
        join(theirs.here, path) + slash,
        `${host}:${join(theirs.there, path)}${slash}`,
      ];
      const sides = direction === "push" ? [local, remote] : [remote, local];
      const stats = await run("rsync", ["-a", "--stats", "-e", shell, ...sides]);
      return statistic(stats, "sent") + statistic(stats, "received");
    },
  };
  return contestants;
}

function statistic(stats: string, what: string): number {
  const digits = new RegExp(`^Total bytes ${what}: ([0-9,.]+)$`, "m").exec(stats)?.[1];
  if (digits === undefined) throw new Error(`rsync did not say what it has ${what}`);
  return Number(digits.replace(/[,.]/g, ""));
}

async function trees(
  contestants: Readonly<Record<string, Contestant>>,
  direction: Direction,
): Promise<Table[]> {
  for (const one of Object.values(contestants)) {
    const source = sourceOf(one, direction, "tree");
    rmSync(source, { recursive: true, force: true });
    for (let n = 0; n < FOLDERS; n++) {
      mkdirSync(join(source, `folder-${n}`), { recursive: true });
      for (let m = 0; m < FILES_EACH; m++) writeFileSync(fileOf(source, n, m), noise(FILE_BYTES));
    }
    await one.sync(direction, "tree");
  }
  const same = await contest(contestants, direction, "tree", () => undefined);
  const changed = await contest(contestants, direction, "tree", (source) => {
    for (let n = 0; n < FOLDERS; n++) writeFileSync(fileOf(source, n, n % FILES_EACH), noise(FILE_BYTES));
  });
  const count = `${FOLDERS * FILES_EACH} files of 4 KiB in ${FOLDERS} folders`;
  const meaning = `Whole commands with process start and handshake, from memory to memory over loopback, ${ROUNDS} rounds.`;
  return [
    timeTable(`${direction}: ${count}, nothing changed`, meaning, same),
    timeTable(
      `${direction}: ${count}, 1 % changed`,
      `${meaning} One file in each folder has other content of the same length.`,
      changed,
    ),
  ];
}

async function large(
  contestants: Readonly<Record<string, Contestant>>,
  direction: Direction,
): Promise<Table[]> {
  for (const one of Object.values(contestants)) {
    const file = openSync(sourceOf(one, direction, "large"), "w");
    for (let at = 0; at < LARGE; at += 4 * MiB) writeSync(file, noise(4 * MiB));
    closeSync(file);
    await one.sync(direction, "large");
  }
  const result = await contest(contestants, direction, "large", (source) => {
    const file = openSync(source, "r+");
    writeSync(file, noise(CHANGED), 0, CHANGED, (LARGE - CHANGED) / 2);
    closeSync(file);
  });
  const what = `${direction}: 256 MiB, 1 MiB changed in the middle`;
  const meaning = `Whole commands with process start and handshake, from memory to memory over loopback, ${ROUNDS} rounds. Tether checks a digest of the whole file end to end and syncs it before it gets its name; so does rsync but for the sync.`;
  return [
    timeTable(what, meaning, result),
    table(
      `${what}, on the wire`,
      "MB",
      "What each program says of its payload, both ways, signatures included.",
      result,
      "bytes",
      OF_BYTES,
    ),
  ];
}

function contest(
  contestants: Readonly<Record<string, Contestant>>,
  direction: Direction,
  path: string,
  change: (source: string) => void,
): Promise<Contest<string, Figure>> {
  const turns = Object.entries(contestants).map(([who, one]): [string, Turn<Figure>] => [
    who,
    async () => {
      change(sourceOf(one, direction, path));
      await breathe();
      const start = performance.now();
      const bytes = await one.sync(direction, path);
      return { time: (performance.now() - start) / 1000, bytes: bytes / 1e6 };
    },
  ]);
  return inTurn(ROUNDS, Object.fromEntries(turns));
}

function timeTable(what: string, meaning: string, result: Contest<string, Figure>): Table {
  return table(what, "s", meaning, result, "time", OF_TIME);
}

function table(
  what: string,
  unit: string,
  meaning: string,
  result: Contest<string, Figure>,
  figure: Figure,
  bar: Bar,
): Table {
  const rows = ["tether", "rsync over ssh"].flatMap((who): Row[] => {
    const value: Spread = result.spread(who, figure);
    if (Number.isNaN(value.median)) return [];
    const ratio = result.ratio(who, "rsync over ssh", figure);
    const isCompared = who === "tether" && !Number.isNaN(ratio.median);
    return [
      { who, value, comparisons: isCompared ? [{ of: "times rsync over ssh", value: ratio, bar }] : [] },
    ];
  });
  return { what, unit, meaning, rows };
}

function sourceOf({ here, there }: Contestant, direction: Direction, path: string): string {
  return join(direction === "push" ? here : there, path);
}

function fileOf(tree: string, folder: number, file: number): string {
  return join(tree, `folder-${folder}`, `file-${file}`);
}

function noise(bytes: number): Buffer {
  return randomFillSync(Buffer.allocUnsafe(bytes));
}
