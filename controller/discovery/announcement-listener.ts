import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { announcementPort, DISCOVERY, DISCOVERY_GROUP, decodeDatagram } from "../../protocol/index.ts";
import { type Interfaces, interfaceZones } from "./interface-zones.ts";

/**
 * Hears agents announce themselves, on the port after theirs, which several controllers of one machine share.
 * Where the port is not to be had nothing is heard: whoever asks now and then finds the agents all the same.
 */
export class AnnouncementListener {
  readonly #port: number;
  readonly #interfaces: () => Interfaces;
  readonly #onAnnouncement: () => void;
  readonly #sockets: Socket[] = [];
  readonly #joined = new Set<string>();

  /** `port` is the agents' own. */
  constructor(port: number, interfaces: () => Interfaces, onAnnouncement: () => void) {
    this.#port = port;
    this.#interfaces = interfaces;
    this.#onAnnouncement = onAnnouncement;
  }

  async start(): Promise<void> {
    const port = announcementPort(this.#port);
    if (port === undefined) return;
    for (const family of ["udp4", "udp6"] as const) {
      const socket = createSocket({ type: family, reuseAddr: true, ipv6Only: family === "udp6" });
      try {
        socket.bind({ port, address: family === "udp6" ? "::" : "0.0.0.0", exclusive: true });
        await once(socket, "listening");
      } catch {
        socket.close();
        continue;
      }
      socket.on("error", () => {});
      socket.on("message", (bytes) => {
        const announcement = decodeDatagram(bytes);
        if (announcement?.type === "announcement") this.#onAnnouncement();
      });
      this.#sockets.push(socket);
    }
    this.refresh();
  }

  /** Joins the group on interfaces that have come. */
  refresh(): void {
    const [socket] = this.#sockets.filter((one) => one.address().family === "IPv6");
    const zones = interfaceZones(this.#interfaces()).slice(0, DISCOVERY.interfaces);
    for (const zone of this.#joined) if (!zones.includes(zone)) this.#joined.delete(zone);
    for (const zone of zones) {
      if (this.#joined.has(zone)) continue;
      try {
        socket?.addMembership(DISCOVERY_GROUP, `::%${zone}`);
        this.#joined.add(zone);
      } catch {
        // The interface has gone again, or the group was joined before it went: the next look tells.
      }
    }
  }

  stop(): void {
    for (const socket of this.#sockets.splice(0)) socket.close();
  }
}
