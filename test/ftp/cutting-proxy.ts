import { once } from "node:events";
import { type AddressInfo, createServer, connect as dial, type Server, type Socket } from "node:net";
import type { Owner } from "../agent-process.ts";

/**
 * Stands between a client in passive mode and its server: carries the control connection, answers EPSV and PASV
 * with ports of its own, and cuts everything when so much data has gone through.
 */
export class CuttingProxy {
  readonly port: number;
  /** Bytes of data that went through. */
  carried = 0;
  cuts = 0;
  readonly #target: number;
  readonly #servers = new Set<Server>();
  readonly #sockets = new Set<Socket>();
  #left = Number.POSITIVE_INFINITY;
  #untilStall = Number.POSITIVE_INFINITY;
  #staysCut = false;
  #isCut = false;

  private constructor(control: Server, target: number) {
    this.port = (control.address() as AddressInfo).port;
    this.#target = target;
    control.on("connection", (client) => this.#control(client));
  }

  static async start(owner: Owner, target: number): Promise<CuttingProxy> {
    const server = createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const proxy = new CuttingProxy(server, target);
    owner.after(() => {
      server.close();
      for (const one of proxy.#servers) one.close();
      for (const socket of proxy.#sockets) socket.destroy();
    });
    return proxy;
  }

  /** Cuts all connections after so many more bytes of data; `stayCut` refuses new ones too. */
  cutAfter(bytes: number, { stayCut = false } = {}): void {
    this.#left = bytes;
    this.#staysCut = stayCut;
  }

  /** Carries no more data after so many more bytes; the connections stay. */
  stallAfter(bytes: number): void {
    this.#untilStall = bytes;
  }

  #control(client: Socket): void {
    const server = this.#join(client, this.#target);
    if (server === undefined) return;
    client.on("data", (bytes) => server.write(bytes));
    let rest = "";
    let work = Promise.resolve();
    server.setEncoding("utf8").on("data", (text: string) => {
      rest += text;
      const end = rest.lastIndexOf("\n") + 1;
      const lines = rest.slice(0, end);
      rest = rest.slice(end);
      work = work.then(async () => {
        client.write(await this.#withOwnPort(lines));
      });
    });
  }

  async #withOwnPort(lines: string): Promise<string> {
    const extended = /^229 .*\(\|\|\|(\d+)\|\)/m.exec(lines);
    const plain = /^227 .*?(\d+),(\d+)\)/m.exec(lines);
    const port = extended !== null ? Number(extended[1]) : Number(plain?.[1]) * 256 + Number(plain?.[2]);
    if (Number.isNaN(port)) return lines;
    const server = createServer();
    this.#servers.add(server);
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    server.on("connection", (client) => {
      server.close();
      this.#data(client, port);
    });
    const own = (server.address() as AddressInfo).port;
    return extended !== null
      ? `229 here (|||${own}|)\r\n`
      : `227 here (127,0,0,1,${own >> 8},${own & 255})\r\n`;
  }

  #data(client: Socket, port: number): void {
    const server = this.#join(client, port);
    if (server === undefined) return;
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      from.on("data", (bytes: Buffer) => {
        this.carried += bytes.length;
        this.#left -= bytes.length;
        if (this.#left <= 0) {
          this.#cut();
          return;
        }
        this.#untilStall -= bytes.length;
        if (this.#untilStall <= 0) {
          from.pause();
          return;
        }
        if (to.write(bytes)) return;
        from.pause();
        to.once("drain", () => from.resume());
      });
      from.on("end", () => to.end());
    }
  }

  #join(client: Socket, port: number): Socket | undefined {
    client.on("error", () => undefined);
    if (this.#isCut) {
      client.resetAndDestroy();
      return undefined;
    }
    const server = dial({ port, host: "127.0.0.1", noDelay: true });
    server.on("error", () => undefined);
    for (const [one, other] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#sockets.add(one);
      one.on("close", () => {
        this.#sockets.delete(one);
        other.destroySoon();
      });
    }
    return server;
  }

  #cut(): void {
    this.#left = Number.POSITIVE_INFINITY;
    this.#isCut = this.#staysCut;
    for (const socket of this.#sockets) socket.resetAndDestroy();
    this.cuts++;
  }
}
