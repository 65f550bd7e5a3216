import type { EventEmitter } from "node:events";
import { networkInterfaces } from "node:os";
import type { Bonjour, ServiceConfig } from "bonjour-service";
import { DISCOVERY, type JsonObject } from "../../protocol/index.ts";

export interface MdnsOptions {
  readonly id: string;
  readonly name: string;
  readonly version: string;
  readonly fingerprint: string;
  /** TCP port of the service. */
  readonly port: number;
  readonly log: (event: string, details: JsonObject) => void;
}

/** Bytes of one label (RFC 1035 §2.3.4). */
const LABEL_BYTES = 63;
/** Letters of the id that tell agents of one name apart. */
const ID_LETTERS = 6;
/** Milliseconds that a goodbye has to leave. */
const GOODBYE_TIME = 500;

/**
 * Advertises the agent as `_tether._tcp` by multicast DNS over IPv4 (RFC 6762, RFC 6763), for browsers of other
 * makers. Nothing in it is signed, and Tether's own controllers do not use it.
 *
 * Instance and host name carry letters of the id, which follows from the key: no two agents share them, so that
 * neither needs to be probed for, and neither clashes with what the system's own responder says of this host.
 */
export class MdnsAdvertiser {
  readonly #options: MdnsOptions;
  /** One responder an interface, by its IPv4 address: a single one speaks on the default interface only. */
  readonly #responders = new Map<string, Bonjour>();
  #library: typeof Bonjour | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: MdnsOptions) {
    this.#options = options;
  }

  /** Advertises on every interface, and on those that come later. */
  async start(signal?: AbortSignal): Promise<void> {
    // Loaded when it is wanted: it is off unless configured.
    const library = await import("bonjour-service");
    signal?.throwIfAborted();
    this.#library = library.Bonjour;
    this.#refresh();
    this.#timer = setInterval(() => this.#refresh(), DISCOVERY.interfaceInterval);
    this.#timer.unref();
  }

  /** Takes the advertisement back and closes the sockets. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    const responders = [...this.#responders.values()];
    this.#responders.clear();
    await Promise.all(responders.map(goodbye));
  }

  #refresh(): void {
    const present = Object.values(networkInterfaces())
      .flatMap((infos) => infos ?? [])
      .filter((info) => info.family === "IPv4" && !info.internal)
      .map((info) => info.address)
      .slice(0, DISCOVERY.interfaces);
    for (const [address, responder] of this.#responders) {
      if (present.includes(address)) continue;
      this.#responders.delete(address);
      responder.destroy();
    }
    for (const address of present) {
      if (!this.#responders.has(address)) this.#advertiseOn(address);
    }
  }

  #advertiseOn(address: string): void {
    if (!this.#library) return;
    const { id, name, version, fingerprint, port, log } = this.#options;
    // The library hands these on to its socket, but its types do not know them.
    const link: object = { interface: address, bind: "0.0.0.0" };
    const report = (error: unknown) =>
      log("mdns-failed", { address, reason: error instanceof Error ? error.message : String(error) });
    const responder = new this.#library(link as Partial<ServiceConfig>, report);
    // The library leaves a port that is taken to an emitter that it keeps to itself; unheard, it would throw.
    (responder as unknown as { server?: { mdns?: EventEmitter } }).server?.mdns?.on("error", report);
    this.#responders.set(address, responder);
    responder.publish({
      name: instanceName(name, id),
      type: "tether",
      host: `tether-${id}.local`,
      port,
      txt: { id, version, fingerprint },
      probe: false,
    });
  }
}

function instanceName(name: string, id: string): string {
  const ending = ` ${id.slice(0, ID_LETTERS)}`;
  let room = LABEL_BYTES - ending.length;
  let label = "";
  for (const letter of name) {
    room -= Buffer.byteLength(letter);
    if (room < 0) break;
    label += letter;
  }
  return label + ending;
}

function goodbye(responder: Bonjour): Promise<void> {
  return new Promise((resolve) => {
    const end = () => responder.destroy(() => resolve());
    const timer = setTimeout(end, GOODBYE_TIME);
    responder.unpublishAll(() => {
      clearTimeout(timer);
      end();
    });
  });
}
