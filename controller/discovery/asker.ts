import { createSocket, type Socket } from "node:dgram";
import { lookup } from "node:dns/promises";
import { once } from "node:events";
import { isIP } from "node:net";
import {
  ALL_NODES_GROUP,
  broadcastAddress,
  DISCOVERY,
  DISCOVERY_GROUP,
  isLoopback,
} from "../../protocol/index.ts";
import { type Interfaces, interfaceZones } from "./interface-zones.ts";

export interface AskerOptions {
  /** UDP port of the agents. */
  readonly port: number;
  /** Host names or addresses to ask besides, broadcast addresses among them. */
  readonly targets: readonly string[];
  /** Agents known from before. */
  readonly known: readonly { readonly address: string; readonly port: number }[];
  /** Gives the interfaces to ask on, as they are now. */
  readonly interfaces: () => Interfaces;
  /** Takes each datagram that comes back, and the address it came from. */
  readonly onDatagram: (bytes: Buffer, source: string) => void;
  /** Takes a target whose name leads to no address. */
  readonly onUnresolved: (target: string) => void;
}

/**
 * Sends questions over every path that may lead to an agent: from a socket bound to each interface's address to
 * the network's own broadcast address and to 255.255.255.255, over loopback, over IPv6 multicast on each
 * interface, and to single addresses.
 */
export class Asker {
  readonly #options: AskerOptions;
  /** By local address; `0.0.0.0` and `::` are the ones for single addresses and multicast. */
  readonly #sockets = new Map<string, Socket>();
  readonly #single = new Map<string, { readonly address: string; readonly port: number }>();
  readonly #joined = new Set<string>();
  #latest: Buffer | undefined;
  #stopped = false;

  constructor(options: AskerOptions) {
    this.#options = options;
  }

  /** Starts to look targets up; nothing is asked yet. */
  start(): void {
    const { known, port, targets } = this.#options;
    for (const { address, port: knownPort } of known) {
      this.#addSingle(address, knownPort);
      this.#addSingle(address, port);
    }
    for (const target of targets) void this.#resolve(target);
  }

  stop(): void {
    this.#stopped = true;
    for (const socket of this.#sockets.values()) socket.close();
    this.#sockets.clear();
  }

  /** Sends this question over every path there is now, those of new interfaces included. */
  async ask(question: Buffer): Promise<void> {
    this.#latest = question;
    const { port } = this.#options;
    const present = this.#options.interfaces();
    const all = Object.values(present).flatMap((infos) => infos ?? []);
    const interfaces = all.filter((info) => info.family === "IPv4").slice(0, DISCOVERY.interfaces);
    await this.#open(["0.0.0.0", "::", ...interfaces.map((info) => info.address)]);
    for (const { address, netmask } of interfaces) {
      const broadcast = broadcastAddress(address, netmask);
      if (broadcast) this.#send(address, question, port, broadcast);
      this.#send(address, question, port, isLoopback(address) ? address : "255.255.255.255");
    }
    for (const zone of interfaceZones(present).slice(0, DISCOVERY.interfaces)) {
      this.#joinAllNodes(zone);
      this.#send("::", question, port, `${DISCOVERY_GROUP}%${zone}`);
      this.#send("::", question, port, `${ALL_NODES_GROUP}%${zone}`);
    }
    if (all.some((info) => info.address === "::1")) this.#send("::", question, port, "::1");
    for (const single of this.#single.values()) this.#sendSingle(question, single);
  }

  #sendSingle(question: Buffer, { address, port }: { address: string; port: number }): void {
    this.#send(isIP(address) === 4 ? "0.0.0.0" : "::", question, port, address);
  }

  #send(from: string, question: Buffer, port: number, to: string): void {
    try {
      // A path that is closed today costs nothing: the others are asked too.
      this.#sockets.get(from)?.send(question, port, to, () => {});
    } catch {
      this.#sockets.delete(from);
    }
  }

  /** An agent asked twice answers to all nodes; some systems hand that only to sockets that have joined. */
  #joinAllNodes(zone: string): void {
    if (this.#joined.has(zone)) return;
    this.#joined.add(zone);
    try {
      this.#sockets.get("::")?.addMembership(ALL_NODES_GROUP, `::%${zone}`);
    } catch {
      // The other answers come all the same.
    }
  }

  async #open(addresses: readonly string[]): Promise<void> {
    for (const [address, socket] of this.#sockets) {
      if (addresses.includes(address)) continue;
      this.#sockets.delete(address);
      socket.close();
    }
    const missing = addresses.filter((address) => !this.#sockets.has(address));
    await Promise.all(
      missing.map(async (address) => {
        const socket = await openSocket(address);
        if (!socket) return;
        if (this.#stopped || this.#sockets.has(address)) {
          socket.close();
          return;
        }
        socket.on("message", (bytes, from) => this.#options.onDatagram(bytes, from.address));
        this.#sockets.set(address, socket);
      }),
    );
  }

  async #resolve(target: string): Promise<void> {
    const address = target.replace(/^\[(.*)\]$/, "$1");
    const found = isIP(address)
      ? [{ address }]
      : await lookup(address, { all: true, verbatim: true }).catch(() => []);
    if (found.length === 0) this.#options.onUnresolved(target);
    for (const one of found) {
      const single = this.#addSingle(one.address, this.#options.port);
      if (single && this.#latest) this.#sendSingle(this.#latest, single);
    }
  }

  #addSingle(address: string, port: number): { address: string; port: number } | undefined {
    if (!isIP(address) || this.#single.size >= DISCOVERY.targets) return undefined;
    const single = { address, port };
    this.#single.set(`${address} ${port}`, single);
    return single;
  }
}

async function openSocket(address: string): Promise<Socket | undefined> {
  const family = isIP(address) === 4 ? "udp4" : "udp6";
  const socket = createSocket({ type: family, ipv6Only: family === "udp6" });
  try {
    socket.bind({ address, port: 0, exclusive: true });
    await once(socket, "listening");
    if (family === "udp4") socket.setBroadcast(true);
    socket.on("error", () => {});
    return socket;
  } catch {
    socket.close();
    return undefined;
  }
}
