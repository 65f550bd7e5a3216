import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { asTetherError, FTP_CLIENT, formatHostPort, TetherError } from "../../protocol/index.ts";
import type { HostPort } from "../host-port.ts";
import { type Reply, ReplyParser, refusal } from "./reply.ts";

/** FTP's control connection (RFC 959 §2.3): one command at a time, each answered by one or two replies. */
export class ControlConnection {
  #socket: Socket;
  readonly #host: string;
  readonly #where: string;
  #parser = new ReplyParser();
  readonly #replies: Reply[] = [];
  #wake: (() => void) | undefined;
  #failure: TetherError | undefined;
  #session: Buffer | undefined;

  private constructor(socket: Socket, { host, port }: HostPort) {
    this.#socket = socket;
    this.#host = host;
    this.#where = formatHostPort(host, port);
    this.#listen();
  }

  /** Connects and waits for the greeting. Throws `unreachable`, or what the server's refusal means. */
  static async open(address: HostPort, signal: AbortSignal): Promise<ControlConnection> {
    const socket = connectTcp({ ...address, noDelay: true, keepAlive: true });
    const control = new ControlConnection(socket, address);
    const greeting = await control.next(signal);
    // RFC 959 §5.4: 120 says that it will be ready in a while.
    const ready = greeting.code === 120 ? await control.next(signal) : greeting;
    if (ready.code !== 220) throw refusal(`cannot connect to ${control.#where}`, ready);
    return control;
  }

  /** True until the connection has ended. */
  get isOpen(): boolean {
    return this.#failure === undefined;
  }

  /** True once commands and data are protected (RFC 4217). */
  get isProtected(): boolean {
    return this.#socket !== undefined && "encrypted" in this.#socket;
  }

  /** This side's address, to be told to the server in PORT and EPRT. */
  get localAddress(): string {
    return this.#socket.localAddress ?? "127.0.0.1";
  }

  /** The server's address as connected: where data connections go to and come from. */
  get remoteAddress(): string {
    return this.#socket.remoteAddress ?? this.#host;
  }

  /**
   * Sends a command and gives the first reply to it.
   *
   * @throws TetherError `invalid` for a line break in an argument, which would be a second command
   */
  async send(command: string, signal: AbortSignal): Promise<Reply> {
    if (/[\r\n\0]/.test(command)) {
      throw new TetherError("invalid", "FTP cannot carry a name with a line break or a NUL in it");
    }
    if (this.#failure !== undefined) throw this.#failure;
    this.#replies.length = 0;
    this.#socket.write(`${command}\r\n`);
    return this.next(signal);
  }

  /** Sends a command that must succeed (2xx or 3xx); `what` begins the error otherwise. */
  async expect(command: string, what: string, signal: AbortSignal): Promise<Reply> {
    const reply = await this.send(command, signal);
    if (reply.code < 200 || reply.code >= 400) throw refusal(what, reply);
    return reply;
  }

  /** The next reply. Throws `timeout` when it does not come. */
  async next(signal: AbortSignal): Promise<Reply> {
    const settled = this.awaited(FTP_CLIENT.silence);
    try {
      return await this.#next(signal);
    } finally {
      settled();
    }
  }

  /** The reply that ends a command, whenever it comes: what only says that it goes on (1xx) is passed over. */
  async finalReply(signal: AbortSignal): Promise<Reply> {
    for (;;) {
      const reply = await this.#next(signal);
      if (reply.code >= 200) return reply;
    }
  }

  /** Ends the connection with `timeout` after so many milliseconds, unless what it gives is called before. */
  awaited(within: number): () => void {
    const late = new TetherError("timeout", `${this.#where} does not answer`);
    const timer = setTimeout(() => this.#socket.destroy(late), within);
    return () => clearTimeout(timer);
  }

  async #next(signal: AbortSignal): Promise<Reply> {
    for (;;) {
      const reply = this.#replies.shift();
      if (reply !== undefined) return reply;
      if (this.#failure !== undefined) throw this.#failure;
      signal.throwIfAborted();
      await this.#somethingHappens(signal);
    }
  }

  /** Protects the connection from here on (RFC 4217 §4). Throws `unauthorized` when the certificate is not trusted. */
  async protect(signal: AbortSignal): Promise<void> {
    await this.expect("AUTH TLS", "cannot protect the connection", signal);
    this.#socket.removeAllListeners();
    this.#socket = await this.secure(this.#socket, signal);
    this.#parser = new ReplyParser();
    this.#listen();
    await this.expect("PBSZ 0", "cannot protect the data", signal);
    await this.expect("PROT P", "cannot protect the data", signal);
  }

  /** Runs TLS over a connection to the server; one to carry data continues the control connection's session. */
  secure(socket: Socket, signal: AbortSignal): Promise<TLSSocket> {
    return new Promise((resolve, reject) => {
      const secured = connectTls({
        socket,
        host: this.#host,
        ...(this.#session && { session: this.#session }),
      });
      const onAbort = () => secured.destroy(asTetherError(signal.reason));
      signal.addEventListener("abort", onAbort, { once: true });
      // Servers such as vsftpd take data only from whoever resumes this session.
      secured.on("session", (session) => {
        this.#session = session;
      });
      secured.once("error", (error) => reject(certificateError(error, this.#where)));
      secured.once("secureConnect", () => {
        signal.removeEventListener("abort", onAbort);
        resolve(secured);
      });
    });
  }

  /** Ends the connection; QUIT is a courtesy whose answer nobody waits for. */
  close(): void {
    if (this.#failure === undefined) this.#socket.end("QUIT\r\n");
    this.#fail(new TetherError("unreachable", "the connection was closed"));
    setTimeout(() => this.#socket.destroy(), 200).unref();
  }

  #listen(): void {
    const socket = this.#socket;
    socket.setEncoding("utf8");
    socket.on("data", (text) => {
      try {
        for (const reply of this.#parser.push(String(text))) this.#replies.push(reply);
        if (this.#replies.length > FTP_CLIENT.replies) {
          throw new TetherError("limit", `${this.#where} sends replies that nobody has asked for`);
        }
      } catch (error) {
        socket.destroy(asTetherError(error));
      }
      this.#wake?.();
    });
    socket.on("error", (error) => {
      const { code, message } = asTetherError(error);
      const known = code === "internal" ? "unreachable" : code;
      this.#fail(error instanceof TetherError ? error : new TetherError(known, `${this.#where}: ${message}`));
    });
    socket.on("close", () =>
      this.#fail(new TetherError("unreachable", `${this.#where} closed the connection`)),
    );
  }

  #fail(reason: TetherError): void {
    this.#failure ??= reason;
    this.#wake?.();
  }

  async #somethingHappens(signal: AbortSignal): Promise<void> {
    await new Promise<void>((resolve) => {
      const wake = () => {
        signal.removeEventListener("abort", wake);
        resolve();
      };
      this.#wake = wake;
      signal.addEventListener("abort", wake);
    });
    this.#wake = undefined;
  }
}

function certificateError(error: Error, where: string): TetherError {
  if (error instanceof TetherError) return error;
  return new TetherError("unauthorized", `${where}: its certificate is not trusted: ${error.message}`, {
    cause: error,
    hint: "have NODE_EXTRA_CA_CERTS name a file with the certificate, if it is the right one",
  });
}
