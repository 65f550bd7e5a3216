import { stat } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import type { SecureContext } from "node:tls";
import { asTetherError, FTP, GATEWAYS } from "../../../protocol/index.ts";
import { Places, plainAddress, type Release } from "../../server/index.ts";
import type { Gateway, GatewayCounts, GatewayFacts, GatewayServices } from "../gateway.ts";
import { addressOf, listen } from "../listen.ts";
import { Attempts } from "./attempts.ts";
import { BrokenUploads } from "./broken-uploads.ts";
import type { FtpConfiguration, FtpDoor } from "./client.ts";
import { CommandTally } from "./command-tally.ts";
import { replyText } from "./reply.ts";
import { Session } from "./session.ts";
import { readSecureContext } from "./tls.ts";

/** What a password file should not have: any permission of everybody, write permission of the group (inode(7)). */
const OTHERS_USE = 0o027;

/** What the server needs of the agent's other rooms. */
type FtpServices = Pick<GatewayServices, "files" | "log" | "refusals">;

/** The agent's files over FTP (RFC 959, 2389, 2428, 3659 and 4217). */
export class FtpGateway implements Gateway {
  readonly #configuration: FtpConfiguration;
  readonly #services: FtpServices;
  readonly #places: Places;
  readonly #broken = new BrokenUploads();
  readonly #tally = new CommandTally();
  readonly #sessions = new Set<Session>();
  #secureContext: SecureContext | undefined;
  #facts: GatewayFacts;
  #server: Server | undefined;

  constructor(configuration: FtpConfiguration, services: FtpServices) {
    this.#configuration = configuration;
    this.#services = services;
    this.#places = new Places({ ...configuration.limits, unpaired: 0 });
    this.#facts = { kind: "ftp", address: configuration.host, port: configuration.port };
  }

  get facts(): GatewayFacts {
    return this.#facts;
  }

  get counts(): GatewayCounts {
    return { connections: this.#sessions.size, calls: this.#tally.count, errors: this.#tally.errors };
  }

  get caution(): string | undefined {
    const { login, role, tls } = this.#configuration;
    if (login === undefined) {
      const may = role === "viewer" ? "read" : "read, change and remove";
      return `asks nobody who he is: everybody who reaches it may ${may} all files`;
    }
    return tls === undefined
      ? "takes a password without TLS: who listens on the network learns it, and sees the files"
      : undefined;
  }

  async start(): Promise<void> {
    await this.refresh();
    const { host, port, login } = this.#configuration;
    if (login !== undefined) await this.#lookAtPassword(login.passwordFile);
    const server = createServer({ allowHalfOpen: true, noDelay: true, keepAlive: true });
    await listen(server, { host, port, backlog: GATEWAYS.backlog });
    this.#facts = { kind: "ftp", ...addressOf(server) };
    const { files, log, refusals } = this.#services;
    const door: FtpDoor = {
      configuration: this.#configuration,
      files,
      log,
      refusals,
      attempts: new Attempts(),
      broken: this.#broken,
      tally: this.#tally,
      secureContext: () => this.#secureContext,
    };
    server.on("connection", (socket) => this.#arrive(socket, door));
    // Such as when no descriptor is left for a connection.
    server.on("error", (error) => this.#note(error.message, host));
    this.#server = server;
  }

  /** Reads the certificate again; connections that are open stay. */
  async refresh(): Promise<void> {
    const { tls } = this.#configuration;
    if (tls !== undefined) this.#secureContext = await readSecureContext(tls);
  }

  async stop(signal: AbortSignal): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    this.#server = undefined;
    server.close();
    const sessions = [...this.#sessions];
    for (const session of sessions) session.drain();
    const end = () => {
      for (const session of sessions) session.destroy();
    };
    if (signal.aborted) end();
    else signal.addEventListener("abort", end, { once: true });
    await Promise.all(sessions.map(({ done }) => done));
    signal.removeEventListener("abort", end);
    await this.#broken.close();
  }

  /** Tells the owner now what he would else only learn from those who cannot log in, or can. */
  async #lookAtPassword(path: string): Promise<void> {
    const facts = await stat(path).catch(() => undefined);
    const { log } = this.#services;
    if (facts === undefined) {
      log.warn("ftp-password", `nobody can log in over FTP: there is no ${path}`, { kind: "ftp" });
    } else if ((facts.mode & OTHERS_USE) !== 0) {
      log.warn("ftp-password", `other users of this machine may use ${path}; better: chmod 600`, {
        kind: "ftp",
      });
    }
  }

  #arrive(socket: Socket, door: FtpDoor): void {
    const address = plainAddress(socket.remoteAddress);
    let release: Release;
    try {
      release = this.#place(address);
    } catch (thrown) {
      const { message } = asTetherError(thrown);
      this.#note(message, address);
      socket.on("error", () => undefined);
      socket.end(replyText(421, message));
      setTimeout(() => socket.destroy(), FTP.farewell).unref();
      return;
    }
    const session = new Session(socket, door);
    this.#sessions.add(session);
    void session.done.then(() => {
      this.#sessions.delete(session);
      release();
    });
    session.start();
  }

  #place(address: string): Release {
    const ofAll = this.#places.take("paired");
    try {
      const ofAddress = this.#places.takeAddress(address);
      return () => {
        ofAddress();
        ofAll();
      };
    } catch (error) {
      ofAll();
      throw error;
    }
  }

  #note(message: string, address: string): void {
    this.#services.refusals.note(
      "gateway-refused",
      `the ftp gateway: ${message}`,
      { kind: "ftp", address },
      performance.now(),
    );
  }
}
