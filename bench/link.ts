import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type AgentProcess, programArguments, startAgent, succeeded } from "../test/agent-process.ts";
import { createLab, type Lab } from "../test/network.ts";
import { missing } from "../test/peers.ts";
import {
  type Bar,
  type Comparison,
  type Contest,
  type Findings,
  inTurn,
  type Row,
  type Table,
  type Turn,
} from "./contest.ts";
import { writeRandom, writeText, writeTree } from "./file-contents.ts";
import { rsyncArguments, run, scpArguments } from "./files.ts";
import { type SshServer, startSshServer } from "./ssh-server.ts";
import { type Cleanup, PLAIN_ENVIRONMENT, peerProgram, Worker, withCleanup } from "./worker.ts";

const MiB = 1024 * 1024;
const TEXT = 32 * MiB;
const RANDOM = 16 * MiB;
const FOLDERS = 20;
const FILES_EACH = 50;
const ROUNDS = 3;
/** The link: Mbit/s in each direction, percent of the packets lost, milliseconds in each direction. */
const RATE = 100;
const LOSS = 0.1;
const DELAY = 10;
/** In memory, so that no disk is measured. */
const MEMORY = "/dev/shm";

const PACKED: Bar = { limit: 0.7 };
const NOT_PACKED: Bar = { limit: 1.1 };

/** The two ends of the link. */
interface Ends {
  /** On the laptop. */
  readonly folder: string;
  /** The agent's files. */
  readonly root: string;
  readonly tether: (args: readonly string[]) => Promise<string>;
  /** Runs a program on the laptop. */
  readonly laptop: (program: string, args: readonly string[]) => Promise<string>;
  /** The Pi's, as the laptop reaches it. */
  readonly ssh: SshServer | undefined;
}

/** Files over a slow link that has a delay and loses packets. */
export function benchLink(): Promise<Findings> {
  return withCleanup(async (cleanup) => {
    const leftOut = ["FTP: its second connection does not go through the delaying proxy"];
    const noLab = missing("netns");
    if (noLab !== false) return { tables: [], leftOut: [...leftOut, `the link: ${noLab}`] };
    const noSsh = missing("sshd", "rsync");
    if (noSsh !== false) leftOut.push(`scp and rsync: ${noSsh}`);
    const ends = await prepare(cleanup, noSsh === false);
    const random = await oneFile(ends, "random", RANDOM);
    const text = await oneFile(ends, "text", TEXT);
    return { tables: [random, text, await trees(ends)], leftOut };
  });
}

async function prepare(cleanup: Cleanup, hasSsh: boolean): Promise<Ends> {
  const folder = mkdtempSync(join(MEMORY, "tether-bench-"));
  cleanup.after(() => rmSync(folder, { recursive: true, force: true }));
  const lab = await createLab({ laptop: ["link"], pi: ["link"] });
  cleanup.after(() => lab.dispose());
  await lab.rate(RATE);
  await lab.loss(LOSS, "frames");
  const root = join(folder, "root");
  mkdirSync(root, { mode: 0o700 });
  const agent = await startAgent(cleanup, {
    node: nodeIn(lab, "pi", folder),
    env: PLAIN_ENVIRONMENT,
    configuration: { files: { root, quota: "16GiB" } },
  });
  const home = agent.makeHome();
  const laptop = (program: string, args: readonly string[]) =>
    run("ip", [...inside(lab, "laptop"), program, ...args], { TETHER_HOME: home });
  const tether = (args: readonly string[]) =>
    laptop(process.execPath, [...programArguments("tether"), ...args]);
  const { host, port } = await delayed(lab, cleanup, agent.port);
  await tether(["pair", `${host}:${port}`, "--code", await codeOf(agent)]);
  writeRandom(join(folder, "random"), RANDOM);
  writeText(join(folder, "text"), TEXT);
  writeTree(join(folder, "tree"), FOLDERS, FILES_EACH);
  return { folder, root, tether, laptop, ssh: hasSsh ? await sshOver(lab, cleanup) : undefined };
}

async function sshOver(lab: Lab, cleanup: Cleanup): Promise<SshServer> {
  const { arguments: own, mastered } = await startSshServer(cleanup, ["ip", ...inside(lab, "pi")]);
  const at = own.indexOf("-p") + 1;
  const { host, port } = await delayed(lab, cleanup, Number(own[at]));
  const user = own.at(-1)?.split("@")[0];
  return { arguments: [...own.with(at, String(port)).slice(0, -1), `${user}@${host}`], mastered };
}

async function codeOf(agent: AgentProcess): Promise<string> {
  const { stdout } = succeeded(await agent.tetherd(["pair", "--json"]));
  return (JSON.parse(stdout) as { code: string }).code;
}

/** A program that runs as Node does, on a host of the lab. */
function nodeIn(lab: Lab, host: string, folder: string): string {
  const program = join(folder, "node");
  const command = ["ip", ...inside(lab, host), process.execPath].join(" ");
  writeFileSync(program, `#!/bin/sh\nexec ${command} "$@"\n`);
  chmodSync(program, 0o755);
  return program;
}

function inside(lab: Lab, host: string): string[] {
  return ["netns", "exec", lab.host(host).namespace];
}

/** Where the laptop reaches a port of the Pi's loopback, {@link DELAY} later. */
async function delayed(lab: Lab, cleanup: Cleanup, port: number): Promise<{ host: string; port: number }> {
  const [host = ""] = lab.host("pi").addresses;
  const program = await peerProgram("delaying-proxy.ts");
  const command = [process.execPath, program, host, String(port), String(DELAY)];
  const proxy = new Worker(cleanup, ["ip", ...inside(lab, "pi"), ...command]);
  return { host, ...(await proxy.answer<{ port: number }>()) };
}

async function oneFile(ends: Ends, name: "random" | "text", bytes: number): Promise<Table> {
  const { folder, root, tether, laptop, ssh } = ends;
  const file = join(folder, name);
  const [there, here] = [join(root, name), join(folder, "back")];
  const served = join(root, `${name}-served`);
  await tether(["put", file, `:${name}-served`]);
  const timed = (result: string, work: () => Promise<unknown>) =>
    timedTo(result, work, () => statSync(result).size === bytes);
  const contestants: Record<string, Turn<"time">> = {};
  for (const mode of ["auto", "off"]) {
    const get = ["get", "--compress", mode, `:${name}-served`, here];
    contestants[`tether put, ${mode}`] = timed(there, () =>
      tether(["put", "--compress", mode, file, `:${name}`]),
    );
    contestants[`tether get, ${mode}`] = timed(here, () => tether(get));
  }
  if (ssh !== undefined) {
    const { options, host } = scpArguments(ssh);
    const { shell } = rsyncArguments(ssh);
    const scp = (...args: string[]) => laptop("scp", ["-q", ...options, ...args]);
    const rsync = (...args: string[]) => laptop("rsync", ["-Wz", "-e", shell, ...args]);
    contestants["scp put"] = timed(there, () => scp(file, `${host}:${there}`));
    contestants["scp get"] = timed(here, () => scp(`${host}:${served}`, here));
    contestants["rsync -z put"] = timed(there, () => rsync(file, `${host}:${there}`));
    contestants["rsync -z get"] = timed(here, () => rsync(`${host}:${served}`, here));
  }
  const contest = await inTurn(ROUNDS, contestants);
  const bar = name === "text" ? PACKED : NOT_PACKED;
  const rows = rowsOf(contestants, contest, (who) => {
    const [program, mode] = who.split(", ");
    const direction = program?.split(" ").at(-1);
    if (mode === undefined) return [];
    return [
      ...(mode === "auto" ? [{ to: `tether ${direction}, off`, of: "times without packing", bar }] : []),
      { to: `scp ${direction}`, of: "times scp" },
      { to: `rsync -z ${direction}`, of: "times rsync -z over ssh" },
    ];
  });
  const kind = name === "text" ? "of text" : "that does not compress";
  const what = `${bytes / MiB} MiB ${kind}, ${RATE} Mbit/s`;
  return { what, unit: "s", meaning: `One file of ${bytes / MiB} MiB ${kind}, ${LINK}`, rows };
}

async function trees(ends: Ends): Promise<Table> {
  const { folder, root, tether, laptop, ssh } = ends;
  const tree = join(folder, "tree");
  const served = join(root, "served");
  const [there, here] = [join(root, "tree"), join(folder, "back")];
  mkdirSync(served);
  await tether(["put", "-r", tree, ":served/"]);
  const timed = (result: string, work: () => Promise<unknown>) =>
    timedTo(result, work, () => statSync(result).isDirectory());
  const contestants: Record<string, Turn<"time">> = {
    "tether put -r": timed(there, () => tether(["put", "-r", tree, ":tree"])),
    "tether get -r": timed(here, () => tether(["get", "-r", ":served/tree", here])),
  };
  if (ssh !== undefined) {
    const { shell, host } = rsyncArguments(ssh);
    const rsync = (...args: string[]) => laptop("rsync", ["-a", "-e", shell, ...args]);
    const bash = (line: string) => laptop("bash", ["-c", `set -o pipefail; ${line}`]);
    contestants["rsync put"] = timed(there, () => rsync(tree, `${host}:${root}/`));
    contestants["rsync get"] = timed(here, () => rsync(`${host}:${served}/tree/`, here));
    contestants["tar put"] = timed(there, () =>
      bash(`tar -cC ${folder} tree | ${shell} ${host} tar -xC ${root}`),
    );
    contestants["tar get"] = timed(here, () => {
      mkdirSync(here);
      return bash(`${shell} ${host} tar -cC ${served} tree | tar -xC ${here}`);
    });
  }
  const contest = await inTurn(ROUNDS, contestants);
  const rows = rowsOf(contestants, contest, (who) => {
    const direction = /^tether (\w+)/.exec(who)?.[1];
    if (direction === undefined) return [];
    return [
      { to: `rsync ${direction}`, of: "times rsync over ssh" },
      { to: `tar ${direction}`, of: "times tar over ssh" },
    ];
  });
  const count = FOLDERS * FILES_EACH;
  const what = `${count} files of 4 KiB, ${RATE} Mbit/s`;
  return { what, unit: "s", meaning: `${count} files of 4 KiB in ${FOLDERS} folders, ${LINK}`, rows };
}

const LINK = `from memory to memory over a link of ${RATE} Mbit/s that loses ${LOSS} % of the packets, and through a proxy on the Pi's side that lets all arrive ${DELAY} ms later in each direction; whole commands with process start and handshake, ${ROUNDS} rounds.`;

function rowsOf(
  contestants: Readonly<Record<string, unknown>>,
  contest: Contest<string, "time">,
  besides: (who: string) => readonly { readonly to: string; readonly of: string; readonly bar?: Bar }[],
): Row[] {
  return Object.keys(contestants).map((who) => {
    const comparisons = besides(who).flatMap(({ to, of, bar }): Comparison[] =>
      contestants[to] === undefined
        ? []
        : [{ of, value: contest.ratio(who, to, "time"), ...(bar !== undefined && { bar }) }],
    );
    return { who, value: contest.spread(who, "time"), comparisons };
  });
}

/** One turn: removes what the last one left, runs, and checks that all came. */
function timedTo(result: string, work: () => Promise<unknown>, isWhole: () => boolean): Turn<"time"> {
  return async () => {
    rmSync(result, { recursive: true, force: true });
    const start = performance.now();
    await work();
    const time = (performance.now() - start) / 1000;
    if (!isWhole()) throw new Error(`${result} is not whole`);
    return { time };
  };
}
