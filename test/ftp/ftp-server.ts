/** The agent's FTP server by itself, in the test's own process: real sockets, real files. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Writable } from "node:stream";
import { Files } from "../../agent/files/index.ts";
import { FtpGateway } from "../../agent/gateways/ftp/index.ts";
import { Log } from "../../agent/log.ts";
import { Refusals } from "../../agent/server/refusals.ts";
import type { LogLine, Owner } from "../agent-process.ts";

type Configuration = ConstructorParameters<typeof FtpGateway>[0];

/** What a test may set. */
export interface ServerOptions extends Partial<Omit<Configuration, "kind" | "limits">> {
  readonly limits?: Partial<Configuration["limits"]>;
  /** Bytes. */
  readonly quota?: number;
}

/** A server that listens. */
export interface FtpServer {
  readonly port: number;
  /** The folder whose contents it serves. */
  readonly root: string;
  readonly log: LogLine[];
  readonly gateway: FtpGateway;
}

/** Starts one, for an anonymous operator unless told otherwise; `owner` ends it. */
export async function startFtpServer(owner: Owner, options: ServerOptions = {}): Promise<FtpServer> {
  const { limits, quota = 2 ** 31, ...rest } = options;
  const root = mkdtempSync(join(tmpdir(), "tether-ftp-"));
  const log: LogLine[] = [];
  const target = new Writable({
    write(line, _, done) {
      log.push(JSON.parse(String(line)) as LogLine);
      done();
    },
  });
  const files = new Files(root, quota);
  files.start();
  const ownLog = new Log(target, { readable: false });
  const gateway = new FtpGateway(
    {
      kind: "ftp",
      host: "127.0.0.1",
      port: 0,
      login: undefined,
      passivePorts: undefined,
      tls: undefined,
      allow: [],
      role: "operator",
      aliases: {},
      limits: {
        connections: 1024,
        connectionsPerAddress: 256,
        requestBytes: 1024 * 1024,
        idle: 600_000,
        ...limits,
      },
      ...rest,
    },
    { files, log: ownLog, refusals: new Refusals(ownLog) },
  );
  await gateway.start();
  owner.after(async () => {
    await gateway.stop(AbortSignal.abort());
    await files.stop();
    rmSync(root, { recursive: true, force: true });
  });
  const { facts } = gateway;
  return { port: "port" in facts ? facts.port : 0, root, log, gateway };
}
