import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { buffer } from "node:stream/consumers";
import type { Owner } from "../agent-process.ts";
import { until } from "../firmware-bridge/until.ts";

/** One reply: its code, and all its text. */
export interface RawReply {
  readonly code: number;
  readonly text: string;
}

/** An FTP client that says what a test wants, byte by byte if need be. */
export class RawFtp {
  readonly socket: Socket;
  /** What came and was not taken. */
  received = "";
  /** True once nothing comes any more. */
  isClosed = false;
  readonly #owner: Owner;

  private constructor(socket: Socket, owner: Owner) {
    this.socket = socket;
    this.#owner = owner;
    socket.setEncoding("utf8");
    socket.on("data", (text: string) => {
      this.received += text;
    });
    socket.on("error", () => undefined);
    for (const event of ["end", "close"]) {
      socket.on(event, () => {
        this.isClosed = true;
      });
    }
  }

  /** Connects and takes the greeting. */
  static async connect(owner: Owner, port: number, host = "127.0.0.1"): Promise<RawFtp> {
    const socket = connect({ port, host, allowHalfOpen: true, noDelay: true });
    owner.after(() => socket.destroy());
    await once(socket, "connect");
    const client = new RawFtp(socket, owner);
    await client.reply();
    return client;
  }

  /** Connects and logs in. */
  static async logIn(owner: Owner, port: number, user = "anonymous", password = "x"): Promise<RawFtp> {
    const client = await RawFtp.connect(owner, port);
    await client.expect(331, `USER ${user}`);
    await client.expect(230, `PASS ${password}`);
    await client.expect(200, "TYPE I");
    return client;
  }

  send(bytes: string | Buffer): void {
    this.socket.write(bytes);
  }

  /** The next reply. */
  async reply(): Promise<RawReply> {
    const find = () =>
      /^(\d{3}) [^\n]*\r\n/.exec(this.received) ?? /^(\d{3})-[\s\S]*?\r\n\1 [^\n]*\r\n/.exec(this.received);
    await until(() => find() !== null || this.isClosed, "a reply");
    const match = find();
    if (match === null) throw new Error(`no reply but ${JSON.stringify(this.received)}`);
    this.received = this.received.slice(match[0].length);
    return { code: Number(match[1]), text: match[0] };
  }

  /** Sends a command and gives its reply. */
  command(line: string): Promise<RawReply> {
    this.send(`${line}\r\n`);
    return this.reply();
  }

  /** Sends a command whose reply must have this code; gives its text. */
  async expect(code: number, line: string): Promise<string> {
    const { code: got, text } = await this.command(line);
    if (got !== code) throw new Error(`${line}: ${text.trim()}, not ${code}`);
    return text;
  }

  /** Arranges a passive data connection and makes it. */
  async passive(): Promise<Socket> {
    const text = await this.expect(229, "EPSV");
    const port = Number(/\(\|\|\|(\d+)\|\)/.exec(text)?.[1]);
    const socket = connect({ port, host: this.socket.remoteAddress ?? "", allowHalfOpen: true });
    this.#owner.after(() => socket.destroy());
    socket.on("error", () => undefined);
    await once(socket, "connect");
    return socket;
  }

  /** Arranges an active data connection; gives the one that the server makes. */
  async active(): Promise<{ readonly arrived: Promise<Socket> }> {
    const server = createServer();
    this.#owner.after(() => server.close());
    const arrived = once(server, "connection").then(([socket]) => {
      server.close();
      return socket as Socket;
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as { port: number };
    await this.expect(200, `PORT 127,0,0,1,${port >> 8},${port & 255}`);
    return { arrived };
  }

  /** Reads what a command sends over a data connection; gives it when the server has said 226. */
  async download(line: string): Promise<Buffer> {
    const socket = await this.passive();
    const content = buffer(socket);
    await this.expect(150, line);
    const result = await content;
    socket.end();
    const { code, text } = await this.reply();
    if (code !== 226) throw new Error(`${line}: ${text.trim()}`);
    return result;
  }

  /** Sends content over a data connection; gives the code at its end. */
  async upload(line: string, content: string | Buffer): Promise<number> {
    const socket = await this.passive();
    await this.expect(150, line);
    socket.end(content);
    return (await this.reply()).code;
  }
}
