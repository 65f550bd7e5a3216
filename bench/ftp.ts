import { spawn } from "node:child_process";
import { randomFillSync } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { programArguments, startAgent } from "../test/agent-process.ts";
import { freePort } from "../test/free-port.ts";
import { type Certificates, makeCertificates } from "../test/ftp/certificates.ts";
import { startVsftpd } from "../test/ftp/other-servers.ts";
import { missing } from "../test/peers.ts";
import { type Comparison, type Findings, inTurn, type Row, type Table, type Turn } from "./contest.ts";
import { type Cleanup, PLAIN_ENVIRONMENT, withCleanup } from "./worker.ts";

const MiB = 1024 * 1024;
const SIZE = 512 * MiB;
const ROUNDS = 5;
/** In memory, so that no disk is measured. */
const MEMORY = "/dev/shm";

/** One server, and what curl has to be told to reach it. */
interface Server {
  readonly port: number;
  readonly root: string;
  readonly options: readonly string[];
}

/** Our FTP server beside vsftpd, by the same client; and our client beside curl, at the same server. */
export function benchFtp(): Promise<Findings> {
  return withCleanup(async (cleanup) => {
    const absent = missing("vsftpd", "curl", "openssl");
    if (absent !== false) return { tables: [], leftOut: [`FTP: ${absent}`] };
    const folder = mkdtempSync(join(MEMORY, "tether-bench-"));
    cleanup.after(() => rmSync(folder, { recursive: true, force: true }));
    const file = join(folder, "file");
    writeFileSync(file, randomFillSync(Buffer.allocUnsafe(SIZE)));
    const tls = makeCertificates(cleanup);
    const plain = await ftpTable(cleanup, folder, file, undefined);
    return { tables: [plain, await ftpTable(cleanup, folder, file, tls)], leftOut: [] };
  });
}

async function ftpTable(
  cleanup: Cleanup,
  folder: string,
  file: string,
  tls: Certificates | undefined,
): Promise<Table> {
  const theirs = mkdtempSync(join(folder, "vsftpd-"));
  const ours = mkdtempSync(join(folder, "agent-"));
  const options = tls === undefined ? [] : ["--ssl-reqd", "--cacert", tls.authority];
  const vsftpd = { ...(await startVsftpd(cleanup, tls, theirs)), options };
  const port = await freePort();
  const root = join(ours, "root");
  mkdirSync(root, { mode: 0o700 });
  await startAgent(cleanup, {
    env: PLAIN_ENVIRONMENT,
    configuration: {
      files: { root, quota: "8GiB" },
      gateways: [
        {
          kind: "ftp",
          port,
          role: "operator",
          ...(tls && { tls: { certificate: tls.certificate, key: tls.key } }),
        },
      ],
    },
  });
  const agent: Server = { port, root, options };
  for (const server of [vsftpd, agent]) await curlPut(server, file, "given");

  const back = join(folder, "back");
  const tether = (line: string) => tetherFtp(vsftpd, tls, folder, line);
  const contestants = {
    "vsftpd put": timed(join(vsftpd.root, "put"), () => curlPut(vsftpd, file, "put")),
    "agent put": timed(join(agent.root, "put"), () => curlPut(agent, file, "put")),
    "vsftpd get": timed(back, () => curlGet(vsftpd, "given", back)),
    "agent get": timed(back, () => curlGet(agent, "given", back)),
    "tether ftp put": timed(join(vsftpd.root, "put"), () => tether("put file put")),
    "tether ftp get": timed(back, () => tether("get given back")),
  } satisfies Record<string, Turn<"time">>;
  type Who = keyof typeof contestants;
  const contest = await inTurn<Who, "time">(ROUNDS, contestants);
  const rows = (Object.keys(contestants) as Who[]).map((who): Row => {
    const direction = who.endsWith("put") ? "put" : "get";
    const beside: Who = `vsftpd ${direction}`;
    const of = who.startsWith("agent") ? "times vsftpd" : "times curl at vsftpd";
    const comparisons: Comparison[] =
      who === beside ? [] : [{ of, value: contest.ratio(who, beside, "time") }];
    return { who, value: contest.spread(who, "time"), comparisons };
  });
  const protection = tls === undefined ? "FTP in the clear" : "FTP, commands and data under TLS";
  return {
    what: `${SIZE / MiB} MiB over ${tls === undefined ? "FTP" : "FTP with TLS"}`,
    unit: "s",
    meaning: `${protection}: one file that does not compress, from memory to memory over loopback, whole commands, ${ROUNDS} rounds. The servers are compared by curl in passive mode, the clients at vsftpd. The agent syncs what it receives and renames it; vsftpd does not.`,
    rows,
  };
}

function curlPut({ port, options }: Server, file: string, name: string): Promise<void> {
  return run("curl", ["-sS", ...options, "-T", file, `ftp://127.0.0.1:${port}/${name}`]);
}

function curlGet({ port, options }: Server, name: string, target: string): Promise<void> {
  return run("curl", ["-sS", ...options, "-o", target, `ftp://127.0.0.1:${port}/${name}`]);
}

function tetherFtp(
  { port }: Server,
  tls: Certificates | undefined,
  cwd: string,
  line: string,
): Promise<void> {
  const options = tls === undefined ? ["--passive"] : ["--passive", "--tls"];
  return run(process.execPath, [...programArguments("tether"), "ftp", ...options, `127.0.0.1:${port}`], {
    input: `${line}\n`,
    cwd,
    env: {
      ...PLAIN_ENVIRONMENT,
      TETHER_HOME: cwd,
      ...(tls && { NODE_EXTRA_CA_CERTS: tls.authority }),
    },
  });
}

/** One turn: removes what the last one left, runs, and checks that all came. */
function timed(result: string, work: () => Promise<void>): Turn<"time"> {
  return async () => {
    rmSync(result, { force: true });
    const start = performance.now();
    await work();
    const time = (performance.now() - start) / 1000;
    if (statSync(result).size !== SIZE) throw new Error(`${result} is not whole`);
    return { time };
  };
}

async function run(
  command: string,
  args: readonly string[],
  { input = "", cwd, env }: { input?: string; cwd?: string; env?: NodeJS.ProcessEnv } = {},
): Promise<void> {
  const child = spawn(command, args, {
    stdio: ["pipe", "ignore", "inherit"],
    env: { ...process.env, ...env },
    ...(cwd !== undefined && { cwd }),
  });
  child.stdin.end(input);
  const [code] = await once(child, "close");
  if (code !== 0) throw new Error(`${command} ${args.join(" ")} ended with ${code}`);
}
