import type { KeyObject } from "node:crypto";
import type { RemoteInfo, Socket } from "node:dgram";
import { networkInterfaces } from "node:os";
import { setTimeout as wait } from "node:timers/promises";
import {
  ALL_NODES_GROUP,
  announcementPort,
  asksAgent,
  broadcastAddress,
  DISCOVERY,
  DISCOVERY_GROUP,
  decodeDatagram,
  encodeAnnouncement,
  encodeAnswer,
  encodeGoodbye,
  inSameNetwork,
  isLinkLocalIPv6,
  type JsonObject,
  keyHash,
  NONCE_BYTES,
  TetherError,
  zoneOf,
} from "../../protocol/index.ts";
import { answerAddresses, type Interfaces } from "./answer-addresses.ts";
import { AnswerRate } from "./answer-rate.ts";
import { openShared } from "./socket.ts";

export interface ResponderOptions {
  /** UDP port that questions come to; 0 for any free one. */
  readonly port: number;
  readonly identity: { readonly id: string; readonly privateKey: KeyObject; readonly publicKey: KeyObject };
  readonly name: string;
  readonly tags: readonly string[];
  /** Of the program. */
  readonly version: string;
  /** Hexadecimal, eight random bytes, new for each start: a goodbye ends an instance for good. */
  readonly instance: string;
  /** TCP port of the service, which may be known only once it listens. */
  readonly servicePort: () => number;
  /** Address the service listens on; `::`, which it is unless given, or `0.0.0.0` for every one. */
  readonly serviceHost?: () => string;
  /** Gives the interfaces of this machine: `os.networkInterfaces` unless given. */
  readonly interfaces?: () => Interfaces;
  /** Takes what the owner should know: an event's name, and who, from where and why. */
  readonly log: (event: string, details: JsonObject) => void;
  /** Milliseconds, never going back. */
  readonly now: () => number;
}

interface Asker {
  readonly socket: Socket;
  readonly address: string;
  readonly port: number;
  /** When it was last answered, milliseconds. */
  readonly at: number;
  /** Of the question that was answered. */
  readonly nonce: Uint8Array;
}

/**
 * Answers controllers that look for agents over UDP, on every address of this machine whatever the service
 * listens on. Says so when it starts and, signed, when it stops.
 */
export class DiscoveryResponder {
  readonly #options: ResponderOptions;
  readonly #hash: Buffer;
  readonly #sockets = new Map<"udp4" | "udp6", Socket>();
  readonly #rate = new AnswerRate();
  /** Who was answered of late, by address and port: they are told of the end. */
  readonly #askers = new Map<string, Asker>();
  /** Interfaces whose group is joined, as `name%index`. */
  readonly #joined = new Map<string, string>();
  #interfaces: Interfaces = {};
  #interfacesAt = Number.NEGATIVE_INFINITY;
  #ownAddresses = "";
  #timer: NodeJS.Timeout | undefined;
  #port = 0;
  #name: string;
  #tags: readonly string[];
  #refused = 0;
  #reportedAt = Number.NEGATIVE_INFINITY;

  constructor(options: ResponderOptions) {
    this.#options = options;
    this.#hash = keyHash(options.identity.publicKey);
    this.#name = options.name;
    this.#tags = options.tags;
  }

  /** UDP port that questions come to, 0 before the start. */
  get port(): number {
    return this.#port;
  }

  /**
   * Opens the sockets and announces this agent; returns once it answers. Aborting `signal` before that stops it.
   *
   * Throws `busy` when the port is taken by a program that does not share it, `invalid` when the name, a tag or
   * the version cannot be told in a datagram.
   */
  async start(signal?: AbortSignal): Promise<void> {
    this.#answer(Buffer.alloc(NONCE_BYTES), []);
    this.#port = this.#options.port;
    try {
      for (const family of ["udp4", "udp6"] as const) {
        const socket = await openShared(family, this.#port);
        if (!socket) continue;
        this.#port = socket.address().port;
        this.#sockets.set(family, socket);
        socket.on("message", (bytes, from) => this.#receive(socket, bytes, from));
        signal?.throwIfAborted();
      }
      if (this.#sockets.size === 0) {
        throw new TetherError("internal", "discovery: this machine has neither IPv4 nor IPv6");
      }
    } catch (thrown) {
      this.#close();
      throw thrown;
    }
    this.#watchInterfaces();
    this.#timer = setInterval(() => this.#watchInterfaces(), DISCOVERY.interfaceInterval);
    this.#timer.unref();
  }

  /** Takes another name and other tags, and lets watching controllers know; throws as `start` does. */
  update(profile: { readonly name: string; readonly tags: readonly string[] }): void {
    const before = { name: this.#name, tags: this.#tags };
    this.#name = profile.name;
    this.#tags = profile.tags;
    try {
      this.#answer(Buffer.alloc(NONCE_BYTES), []);
    } catch (thrown) {
      this.#name = before.name;
      this.#tags = before.tags;
      throw thrown;
    }
    void this.#announce();
  }

  /** Says goodbye to whoever asked of late, and closes the sockets. */
  async stop(): Promise<void> {
    if (this.#sockets.size === 0) return;
    clearInterval(this.#timer);
    const goodbye = encodeGoodbye(this.#options.instance, this.#options.identity.privateKey);
    const since = this.#options.now() - DISCOVERY.askerMemory;
    const askers = [...this.#askers.values()].filter((asker) => asker.at >= since);
    for (const socket of this.#sockets.values()) socket.removeAllListeners("message");
    for (let copy = 0; copy < DISCOVERY.copies && askers.length > 0; copy++) {
      if (copy > 0) await wait(DISCOVERY.copyInterval);
      for (const { socket, address, port } of askers) await send(socket, goodbye, port, address);
    }
    this.#close();
  }

  #close(): void {
    for (const socket of this.#sockets.values()) socket.close();
    this.#sockets.clear();
    this.#askers.clear();
    this.#joined.clear();
  }

  #receive(socket: Socket, bytes: Buffer, from: RemoteInfo): void {
    const question = decodeDatagram(bytes);
    if (question?.type !== "question" || !asksAgent(question, this.#hash)) return;
    const now = this.#options.now();
    const addresses = this.#addressesFor(from.address, now);
    // A service that does not listen yet, or not where the asker could reach it, is not told of.
    if (addresses.length === 0 || this.#options.servicePort() === 0) return;
    if (!this.#rate.take(from.address, now)) {
      this.#refuse(from.address, now);
      return;
    }
    const { nonce } = question;
    const to = this.#asksAgain(from, nonce, now) ? this.#everybodyAround(from.address) : from.address;
    void send(socket, this.#answer(nonce, addresses), from.port, to);
    this.#remember({ socket, address: from.address, port: from.port, at: now, nonce });
  }

  /** True when an asker has another question so soon, having got no answer; not for further copies of that one. */
  #asksAgain(from: RemoteInfo, nonce: Uint8Array, now: number): boolean {
    const before = this.#askers.get(askerKey(from));
    return (
      before !== undefined &&
      now - before.at < DISCOVERY.repeatWindow &&
      Buffer.compare(before.nonce, nonce) !== 0
    );
  }

  /**
   * The group that a neighbour is in, or the asker itself where it is none.
   *
   * What was lost may have been the question for its hardware address, which is repeated only after a second
   * (RFC 1122 §2.3.2.1, RFC 4861 §10). A group needs no such address. Further copies of the question are
   * answered to the asker alone, who may not hear the group.
   */
  #everybodyAround(asker: string): string {
    if (isLinkLocalIPv6(asker)) return `${ALL_NODES_GROUP}%${zoneOf(asker)}`;
    const near = Object.values(this.#interfaces)
      .flatMap((infos) => infos ?? [])
      .find((info) => !info.internal && inSameNetwork(info.address, asker, info.netmask));
    return (near && broadcastAddress(near.address, near.netmask)) ?? asker;
  }

  #answer(nonce: Uint8Array, addresses: readonly string[]): Buffer {
    const { instance, version, servicePort, identity } = this.#options;
    const [name, tags, port] = [this.#name, this.#tags, servicePort()];
    return encodeAnswer({ nonce, instance, name, tags, version, addresses, port }, identity.privateKey);
  }

  #addressesFor(asker: string, now: number): string[] {
    if (now - this.#interfacesAt > DISCOVERY.interfaceMemory) this.#look(now);
    return answerAddresses(this.#interfaces, asker, this.#options.serviceHost?.() ?? "::");
  }

  #look(now: number): void {
    this.#interfaces = (this.#options.interfaces ?? networkInterfaces)();
    this.#interfacesAt = now;
  }

  #remember(asker: Asker): void {
    const key = askerKey(asker);
    const now = asker.at;
    this.#askers.delete(key);
    this.#askers.set(key, asker);
    for (const [oldest, { at }] of this.#askers) {
      if (this.#askers.size <= DISCOVERY.askersTracked && now - at <= DISCOVERY.askerMemory) break;
      this.#askers.delete(oldest);
    }
  }

  #refuse(address: string, now: number): void {
    this.#refused++;
    if (now - this.#reportedAt < DISCOVERY.floodReportInterval) return;
    this.#reportedAt = now;
    this.#options.log("discovery-refused", {
      from: address,
      refused: this.#refused,
      reason: `more than ${DISCOVERY.answersPerAddress} questions a second from one address, or ${DISCOVERY.signatures} in all`,
    });
    this.#refused = 0;
  }

  /** Joins the group on interfaces that came, forgets those that went, and announces new addresses. */
  #watchInterfaces(): void {
    this.#look(this.#options.now());
    this.#joinGroups();
    const addresses = Object.values(this.#interfaces)
      .flatMap((infos) => (infos ?? []).map((info) => info.address))
      .sort()
      .join(" ");
    if (addresses === this.#ownAddresses) return;
    this.#ownAddresses = addresses;
    void this.#announce();
  }

  #joinGroups(): void {
    const socket = this.#sockets.get("udp6");
    if (!socket) return;
    const present = new Map<string, string>();
    for (const [name, infos] of Object.entries(this.#interfaces)) {
      const index = infos?.find((info) => info.family === "IPv6" && !info.internal && info.scopeid > 0);
      if (index?.family === "IPv6" && present.size < DISCOVERY.interfaces)
        present.set(`${name}%${index.scopeid}`, name);
    }
    for (const [key, name] of this.#joined) {
      if (present.has(key)) continue;
      this.#joined.delete(key);
      attempt(() => socket.dropMembership(DISCOVERY_GROUP, `::%${name}`));
    }
    for (const [key, name] of present) {
      if (this.#joined.has(key)) continue;
      if (attempt(() => socket.addMembership(DISCOVERY_GROUP, `::%${name}`))) this.#joined.set(key, name);
    }
  }

  async #announce(): Promise<void> {
    const port = announcementPort(this.#port);
    if (port === undefined) return;
    const announcement = encodeAnnouncement(this.#options.identity.id, this.#options.instance);
    const targets: { socket: Socket; address: string }[] = [];
    const [four, six] = [this.#sockets.get("udp4"), this.#sockets.get("udp6")];
    for (const info of Object.values(this.#interfaces).flatMap((infos) => infos ?? [])) {
      const address = broadcastAddress(info.address, info.netmask);
      if (four && address) targets.push({ socket: four, address });
    }
    for (const name of this.#joined.values()) {
      if (six) targets.push({ socket: six, address: `${DISCOVERY_GROUP}%${name}` });
    }
    for (let copy = 0; copy < DISCOVERY.copies; copy++) {
      if (copy > 0) await wait(DISCOVERY.copyInterval);
      for (const { socket, address } of targets) await send(socket, announcement, port, address);
    }
  }
}

function askerKey({ address, port }: { readonly address: string; readonly port: number }): string {
  return `${address} ${port}`;
}

/** Sends and settles in any case: a lost datagram and an unreachable network are the same to discovery. */
function send(socket: Socket, bytes: Uint8Array, port: number, address: string): Promise<void> {
  return new Promise((resolve) => {
    // A socket closed meanwhile throws at once.
    if (!attempt(() => socket.send(bytes, port, address, () => resolve()))) resolve();
  });
}

/** True when it did not throw: an interface may go between the look and the call. */
function attempt(act: () => void): boolean {
  try {
    act();
    return true;
  } catch {
    return false;
  }
}
