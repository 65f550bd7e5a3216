import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";

import { setImmediate as breathe, setTimeout as wait } from "node:timers/promises";
import { programArguments, startAgent } from "../test/agent-process.ts";
import { freePort } from "../test/free-port.ts";
import { makeCertificates } from "../test/ftp/certificates.ts";
import { startVsftpd } from "../test/ftp/other-servers.ts";
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
import { writeRandom, writeText, writeTree } from "./file-contents.ts";
import { keyFile } from "./scratch.ts";
import { type SshServer, startSshServer } from "./ssh-server.ts";
import { type Cleanup, PLAIN_ENVIRONMENT, peerProgram, Worker, withCleanup } from "./worker.ts";

const MiB = 1024 * 1024;
const LARGE = 1024 * MiB;
const LARGE_ROUNDS = 5;
const TEXT_ROUNDS = 3;
const FOLDERS = 100;
const FILES_EACH = 100;
const TREE_ROUNDS = 7;
/** In memory, so that no disk is measured. */
const MEMORY = "/dev/shm";

const OF_SCP: Bar = { limit: 0.7 };
const OF_SOCAT: Bar = { limit: 1.35, aim: 1.1 };
const OF_RSYNC: Bar = { limit: 0.8 };

/** What all contestants work with. */
interface Place {
  readonly folder: string;
  /** What does not compress, and what does. */
  readonly large: string;
  readonly text: string;
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
    const peers = await largePeers(place, cleanup, leftOut);
    return {
      tables: [await large(place, peers, "large"), await large(place, peers, "text"), await trees(place)],
      leftOut,
    };
  });
}

async function prepare(cleanup: Cleanup, leftOut: string[]): Promise<Place> {
  const folder = mkdtempSync(join(MEMORY, "tether-bench-"));
  cleanup.after(() => rmSync(folder, { recursive: true, force: true }));
  const [large, text] = [join(folder, "large"), join(folder, "text")];
  const [tree, root, back] = [join(folder, "tree"), join(folder, "root"), join(folder, "back")];
  for (const one of [tree, root, back]) mkdirSync(one, { mode: 0o700 });
  writeRandom(large, LARGE);
  writeText(text, LARGE);
  writeTree(tree, FOLDERS, FILES_EACH);
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
    text,
    tree,
    root,
    back,
    tether: (args) => run(process.execPath, [...programArguments("tether"), ...args], { TETHER_HOME: home }),
    ssh: noSsh === false ? await startSshServer(cleanup) : undefined,
  };
}

/** What others do with one large file: the turns for what lies at `file`. */
type LargePeers = (file: string) => Record<string, Turn<"time">>;

async function largePeers(place: Place, cleanup: Cleanup, leftOut: string[]): Promise<LargePeers> {
  const { root, back, ssh, folder } = place;
  const there = join(root, "large");
  const here = join(back, "large");
  const noSocat = missing("socat");
  if (noSocat !== false) leftOut.push(`socat: ${noSocat}`);
  const noFtp = missing("vsftpd", "curl", "openssl");
  if (noFtp !== false) leftOut.push(`FTP with TLS: ${noFtp}`);
  const ftp = noFtp === false ? await ftpServer(cleanup, folder) : undefined;
  const key = await keyFile(cleanup);
  const pipe = await pipeTurn(cleanup, key, there);
  return (file) => {
    const turns: Record<string, Turn<"time">> = {};
    if (ssh !== undefined) {
      const { options, host } = scpArguments(ssh);
      const { shell } = rsyncArguments(ssh);
      const scp = (...args: string[]) => run("scp", ["-q", ...options, ...args]);
      // Whole: without it rsync compares with what is there, which here is nothing.
      const rsync = (...args: string[]) => run("rsync", ["-W", "-e", shell, ...args]);
      turns["scp put"] = timed(there, () => scp(file, `${host}:${there}`));
      turns["scp get"] = timed(here, () => scp(`${host}:${file}`, here));
      turns["rsync put"] = timed(there, () => rsync(file, `${host}:${there}`));
      turns["rsync get"] = timed(here, () => rsync(`${host}:${file}`, here));
    }
    if (ftp !== undefined) {
      const { options, url, root: served } = ftp;
      const curl = (...args: string[]) => run("curl", ["-sS", ...options, ...args]);
      turns["curl with FTPS put"] = timed(join(served, "large"), () => curl("-T", file, `${url}/large`));
      turns["curl with FTPS get"] = async () => {
        if (!existsSync(join(served, "large"))) await curl("-T", file, `${url}/large`);
        const turn = await timed(here, () => curl("-o", here, `${url}/large`))();
        rmSync(join(served, "large"));
        return turn;
      };
    }
    if (noSocat === false) turns.socat = socatTurn(cleanup, key, file, there);
    turns["bare Node TLS pipe"] = pipe(file);
    return turns;
  };
}

async function ftpServer(cleanup: Cleanup, folder: string) {
  const tls = makeCertificates(cleanup);
  const home = join(folder, "ftp");
  mkdirSync(home);
  const { port, root } = await startVsftpd(cleanup, tls, home);
  return { root, url: `ftp://127.0.0.1:${port}`, options: ["--ssl-reqd", "--cacert", tls.authority] };
}

async function large(place: Place, peers: LargePeers, which: "large" | "text"): Promise<Table> {
  const { root, back, tether } = place;
  const file = place[which];
  const there = join(root, "large");
  const here = join(back, "large");
  const contestants: Record<string, Turn<"time">> = {
    "tether put": timed(there, () => tether(["put", file, ":large"])),
    "tether get": async () => {
      // What the agent's own put has left is what it gives back.
      await tether(["put", file, ":large"]);
      return timed(here, () => tether(["get", ":large", here]))();
    },
    ...peers(file),
  };
  const isText = which === "text";
  const rounds = isText ? TEXT_ROUNDS : LARGE_ROUNDS;
  const contest = await inTurn(rounds, contestants);
  rmSync(there, { force: true });
  const rows = Object.keys(contestants).map((who): Row => {
    const comparisons: Comparison[] = [];
    const compare = (to: string, of: string, bar?: Bar) => {
      if (contestants[to] === undefined) return;
      comparisons.push({ of, value: contest.ratio(who, to, "time"), ...(bar !== undefined && { bar }) });
    };
    if (who.startsWith("tether")) {
      const direction = who.slice("tether ".length);
      compare(`scp ${direction}`, "times scp", OF_SCP);
      compare(`rsync ${direction}`, "times rsync over ssh");
      compare(`curl with FTPS ${direction}`, "times curl with FTPS");
      compare("socat", "times socat with OpenSSL", OF_SOCAT);
      compare("bare Node TLS pipe", "times the bare Node TLS pipe");
    }
    return { who, value: contest.spread(who, "time"), comparisons };
  });
  const what = isText ? "1 GiB of text, one file" : "1 GiB, one file";
  const kind = isText ? "of text" : "that does not compress";
  const meaning = `One file of 1 GiB ${kind}, from memory to memory over loopback, whole commands with process start and handshake, ${rounds} rounds. Tether checks a digest end to end, syncs and renames; the others do not. socat and the bare pipe of Node (256 KiB at a time) only encrypt and copy.`;
  return { what, unit: "s", meaning, rows };
}

async function trees(place: Place): Promise<Table> {
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
    const { options } = scpArguments(ssh);
    const remote = [shell, host].join(" ");
    const tar = (line: string) => run("bash", ["-c", `set -o pipefail; ${line}`]);
    contestants["tar push"] = timed(there, () =>
      tar(`tar -cC ${place.folder} tree | ${remote} tar -xC ${root}`),
    );
    contestants["tar pull"] = timed(here, () =>
      tar(`${remote} tar -cC ${place.folder} tree | tar -xC ${back}`),
    );
    contestants["scp -r push"] = timed(there, () =>
      run("scp", ["-qr", ...options, tree, `${host}:${root}/`]),
    );
    contestants["scp -r pull"] = timed(here, () =>
      run("scp", ["-qr", ...options, `${host}:${tree}`, `${back}/`]),
    );
  }
  const contest = await inTurn(TREE_ROUNDS, contestants);
  const rows = Object.keys(contestants).map((who): Row => {
    const direction = { "tether put -r": "push", "tether get -r": "pull" }[who];
    const comparisons: Comparison[] = [];
    const compare = (program: string, of: string, bar?: Bar) => {
      const to = `${program} ${direction}`;
      if (direction === undefined || contestants[to] === undefined) return;
      comparisons.push({ of, value: contest.ratio(who, to, "time"), ...(bar !== undefined && { bar }) });
    };
    compare("rsync", "times rsync over ssh", OF_RSYNC);
    compare("tar", "times tar over ssh");
    compare("scp -r", "times scp -r");
    return { who, value: contest.spread(who, "time"), comparisons };
  });
  const count = FOLDERS * FILES_EACH;
  const meaning = `${count} files of 4 KiB in ${FOLDERS} folders to an empty place, from memory to memory over loopback, whole commands with process start and handshake, ${TREE_ROUNDS} rounds. Tether syncs every file before it gets its name; rsync does not.`;
  return { what: `${count} files of 4 KiB`, unit: "s", meaning, rows };
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

function socatTurn(cleanup: Cleanup, key: string, file: string, target: string): Turn<"time"> {
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

async function pipeTurn(
  cleanup: Cleanup,
  key: string,
  target: string,
): Promise<(file: string) => Turn<"time">> {
  const program = await peerProgram("tls-pipe.ts");
  const server = new Worker(cleanup, [process.execPath, program, "receive", key, target]);
  const { port } = await server.answer<{ port: number }>();
  return (file) => timed(target, () => run(process.execPath, [program, "send", key, String(port), file]));
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

/** What scp takes before the files, and the host. */
export function scpArguments({ arguments: all }: SshServer): { options: string[]; host: string } {
  const host = all.at(-1) ?? "";
  return { options: all.slice(0, -1).map((one) => (one === "-p" ? "-P" : one)), host };
}

/** What rsync's `-e` takes, and the host. */
export function rsyncArguments({ arguments: all }: SshServer): { shell: string; host: string } {
  return { shell: ["ssh", ...all.slice(0, -1)].join(" "), host: all.at(-1) ?? "" };
}
