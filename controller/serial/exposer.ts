import { createServer, type Server, type Socket } from "node:net";
import { asTetherError, COM_PORT, type TetherError } from "../../protocol/index.ts";
import type { Client } from "../client.ts";
import { connectAgain } from "../reconnection.ts";
import { serveExposedClient } from "./exposed-client.ts";
import type { RemotePortWish } from "./remote-com-port.ts";

/** What is exposed, and how. */
export interface ExposerOptions {
  readonly wish: RemotePortWish;
  /** Connects to the agent. */
  readonly connect: (signal: AbortSignal) => Promise<Client>;
  /** A client was not served, or no longer, or the agent is away. */
  readonly onFailed: (error: TetherError) => void;
  readonly signal: AbortSignal;
}

/** An RFC 2217 server on this machine for a port of an agent's. It outlives the connection to the agent. */
export class Exposer {
  readonly #options: ExposerOptions;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #agent: Promise<Client>;
  #isStopped = false;

  constructor(agent: Client, options: ExposerOptions) {
    this.#options = options;
    this.#agent = this.#watched(agent);
    this.#server = createServer({ noDelay: true, pauseOnConnect: true, keepAlive: true }, (socket) =>
      this.#arrive(socket),
    );
    this.#server.maxConnections = COM_PORT.clients;
  }

  /** Listens; gives where. Throws what stands in the way. */
  listen(host: string, port: number): Promise<{ readonly address: string; readonly port: number }> {
    return new Promise((resolve, reject) => {
      this.#server.once("error", (error) => reject(asTetherError(error)));
      this.#server.listen(port, host, () => {
        const bound = this.#server.address();
        resolve(typeof bound === "object" && bound !== null ? bound : { address: host, port });
      });
    });
  }

  /** Ends every connection and listens no more. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
    const agent = await this.#agent.catch(() => undefined);
    agent?.close();
  }

  #arrive(socket: Socket): void {
    this.#sockets.add(socket);
    socket.once("close", () => this.#sockets.delete(socket));
    const { wish, onFailed } = this.#options;
    void serveExposedClient(socket, { wish, agent: () => this.#connected(), onFailed });
  }

  /** The connection, made again where the last attempt has failed. */
  #connected(): Promise<Client> {
    this.#agent = this.#agent.catch(() => this.#again());
    return this.#agent;
  }

  async #watched(agent: Client): Promise<Client> {
    void agent.closed.then((reason) => {
      if (this.#isStopped) return;
      if (reason !== undefined) this.#options.onFailed(reason);
      this.#agent = this.#again();
      // Whoever connects next is told.
      this.#agent.catch(() => undefined);
    });
    return agent;
  }

  async #again(): Promise<Client> {
    const { connect, signal } = this.#options;
    return await this.#watched(await connectAgain(connect, signal));
  }
}
