import { connect, createServer, type Server, type Socket } from "node:net";
import { asTetherError, FTP, TetherError } from "../../../protocol/index.ts";
import { plainAddress } from "../../server/index.ts";
import { addressOf, listen } from "../listen.ts";
import type { DataPort } from "./data-port.ts";

/** A data connection that was arranged, for one transfer. */
export interface DataChannel {
  /** Makes it, or waits for it. Throws `unreachable` when it does not come about, and the signal's reason. */
  open(signal: AbortSignal): Promise<Socket>;
  /** Gives up what was arranged; what {@link open} gave stays. */
  close(): void;
}

/** The ports that the configuration has for passive mode. */
export interface PortRange {
  readonly from: number;
  readonly to: number;
}

/** Active mode: the client waits where PORT or EPRT says. */
export class ActiveChannel implements DataChannel {
  readonly #to: DataPort;
  readonly #from: string;

  /** `from` is the address that the client has connected to. */
  constructor(to: DataPort, from: string) {
    this.#to = to;
    this.#from = from;
  }

  async open(signal: AbortSignal): Promise<Socket> {
    const { address, port } = this.#to;
    const socket = connect({ host: address, port, localAddress: this.#from, noDelay: true });
    const opened = new Promise<Socket>((resolve, reject) => {
      socket.once("connect", () => resolve(socket));
      socket.once("error", (error) => reject(asTetherError(error)));
    });
    try {
      return await within(opened, signal);
    } catch (error) {
      socket.on("error", () => undefined);
      socket.destroy();
      throw error;
    }
  }

  close(): void {}
}

/** Passive mode: the client connects to a port of its own, and nobody else can. */
export class PassiveChannel implements DataChannel {
  readonly port: number;
  readonly #server: Server;
  readonly #arrived: Promise<Socket>;
  #taken = false;

  private constructor(server: Server, client: string) {
    this.#server = server;
    this.port = addressOf(server).port;
    this.#arrived = new Promise((resolve) => {
      server.on("connection", (socket) => {
        if (plainAddress(socket.remoteAddress) !== client) {
          socket.destroy();
          return;
        }
        server.close();
        // Whoever uses it hears of the end; until then a reset is nobody's concern.
        socket.on("error", () => undefined);
        resolve(socket);
      });
    });
    // Such as when no descriptor is left: the client asks again.
    server.on("error", () => undefined);
  }

  /**
   * Listens on a port of the range, or any that is free.
   *
   * @throws TetherError `busy` when no port of the range is free
   */
  static async listen(host: string, client: string, range: PortRange | undefined): Promise<PassiveChannel> {
    if (range === undefined) return new PassiveChannel(await listenOn(host, 0), client);
    const count = range.to - range.from + 1;
    // From anywhere in the range, so that nobody can say which port is the next one.
    const first = Math.floor(Math.random() * count);
    for (let n = 0; n < count; n++) {
      try {
        return new PassiveChannel(await listenOn(host, range.from + ((first + n) % count)), client);
      } catch (error) {
        if (asTetherError(error).code !== "busy") throw error;
      }
    }
    throw new TetherError("busy", `no port of ${range.from}-${range.to} is free`);
  }

  async open(signal: AbortSignal): Promise<Socket> {
    this.#taken = true;
    try {
      return await within(this.#arrived, signal);
    } catch (error) {
      this.#destroyLater();
      throw error;
    } finally {
      this.#server.close();
    }
  }

  close(): void {
    this.#server.close();
    if (!this.#taken) this.#destroyLater();
  }

  /** Whoever has connected, or just does, finds nobody. */
  #destroyLater(): void {
    void this.#arrived.then((socket) => socket.destroy());
  }
}

async function listenOn(host: string, port: number): Promise<Server> {
  const server = createServer({ pauseOnConnect: true, noDelay: true });
  await listen(server, { host, port, backlog: 1 });
  return server;
}

async function within(opened: Promise<Socket>, signal: AbortSignal): Promise<Socket> {
  const late = AbortSignal.timeout(FTP.dataConnection);
  const stop = AbortSignal.any([signal, late]);
  let onAbort = () => {};
  const stopped = new Promise<never>((_, reject) => {
    onAbort = () => reject(asTetherError(stop.reason));
    if (stop.aborted) onAbort();
    else stop.addEventListener("abort", onAbort, { once: true });
  });
  try {
    return await Promise.race([opened, stopped]);
  } catch (error) {
    if (signal.aborted) throw asTetherError(signal.reason);
    if (late.aborted) throw new TetherError("unreachable", "the data connection did not come about in time");
    throw error;
  } finally {
    stop.removeEventListener("abort", onAbort);
  }
}
