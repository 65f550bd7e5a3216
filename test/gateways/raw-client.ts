import { once } from "node:events";
import { connect, type NetConnectOpts, type Socket } from "node:net";

/** Milliseconds that anything may take on the slowest machine. */
const BOUND = 30_000;

/** A client that knows nothing but bytes. */
export class RawClient {
  readonly socket: Socket;
  /** What has come and was not taken. */
  received = "";
  /** True once the other side has ended, or the connection is gone. */
  ended = false;
  #look = () => {};

  constructor(socket: Socket) {
    this.socket = socket;
    socket.setEncoding("latin1");
    socket.on("data", (text: string) => {
      this.received += text;
      this.#look();
    });
    for (const event of ["end", "close"]) {
      socket.on(event, () => {
        this.ended = true;
        this.#look();
      });
    }
    socket.on("error", () => undefined);
  }

  /** Connects; `owner` ends it. */
  static async open(
    owner: { after(action: () => unknown): void },
    where: number | string,
    options: Partial<NetConnectOpts> = {},
  ): Promise<RawClient> {
    const target = typeof where === "number" ? { port: where, host: "127.0.0.1" } : { path: where };
    const socket = connect({ ...target, ...options } as NetConnectOpts);
    owner.after(() => socket.destroy());
    await once(socket, "connect");
    return new RawClient(socket);
  }

  send(bytes: string | Buffer): void {
    this.socket.write(bytes);
  }

  /** The next `count` bytes as UTF-8. */
  async take(count: number): Promise<string> {
    await this.#until(() => this.received.length >= count || this.ended, `${count} bytes`);
    const taken = this.received.slice(0, count);
    this.received = this.received.slice(count);
    return Buffer.from(taken, "latin1").toString();
  }

  /** The next line, without its newline. */
  async line(): Promise<string> {
    await this.#until(() => this.received.includes("\n") || this.ended, "a line");
    const end = this.received.indexOf("\n");
    if (end < 0) throw new Error(`the connection ended after ${JSON.stringify(this.received.slice(0, 200))}`);
    const line = await this.take(end);
    await this.take(1);
    return line;
  }

  /** Waits for the end; gives what came before it. */
  async end(): Promise<string> {
    await this.#until(() => this.ended, "the end");
    return this.take(this.received.length);
  }

  async #until(condition: () => boolean, what: string): Promise<void> {
    if (condition()) return;
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`waited in vain for ${what}; came: ${this.received.slice(0, 200)}`)),
        BOUND,
      );
      this.#look = () => {
        if (!condition()) return;
        clearTimeout(timer);
        this.#look = () => {};
        resolve();
      };
    });
  }
}

/** A block with its length before it. */
export function block(text: string | Buffer): Buffer {
  const bytes = Buffer.from(text as string);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}
