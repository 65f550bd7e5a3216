import { createServer, type Server, type Socket } from "node:net";
import { asTetherError, FORWARD, TetherError, WIRE } from "../../protocol/index.ts";
import type { Client } from "../client.ts";

/** A port of this machine that leads to one of the agent's. */
export class Forwarder {
  readonly #client: Client;
  readonly #port: number;
  readonly #onFailed: (error: TetherError) => void;
  readonly #sockets = new Set<Socket>();
  readonly #server: Server;

  /** `port` is the agent's; `onFailed` hears of connections that could not be made there. */
  constructor(client: Client, port: number, onFailed: (error: TetherError) => void) {
    this.#client = client;
    this.#port = port;
    this.#onFailed = onFailed;
    this.#server = createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true }, (socket) =>
      this.#forward(socket),
    );
    this.#server.maxConnections = FORWARD.connections;
  }

  /** Listens on 127.0.0.1, on any free port where `local` is 0; gives the port. */
  listen(local: number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.once("error", (error) => reject(asTetherError(error)));
      this.#server.listen(local, "127.0.0.1", () => {
        const address = this.#server.address();
        resolve(typeof address === "object" && address !== null ? address.port : local);
      });
    });
  }

  /** Ends every connection and listens no more. */
  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #forward(socket: Socket): void {
    this.#sockets.add(socket);
    socket.once("close", () => this.#sockets.delete(socket));
    socket.on("error", () => undefined);
    let waiting = 0;
    try {
      const stream = this.#client.stream("forward", JSON.stringify({ port: this.#port }), {
        onData: (bytes) => socket.write(bytes, () => stream.consumed(bytes.length)),
        onEnd: () => socket.end(),
        onReset: (error) => {
          if (!socket.destroyed) this.#onFailed(error);
          // The other side's abort is one here too (RFC 9293 §3.10.5).
          socket.resetAndDestroy();
        },
        onDrain() {
          waiting = 0;
          socket.resume();
        },
      });
      stream.grant(FORWARD.window - WIRE.initialWindow);
      socket.on("data", (bytes) => {
        stream.sendData(bytes);
        waiting += bytes.length;
        if (waiting >= FORWARD.waiting) socket.pause();
      });
      socket.on("end", () => stream.end());
      socket.once("close", () => {
        if (!stream.isOver) stream.reset(new TetherError("cancelled", "the connection was closed"));
      });
      socket.resume();
    } catch (error) {
      this.#onFailed(asTetherError(error));
      socket.destroy();
    }
  }
}
