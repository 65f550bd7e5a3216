import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type ConnectionOptions, connect, type TLSSocket } from "node:tls";
import { newIdentityBundle } from "../../protocol/index.ts";
import { type RawFrame, rawHello, splitFrames, TYPE } from "./raw-frames.ts";

/** Key and certificate of a controller, both PEM in one text. */
export function identityOf(home: string): string {
  return readFileSync(join(home, "key.pem"), "utf8");
}

/** A key that nobody knows. */
export function strangerIdentity(): string {
  return newIdentityBundle("controller");
}

/** A controller that sends what it is told to, byte by byte, over real TLS. */
export class RawController {
  readonly socket: TLSSocket;
  /** What has come and was not taken yet. */
  readonly frames: RawFrame[] = [];
  #rest: Buffer = Buffer.alloc(0);
  #look: () => void = () => undefined;

  private constructor(socket: TLSSocket) {
    this.socket = socket;
    socket.on("error", () => undefined);
    socket.on("close", () => this.#look());
    socket.on("data", (chunk: Buffer) => {
      const { frames, rest } = splitFrames(Buffer.concat([this.#rest, chunk]));
      this.#rest = Buffer.from(rest);
      this.frames.push(...frames);
      this.#look();
    });
  }

  /** Connects; rejects when the handshake fails. `identity` is PEM; absent: no certificate. */
  static async connect(
    port: number,
    identity: string | undefined,
    options: ConnectionOptions = {},
  ): Promise<RawController> {
    const socket = connect({
      host: "127.0.0.1",
      port,
      ...(identity !== undefined && { key: identity, cert: identity }),
      ca: [],
      rejectUnauthorized: false,
      ALPNProtocols: ["tether"],
      ...options,
    });
    const secured = once(socket, "secureConnect");
    await secured;
    return new RawController(socket);
  }

  get isClosed(): boolean {
    return this.socket.destroyed;
  }

  /** Sends HELLO. */
  greet(): this {
    return this.send(rawHello());
  }

  send(...chunks: readonly Uint8Array[]): this {
    for (const chunk of chunks) if (!this.socket.destroyed) this.socket.write(chunk);
    return this;
  }

  /**
   * Takes the first frame that fits out of those that came, or waits for it; undefined when the connection ends
   * before. Throws after `bound` ms.
   */
  async frame(fits: (frame: RawFrame) => boolean, bound = 20_000): Promise<RawFrame | undefined> {
    let timer: NodeJS.Timeout | undefined;
    try {
      return await new Promise((resolve, reject) => {
        timer = setTimeout(() => reject(new Error(`no such frame within ${bound} ms`)), bound);
        this.#look = () => {
          const index = this.frames.findIndex(fits);
          if (index >= 0) resolve(this.frames.splice(index, 1)[0]);
          else if (this.socket.destroyed) resolve(undefined);
        };
        this.#look();
      });
    } finally {
      clearTimeout(timer);
      this.#look = () => undefined;
    }
  }

  /** The next frame of a type on a stream. */
  next(type: number, stream = 0): Promise<RawFrame | undefined> {
    return this.frame((frame) => frame.type === type && frame.stream === stream);
  }

  /** Waits until the agent has ended the connection; gives its CLOSE if it sent one. */
  async closed(): Promise<RawFrame | undefined> {
    const last = await this.next(TYPE.close);
    if (!this.socket.destroyed) await once(this.socket, "close");
    return last;
  }

  destroy(): void {
    this.socket.destroy();
  }
}
