import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import {
  ALL_NODES_GROUP,
  broadcastAddress,
  DISCOVERY,
  DISCOVERY_GROUP,
  isLoopback,
} from "../../protocol/index.ts";
import { type Interfaces, interfaceZones } from "./interface-zones.ts";
import { openPath, type Path } from "./path.ts";

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
  readonly #paths = new Map<string, Path>();
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
    for (const path of this.#paths.values()) path.close();
    this.#paths.clear();
  }

  /** Sends this question over every path there is now, those of new interfaces included. */
  async ask(question: Buffer): Promise<void> {
    this.#latest = question;
    const { port } = this.#options;
    const present = this.#options.interfaces();
    const all = Object.values(present).flatMap((infos) => infos ?? []);
    const interfaces = all.filter((info) => info.family === "IPv4").slice(0, DISCOVERY.interfaces);
    const wanted = new Map<string, string | undefined>([
      ["0.0.0.0", undefined],
      ["::", undefined],
    ]);
    for (const { address, netmask, internal } of interfaces) {
      wanted.set(address, internal ? undefined : broadcastAddress(address, netmask));
    }
    await this.#open(wanted);
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
      this.#paths.get(from)?.socket.send(question, port, to, () => {});
    } catch {
      this.#paths.delete(from);
    }
  }

  /** An agent asked twice answers to all nodes; some systems hand that only to sockets that have joined. */
  #joinAllNodes(zone: string): void {
    if (this.#joined.has(zone)) return;
    this.#joined.add(zone);
    try {
      this.#paths.get("::")?.socket.addMembership(ALL_NODES_GROUP, `::%${zone}`);
    } catch {
      // The other answers come all the same.
    }
  }

  /** Closes the paths whose local address has gone, and opens those that are new; the values are broadcast addresses. */
  async #open(wanted: ReadonlyMap<string, string | undefined>): Promise<void> {
    for (const [address, path] of this.#paths) {
      if (wanted.has(address)) continue;
      this.#paths.delete(address);
      path.close();
    }
    const missing = [...wanted].filter(([address]) => !this.#paths.has(address));
    await Promise.all(
      missing.map(async ([address, broadcast]) => {
        const path = await openPath(address, broadcast, this.#options.onDatagram);
        if (!path) return;
        if (this.#stopped || this.#paths.has(address)) path.close();
        else this.#paths.set(address, path);
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
