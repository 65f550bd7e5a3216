import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { randomFillSync } from "node:crypto";
import { once } from "node:events";
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";

import { setImmediate as breathe, setTimeout as wait } from "node:timers/promises";
import { programArguments, startAgent } from "../test/agent-process.ts";
import { freePort } from "../test/free-port.ts";
import { missing } from "../test/peers.ts";
import {
  type Bar,
  type Comparison,
  type Findings,
  inTurn,
  type Row,
  type Table,
  type Turn,
} from "./contest.ts";
import { keyFile } from "./scratch.ts";
import { type SshServer, startSshServer } from "./ssh-server.ts";
import { type Cleanup, PLAIN_ENVIRONMENT, peerProgram, Worker, withCleanup } from "./worker.ts";

const MiB = 1024 * 1024;
const LARGE = 1024 * MiB;
const LARGE_ROUNDS = 5;
const FOLDERS = 100;
const FILES_EACH = 100;
const FILE_BYTES = 4096;
const TREE_ROUNDS = 7;
/** In memory, so that no disk is measured. */
const MEMORY = "/dev/shm";

const OF_SCP: Bar = { limit: 0.7 };
const OF_SOCAT: Bar = { limit: 1.35, aim: 1.1 };
const OF_RSYNC: Bar = { limit: 0.8 };

/** What all contestants work with. */
interface Place {
  readonly folder: string;
  readonly large: string;
  readonly tree: string;
  /** Where the other side is. */
  readonly root: string;
  /** Where this side receives. */
  readonly back: string;
  readonly tether: (args: readonly string[]) => Promise<string>;
  readonly ssh: SshServer | undefined;
}

/** Files between two processes of this machine. */
export function benchFiles(): Promise<Findings> {
  return withCleanup(async (cleanup) => {
    const leftOut: string[] = [];
    const place = await prepare(cleanup, leftOut);
    return { tables: [...(await large(place, cleanup, leftOut)), ...(await trees(place))], leftOut };
  });
}

async function prepare(cleanup: Cleanup, leftOut: string[]): Promise<Place> {
  const folder = mkdtempSync(join(MEMORY, "tether-bench-"));
  cleanup.after(() => rmSync(folder, { recursive: true, force: true }));
  const [large, tree, root, back] = ["large", "tree", "root", "back"].map((name) => join(folder, name)) as [
    string,
    string,
    string,
    string,
  ];
  for (const one of [tree, root, back]) mkdirSync(one, { mode: 0o700 });
  writeRandom(large);
  for (let n = 0; n < FOLDERS; n++) {
    mkdirSync(join(tree, `folder-${n}`));
    for (let m = 0; m < FILES_EACH; m++) {
      writeFileSync(join(tree, `folder-${n}`, `file-${m}`), randomFillSync(Buffer.allocUnsafe(FILE_BYTES)));
    }
  }
  const agent = await startAgent(cleanup, {
    env: PLAIN_ENVIRONMENT,
    configuration: { files: { root, quota: "16GiB" } },
  });
  const home = await agent.pair();
  const noSsh = missing("sshd", "rsync");
  if (noSsh !== false) leftOut.push(`scp and rsync: ${noSsh}`);
  return {
    folder,
    large,
    tree,
    root,
    back,
    tether: (args) => run(process.execPath, [...programArguments("tether"), ...args], { TETHER_HOME: home }),
    ssh: noSsh === false ? await startSshServer(cleanup) : undefined,
  };
}

async function large(place: Place, cleanup: Cleanup, leftOut: string[]): Promise<Table[]> {
  const { large: file, root, back, tether, ssh } = place;
  const there = join(root, "large");
  const here = join(back, "large");
  const contestants: Record<string, Turn<"time">> = {
    "tether put": timed(there, () => tether(["put", file, ":large"])),
    "tether get": async () => {
      // What the agent's own put has left is what it gives back.
      await tether(["put", file, ":large"]);
      return timed(here, () => tether(["get", ":large", here]))();
    },
  };
  if (ssh !== undefined) {
    const { options, host } = scpArguments(ssh);
    contestants["scp put"] = timed(there, () => run("scp", ["-q", ...options, file, `${host}:${there}`]));
    contestants["scp get"] = timed(here, () => run("scp", ["-q", ...options, `${host}:${file}`, here]));
  }
  const noSocat = missing("socat");
  if (noSocat === false) contestants.socat = await socatTurn(cleanup, file, there);
  else leftOut.push(`socat: ${noSocat}`);
  contestants["bare Node TLS pipe"] = await pipeTurn(cleanup, file, there);

  const contest = await inTurn(LARGE_ROUNDS, contestants);
  const rows = Object.keys(contestants).map((who): Row => {
    const comparisons: Comparison[] = [];
    const compare = (to: string, of: string, bar?: Bar) => {
      if (who === to || contestants[to] === undefined) return;
      comparisons.push({ of, value: contest.ratio(who, to, "time"), ...(bar !== undefined && { bar }) });
    };
    if (who.startsWith("tether")) {
      const scp = who === "tether put" ? "scp put" : "scp get";
      compare(scp, "times scp", OF_SCP);
      compare("socat", "times socat with OpenSSL", OF_SOCAT);
      compare("bare Node TLS pipe", "times the bare Node TLS pipe");
    }
    return { who, value: contest.spread(who, "time"), comparisons };
  });
  const meaning = `One file of 1 GiB that does not compress, from memory to memory over loopback, whole commands with process start and handshake, ${LARGE_ROUNDS} rounds. Tether checks a digest end to end, syncs and renames; the others do not. socat and the bare pipe of Node (256 KiB at a time) only encrypt and copy.`;
  return [{ what: "1 GiB, one file", unit: "s", meaning, rows }];
}

async function trees(place: Place): Promise<Table[]> {
  const { tree, root, back, tether, ssh } = place;
  const there = join(root, "tree");
  const here = join(back, "tree");
  const contestants: Record<string, Turn<"time">> = {
    "tether put -r": timed(there, () => tether(["put", "-r", tree, ":tree"])),
    "tether get -r": async () => {
      rmSync(there, { recursive: true, force: true });
      await tether(["put", "-r", tree, ":tree"]);
      return timed(here, () => tether(["get", "-r", ":tree", here]))();
    },
  };
  if (ssh !== undefined) {
    const { shell, host } = rsyncArguments(ssh);
    contestants["rsync push"] = timed(there, () =>
      run("rsync", ["-a", "-e", shell, tree, `${host}:${root}/`]),
    );
    contestants["rsync pull"] = timed(here, () =>
      run("rsync", ["-a", "-e", shell, `${host}:${tree}`, `${back}/`]),
    );
  }
  const contest = await inTurn(TREE_ROUNDS, contestants);
  const rows = Object.keys(contestants).map((who): Row => {
    const peer = { "tether put -r": "rsync push", "tether get -r": "rsync pull" }[who];
    const comparisons =
      peer === undefined || contestants[peer] === undefined
        ? []
        : [{ of: "times rsync over ssh", value: contest.ratio(who, peer, "time"), bar: OF_RSYNC }];
    return { who, value: contest.spread(who, "time"), comparisons };
  });
  const count = FOLDERS * FILES_EACH;
  const meaning = `${count} files of 4 KiB in ${FOLDERS} folders to an empty place, from memory to memory over loopback, whole commands with process start and handshake, ${TREE_ROUNDS} rounds. Tether syncs every file before it gets its name; rsync does not.`;
  return [{ what: `${count} files of 4 KiB`, unit: "s", meaning, rows }];
}

/** One turn: removes what the last one left, runs, and checks that something came. */
function timed(result: string, work: () => Promise<unknown>): Turn<"time"> {
  return async () => {
    rmSync(result, { recursive: true, force: true });
    await breathe();
    const start = performance.now();
    await work();
    const time = (performance.now() - start) / 1000;
    if (!statSync(result).isDirectory() && statSync(result).size !== LARGE) {
      throw new Error(`${result} is not whole`);
    }
    return { time };
  };
}

async function socatTurn(cleanup: Cleanup, file: string, target: string): Promise<Turn<"time">> {
  const key = await keyFile(cleanup);
  return async () => {
    rmSync(target, { force: true });
    const port = await freePort();
    const listen = `OPENSSL-LISTEN:${port},bind=127.0.0.1,reuseaddr,cert=${key},verify=0`;
    const server = spawn("socat", ["-u", "-b", "262144", listen, `CREATE:${target}`], { stdio: "ignore" });
    cleanup.after(() => server.kill());
    const done = once(server, "exit");
    await listening(port, server);
    return timedExisting(target, async () => {
      await run("socat", ["-u", "-b", "262144", `OPEN:${file}`, `OPENSSL:127.0.0.1:${port},verify=0`]);
      await done;
    });
  };
}

async function pipeTurn(cleanup: Cleanup, file: string, target: string): Promise<Turn<"time">> {
  const [key, program] = await Promise.all([keyFile(cleanup), peerProgram("tls-pipe.ts")]);
  const server = new Worker(cleanup, [process.execPath, program, "receive", key, target]);
  const { port } = await server.answer<{ port: number }>();
  return timed(target, () => run(process.execPath, [program, "send", key, String(port), file]));
}

async function timedExisting(target: string, work: () => Promise<void>): Promise<{ time: number }> {
  const start = performance.now();
  await work();
  const time = (performance.now() - start) / 1000;
  if (statSync(target).size !== LARGE) throw new Error(`${target} is not whole`);
  return { time };
}

/** socat takes one connection, so its port is looked for in the kernel's table instead of by connecting. */
async function listening(port: number, server: ChildProcess): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    if (server.exitCode !== null) throw new Error("socat ended");
    const { stdout } = spawnSync("ss", ["-ltnH", `sport = :${port}`], { encoding: "utf8" });
    if (stdout.trim() !== "") return;
    await wait(10);
  }
  throw new Error("socat does not listen");
}

/** Runs a program to its end; gives what it wrote. */
export function run(program: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, ...PLAIN_ENVIRONMENT, ...env },
    });
    let [wrote, said] = ["", ""];
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      wrote += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      said += text;
    });
    child.once("error", reject);
    child.once("close", (code) => {
      if (code === 0) resolve(wrote);
      else reject(new Error(`${program} ${args.join(" ")}: exit code ${code}: ${said}`));
    });
  });
}

function scpArguments({ arguments: all }: SshServer): { options: string[]; host: string } {
  const host = all.at(-1) ?? "";
  return { options: all.slice(0, -1).map((one) => (one === "-p" ? "-P" : one)), host };
}

/** What rsync's `-e` takes, and the host. */
export function rsyncArguments({ arguments: all }: SshServer): { shell: string; host: string } {
  return { shell: ["ssh", ...all.slice(0, -1)].join(" "), host: all.at(-1) ?? "" };
}

function writeRandom(path: string): void {
  const piece = Buffer.allocUnsafe(4 * MiB);
  const file = openSync(path, "w");
  for (let written = 0; written < LARGE; written += piece.length) writeSync(file, randomFillSync(piece));
  closeSync(file);
}
