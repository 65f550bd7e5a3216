import { once } from "node:events";
import { type AddressInfo, createServer, connect as dial, type Socket } from "node:net";
import type { Owner } from "../agent-process.ts";

/** A TCP link to an agent that can be cut, with all that is on its way. */
export class CuttingLink {
  readonly port: number;
  /** Connections cut so far. */
  cuts = 0;
  /** Called with the number of bytes that are about to be carried, either way. */
  onCarry: (bytes: number) => void = () => undefined;
  /** Where new connections lead. */
  target: number;
  readonly #sockets = new Set<Socket>();

  private constructor(port: number, target: number) {
    this.port = port;
    this.target = target;
  }

  static async start(owner: Owner, target: number): Promise<CuttingLink> {
    const server = createServer((socket) => link.#join(socket));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const link = new CuttingLink((server.address() as AddressInfo).port, target);
    owner.after(() => {
      server.close();
      for (const socket of link.#sockets) socket.destroy();
    });
    return link;
  }

  /** Breaks every connection off. */
  cut(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
    this.cuts++;
  }

  #join(here: Socket): void {
    const there = dial({ port: this.target, host: "127.0.0.1", noDelay: true });
    for (const [from, to] of [
      [here, there],
      [there, here],
    ] as const) {
      this.#sockets.add(from);
      from.on("error", () => undefined);
      from.on("close", () => {
        this.#sockets.delete(from);
        to.destroy();
      });
      from.on("data", (bytes) => {
        this.onCarry(bytes.length);
        to.write(bytes);
      });
    }
  }
}
