import type { Socket } from "node:net";
import type { Readable, Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { asTetherError, type ErrorCode, FTP_CLIENT, TetherError } from "../../protocol/index.ts";
import type { HostPort } from "../host-port.ts";
import type { RemoteEntry } from "../shell/backend.ts";
import { ControlConnection } from "./control-connection.ts";
import { arrange } from "./data-connection.ts";
import { readFacts, readFactsListing, readPlainListing, readTime } from "./listing.ts";
import { refusal } from "./reply.ts";

/** How to reach a server, and as whom. */
export interface FtpOptions {
  readonly address: HostPort;
  readonly user: string;
  readonly password: string;
  /** Whether we connect for data; the server does otherwise, as RFC 959 has it. */
  readonly passive: boolean;
  /** Whether commands and data are protected (RFC 4217). */
  readonly tls: boolean;
}

/** An FTP server that has let us in: one command at a time, in the order of the calls. */
export class FtpClient {
  readonly #options: FtpOptions;
  #control: ControlConnection;
  #features: ReadonlySet<string> = new Set();

  private constructor(options: FtpOptions, control: ControlConnection) {
    this.#options = options;
    this.#control = control;
  }

  /** Connects and logs in. Throws `unreachable`, or `unauthorized` when the server does not let us in. */
  static async open(options: FtpOptions, signal: AbortSignal): Promise<FtpClient> {
    const client = new FtpClient(options, await ControlConnection.open(options.address, signal));
    try {
      await client.#logIn(signal);
    } catch (error) {
      client.close();
      throw error;
    }
    return client;
  }

  /** True until the connection has ended. */
  get isOpen(): boolean {
    return this.#control.isOpen;
  }

  /** Connects again, after the connection was lost. */
  async reopen(signal: AbortSignal): Promise<void> {
    this.#control.close();
    this.#control = await ControlConnection.open(this.#options.address, signal);
    await this.#logIn(signal);
  }

  /** The entries of a folder, by MLSD where the server has it (RFC 3659 §7), else by LIST. */
  async list(path: string, signal: AbortSignal): Promise<RemoteEntry[]> {
    const exact = this.#features.has("MLST") || this.#features.has("MLSD");
    try {
      return await this.#entries(path, exact, signal);
    } catch (thrown) {
      // RFC 3659 §7.2.1 has 501 for what is no folder, and some have it for what is not there.
      if (exact && asTetherError(thrown).code === "invalid") await this.stat(path, signal);
      throw thrown;
    }
  }

  async #entries(path: string, exact: boolean, signal: AbortSignal): Promise<RemoteEntry[]> {
    // LIST takes options for paths on many servers; from inside the folder it needs no argument.
    if (!exact) await this.#control.expect(`CWD ${path}`, path, signal);
    const text = await this.#readText(exact ? `MLSD ${path}` : "LIST -a", path, signal);
    const entries = exact ? readFactsListing(text) : readPlainListing(text);
    return entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** What a path is. Throws `not-found`. */
  async stat(path: string, signal: AbortSignal): Promise<RemoteEntry> {
    const name = path.slice(path.lastIndexOf("/") + 1);
    if (this.#features.has("MLST")) {
      const { lines } = await this.#control.expect(`MLST ${path}`, path, signal);
      const facts = readFacts((lines[1] ?? "").trimStart());
      if (facts !== undefined) return { ...facts, name };
    }
    const size = await this.size(path, signal);
    if (size !== undefined) {
      const modified = await this.#modified(path, signal);
      return { name, type: "file", size, ...(modified !== undefined && { modified }) };
    }
    await this.#control.expect(`CWD ${path}`, path, signal);
    return { name, type: "directory", size: 0 };
  }

  /** Bytes of a file as it would be sent (RFC 3659 §4); undefined when the server does not say. */
  async size(path: string, signal: AbortSignal): Promise<number | undefined> {
    const reply = await this.#control.send(`SIZE ${path}`, signal);
    const size = Number(reply.lines[0]);
    return reply.code === 213 && Number.isSafeInteger(size) ? size : undefined;
  }

  /** Reads a file from byte `offset` on (RFC 3659 §5); `moved` is told of the bytes as they come. */
  async retrieve(
    path: string,
    offset: number,
    target: Writable,
    signal: AbortSignal,
    moved: (bytes: number) => void,
  ): Promise<void> {
    await this.#transfer(`RETR ${path}`, offset, path, signal, (socket) => {
      socket.on("data", (bytes: Buffer) => moved(bytes.length));
      return pipeline(socket, target, { signal });
    });
  }

  /** Writes a file from byte `offset` on: what is there before it stays; `moved` is told of the bytes as they go. */
  async store(
    path: string,
    offset: number,
    source: Readable,
    signal: AbortSignal,
    moved: (bytes: number) => void,
  ): Promise<void> {
    await this.#transfer(`STOR ${path}`, offset, path, signal, (socket) => {
      source.on("data", (bytes: Buffer) => moved(bytes.length));
      return pipeline(source, socket, { signal });
    });
  }

  async makeFolder(path: string, signal: AbortSignal): Promise<void> {
    await this.#control.expect(`MKD ${path}`, path, signal);
  }

  async removeFile(path: string, signal: AbortSignal): Promise<void> {
    await this.#control.expect(`DELE ${path}`, path, signal);
  }

  /** Removes an empty folder. */
  async removeFolder(path: string, signal: AbortSignal): Promise<void> {
    await this.#control.expect(`RMD ${path}`, path, signal);
  }

  async rename(from: string, to: string, signal: AbortSignal): Promise<void> {
    await this.#control.expect(`RNFR ${from}`, from, signal);
    await this.#control.expect(`RNTO ${to}`, to, signal);
  }

  /** What the server says it runs on (RFC 959 §4.1.3). */
  async system(signal: AbortSignal): Promise<string> {
    const { lines } = await this.#control.expect("SYST", "its system", signal);
    return lines.join("\n");
  }

  /** The folder that the server put us in. */
  async workingFolder(signal: AbortSignal): Promise<string> {
    const { lines } = await this.#control.expect("PWD", "the folder", signal);
    // RFC 959 §4.1.3 with its appendix II: a quote inside is doubled.
    const match = /"((?:[^"]|"")*)"/.exec(lines.join(" "));
    return match?.[1]?.replaceAll('""', '"') ?? "/";
  }

  close(): void {
    this.#control.close();
  }

  async #logIn(signal: AbortSignal): Promise<void> {
    const { user, password, tls } = this.#options;
    if (tls) await this.#control.protect(signal);
    let reply = await this.#control.send(`USER ${user}`, signal);
    if (reply.code === 331) reply = await this.#control.send(`PASS ${password}`, signal);
    if (reply.code === 332) throw refusal("the server wants an account, which is not supported", reply);
    if (reply.code !== 230 && reply.code !== 202) throw refusal(`cannot log in as ${user}`, reply);
    const features = await this.#control.send("FEAT", signal);
    if (features.code === 211) {
      const names = features.lines.map((line) => line.trim().split(/[ ;]/)[0]?.toUpperCase() ?? "");
      this.#features = new Set(names);
    }
    if (this.#features.has("UTF8")) await this.#control.send("OPTS UTF8 ON", signal);
    await this.#control.expect("TYPE I", "binary type", signal);
  }

  async #modified(path: string, signal: AbortSignal): Promise<string | undefined> {
    const reply = await this.#control.send(`MDTM ${path}`, signal);
    return reply.code === 213 ? readTime(reply.lines[0] ?? "") : undefined;
  }

  async #readText(command: string, what: string, signal: AbortSignal): Promise<string> {
    const chunks: Buffer[] = [];
    let bytes = 0;
    await this.#transfer(command, 0, what, signal, async (socket) => {
      for await (const chunk of socket as AsyncIterable<Buffer>) {
        bytes += chunk.length;
        if (bytes > FTP_CLIENT.listing) {
          throw new TetherError("limit", `${what}: a listing of more than ${FTP_CLIENT.listing} bytes`);
        }
        chunks.push(chunk);
      }
    });
    return Buffer.concat(chunks).toString("utf8");
  }

  /** Moves data on a connection of its own. It is done when the data has ended and the server has said 226 or 250. */
  async #transfer(
    command: string,
    offset: number,
    what: string,
    signal: AbortSignal,
    move: (socket: Socket) => Promise<void>,
  ): Promise<void> {
    const control = this.#control;
    const data = await arrange(control, this.#options.passive, signal);
    let socket: Socket | undefined;
    /** False while a reply may still be on its way: a command sent then would take it for its own. */
    let answered = true;
    try {
      if (offset > 0)
        await control.expect(`REST ${offset}`, "the server cannot go on where it stopped", signal);
      // Passive mode: the server may wait for the connection before it says 150.
      const opening = this.#options.passive ? data.open(signal) : undefined;
      opening?.catch(() => undefined);
      answered = false;
      const started = await control.send(command, signal);
      answered = started.code >= 200;
      if (started.code >= 400) throw refusal(what, started);
      socket = await (opening ?? data.open(signal));
      const moving = move(socket);
      if (answered) {
        await moving;
        return;
      }
      const arrived = socket;
      const ended = control.finalReply(signal).then((reply) => {
        answered = true;
        if (reply.code < 300) return;
        // What breaks now breaks because of it.
        arrived.destroy();
        throw refusal(what, reply);
      });
      await this.#bothEnd(moving, ended);
    } catch (error) {
      if (!answered) control.close();
      throw signal.aborted ? asTetherError(signal.reason) : error;
    } finally {
      data.abandon();
      socket?.destroy();
    }
  }

  /** Waits for the data to end and for what the server says to that, whichever comes first. */
  async #bothEnd(moving: Promise<void>, ended: Promise<void>): Promise<void> {
    ended.catch(() => undefined);
    const broken = await moving.then(
      () => undefined,
      (error: unknown) => ({ error }),
    );
    // The server may have to bring a file to its disk; or it says why it broke the data off.
    const settled = this.#control.awaited(broken === undefined ? FTP_CLIENT.settling : FTP_CLIENT.reason);
    try {
      await ended;
    } catch (thrown) {
      const isReason = broken === undefined || !LOST.includes(asTetherError(thrown).code);
      if (isReason) throw thrown;
    } finally {
      settled();
    }
    if (broken === undefined) return;
    // Only the data was lost, but what else goes this way is as likely to be.
    if (LOST.includes(asTetherError(broken.error).code)) this.#control.close();
    throw broken.error;
  }
}

/** Codes of what the network does. */
const LOST: readonly ErrorCode[] = ["unreachable", "timeout"];
