import type { Socket } from "node:net";
import type { Follower } from "../../../firmware-bridge/index.ts";
import { asTetherError, COM_PORT, isHttp, TetherError } from "../../../protocol/index.ts";
import type { Lease, PortUse } from "../../devices/index.ts";
import { errorText } from "../request-text.ts";
import type { Arrival, PortClient, PortDoor } from "./client.ts";
import { endWith } from "./last-words.ts";

/** What a client reads and writes. */
export interface RawOptions {
  readonly device: string;
  /** Milliseconds of silence after which a client that has written no longer holds the port. */
  readonly lease: number;
}

/** A client that gets a device's bytes as they are. It holds the port from its first write on. */
export class RawClient implements PortClient {
  readonly done: Promise<void>;
  lastActive = performance.now();
  readonly #socket: Socket;
  readonly #arrival: Arrival;
  readonly #door: PortDoor;
  readonly #options: RawOptions;
  readonly #gone: Promise<void>;
  #follower: Follower | undefined;
  #lease: Lease | undefined;
  /** Bytes that the port has not taken yet. */
  #writing = 0;
  #isClogged = false;
  #hasSpoken = false;

  constructor(options: RawOptions, arrival: Arrival, door: PortDoor) {
    this.#options = options;
    this.#arrival = arrival;
    this.#door = door;
    this.#socket = arrival.socket;
    this.#gone = new Promise((resolve) => this.#socket.once("close", () => resolve()));
    this.#socket.on("error", () => this.#socket.destroy());
    this.done = this.#live();
  }

  end(reason: TetherError): void {
    this.#follower?.stop();
    endWith(this.#socket, `${errorText(reason)}\n`);
  }

  async #live(): Promise<void> {
    try {
      const use = await this.#door.devices.use({ port: this.#options.device, mayOpen: false });
      try {
        if (!this.#socket.destroyed) await this.#serve(use);
      } finally {
        await use.close();
      }
    } catch (thrown) {
      this.#refuse(asTetherError(thrown));
    }
    await this.#gone;
  }

  async #serve(use: PortUse): Promise<void> {
    const socket = this.#socket;
    const onOver = () => this.#refuse(asTetherError(use.signal.reason));
    use.signal.addEventListener("abort", onOver, { once: true });
    const follower = use.traffic.follow(() => this.#flush());
    this.#follower = follower;
    // One piece after the other, for the first of them waits for the port.
    let taking: Promise<void> | undefined;
    socket.on("data", (bytes: Buffer) => {
      taking = (taking ?? Promise.resolve()).then(() => this.#take(bytes, use));
      taking.catch((thrown: unknown) => this.#refuse(asTetherError(thrown)));
    });
    socket.on("drain", () => {
      this.#isClogged = false;
      this.#flush();
    });
    socket.resume();
    await this.#gone;
    use.signal.removeEventListener("abort", onOver);
    follower.stop();
    await taking?.catch(() => undefined);
    await this.#lease?.release();
  }

  /** Gives the client what has come, as long as it takes it; what it does not take in time is lost in the end. */
  #flush(): void {
    while (!this.#isClogged && !this.#socket.writableEnded) {
      const piece = this.#follower?.take(COM_PORT.piece);
      if (piece === undefined) return;
      this.lastActive = performance.now();
      this.#isClogged = !this.#socket.write(piece.bytes);
    }
  }

  async #take(bytes: Buffer, use: PortUse): Promise<void> {
    if (this.#socket.writableEnded) return;
    // Any page in a browser can make it send something to this machine.
    if (!this.#hasSpoken && isHttp(bytes.toString("latin1"))) {
      throw new TetherError("invalid", "this is a serial port, and no HTTP server");
    }
    this.#hasSpoken = true;
    this.lastActive = performance.now();
    this.#lease ??= await this.#hold(use);
    this.#lease.renew();
    this.#write(bytes, this.#lease);
  }

  async #hold(use: PortUse): Promise<Lease> {
    const { label: holder, origin } = this.#arrival;
    const ttl = this.#options.lease;
    this.#socket.pause();
    const lease = await use.take({ holder, origin, kind: "serial", mode: "write", ttl });
    this.#socket.resume();
    const onOver = () => {
      if (this.#lease === lease) this.#lease = undefined;
      const reason = asTetherError(lease.signal.reason);
      // Silence costs the port, and nothing more.
      if (reason.code !== "timeout") this.#refuse(reason);
    };
    lease.signal.addEventListener("abort", onOver, { once: true });
    return lease;
  }

  #write(bytes: Buffer, { port }: Lease): void {
    this.#writing += bytes.length;
    if (this.#writing > COM_PORT.writeAhead) this.#socket.pause();
    port.write(bytes).then(
      () => {
        this.#writing -= bytes.length;
        if (this.#writing <= COM_PORT.writeAhead) this.#socket.resume();
      },
      (thrown: unknown) => this.#refuse(asTetherError(thrown)),
    );
  }

  #refuse(error: TetherError): void {
    if (this.#socket.destroyed || this.#socket.writableEnded) return;
    this.#door.refuse(error, this.#arrival.origin);
    this.end(error);
  }
}
