import { constants } from "node:crypto";
import type { AddressInfo, Socket } from "node:net";
import { createServer, type Server, type TLSSocket } from "node:tls";
import {
  ALPN,
  asTetherError,
  CONNECTIONS,
  formatHostPort,
  hasFastAes,
  suitePreference,
  TetherError,
  WIRE,
} from "../../protocol/index.ts";
import type { PairedController } from "../identity/index.ts";
import { Connection } from "./connection.ts";
import { peerOf, plainAddress } from "./peer.ts";
import { type PlaceLimits, Places } from "./places.ts";
import type { Services } from "./services.ts";

/** Where and how the native port listens. */
export interface ListenerOptions {
  readonly host: string;
  readonly port: number;
  readonly limits: PlaceLimits & { readonly requestBytes: number };
  readonly services: Services;
}

/** The native port: TLS 1.3, a key on both sides, and the places that are to be had. */
export class Listener {
  readonly #options: ListenerOptions;
  readonly #places: Places;
  readonly #connections = new Set<Connection>();
  /** Sockets before the end of their handshake, oldest first, and when they came. */
  readonly #handshakes = new Map<Socket, number>();
  /** Every connection, whatever has become of it. */
  readonly #sockets = new Set<Socket>();
  /** Connections that were refused and not yet closed. */
  #refusals = 0;
  #requestBytes: number;
  #server: Server | undefined;
  #heartbeat: NodeJS.Timeout | undefined;

  constructor(options: ListenerOptions) {
    this.#options = options;
    this.#places = new Places(options.limits);
    this.#requestBytes = options.limits.requestBytes;
  }

  /** Sessions with paired controllers, by fingerprint. */
  sessions(): ReadonlyMap<string, number> {
    const sessions = new Map<string, number>();
    for (const { controller } of this.#connections) {
      if (controller === undefined) continue;
      sessions.set(controller.fingerprint, (sessions.get(controller.fingerprint) ?? 0) + 1);
    }
    return sessions;
  }

  /** Where the port listens. Throws `internal` before {@link start}. */
  get address(): { readonly address: string; readonly port: number } {
    const bound = this.#server?.address() as AddressInfo | null | undefined;
    if (!bound) throw new TetherError("internal", "the native port does not listen yet");
    return { address: bound.address, port: bound.port };
  }

  /** Other bounds for those who come from now on. */
  setLimits(limits: ListenerOptions["limits"]): void {
    this.#places.setLimits(limits);
    this.#requestBytes = limits.requestBytes;
  }

  /** Listens. Throws `busy` when the port is in use, `forbidden` when it may not be opened. */
  async start(): Promise<void> {
    const { services, host, port } = this.#options;
    const server = createServer({
      key: services.identity.keyPem,
      cert: services.identity.certificatePem,
      // A list of its own keeps Node from loading every root certificate, which no pinned key needs.
      ca: [],
      minVersion: "TLSv1.3",
      ...suitePreference(hasFastAes(() => performance.now())),
      ALPNProtocols: [ALPN],
      requestCert: true,
      // The pins decide, not a chain of certificates and its dates.
      rejectUnauthorized: false,
      // No resumption: every connection proves both keys anew.
      secureOptions: constants.SSL_OP_NO_TICKET,
      handshakeTimeout: WIRE.handshake,
      noDelay: true,
      allowHalfOpen: false,
    });
    server.on("connection", (socket) => this.#arrive(socket));
    server.on("secureConnection", (socket) => this.#secured(socket));
    server.on("tlsClientError", (error, socket) => {
      // Where the connection is gone already, its end tells of it.
      if (this.#handshakeOf(socket) !== undefined) {
        this.#handshakeFailed(plainAddress(socket.remoteAddress), error.message);
      }
      // Node leaves that to its user where it was its own timeout.
      socket.destroy();
    });
    await listen(server, host, port).catch((error: unknown) => {
      // A kernel without IPv6 has no `::`, and the owner of such a Pi has not asked for it.
      const noIPv6 = error instanceof TetherError && systemCode(error.cause) === "EAFNOSUPPORT";
      if (!noIPv6 || host !== "::") throw error;
      return listen(server, "0.0.0.0", port);
    });
    // Such as when no descriptor is left for a connection.
    server.on("error", (error) => services.log.error("port-failed", `the native port: ${error.message}`));
    this.#server = server;
    this.#heartbeat = setInterval(() => this.#tick(), WIRE.heartbeatInterval / 5);
    this.#heartbeat.unref();
  }

  /**
   * Takes no further connection and no further stream, waits until what is in flight has ended or `signal`
   * aborts, then ends all sessions. A peer that does not take its farewell is not waited for.
   */
  async stop(signal: AbortSignal): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    this.#server = undefined;
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    for (const connection of this.#connections) connection.drain();
    while (!signal.aborted && [...this.#connections].some(({ isBusy }) => isBusy)) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    clearInterval(this.#heartbeat);
    for (const connection of this.#connections) {
      connection.close(new TetherError("unreachable", "the agent is stopping"));
    }
    for (const socket of this.#handshakes.keys()) socket.destroy();
    const timer = setTimeout(() => {
      for (const socket of this.#sockets) socket.destroy();
    }, CONNECTIONS.lastFarewell);
    await closed;
    clearTimeout(timer);
    this.#options.services.refusals.flush();
  }

  /** Ends the sessions of one controller at once. */
  endSessions(fingerprint: string, reason: TetherError): void {
    for (const connection of this.#connections) {
      if (connection.controller?.fingerprint === fingerprint) connection.close(reason);
    }
  }

  /** A session keeps the role with which it began, so that those with another one must begin anew. */
  #replaceRole({ fingerprint, role }: PairedController): void {
    for (const connection of this.#connections) {
      const { controller } = connection;
      if (controller?.fingerprint !== fingerprint || controller.role === role) continue;
      connection.close(new TetherError("forbidden", `this controller was paired again, as ${role}`));
    }
  }

  #arrive(socket: Socket): void {
    const address = plainAddress(socket.remoteAddress);
    try {
      const release = this.#places.takeAddress(address);
      socket.once("close", release);
    } catch (error) {
      this.#refused(address, asTetherError(error));
      socket.destroy();
      return;
    }
    if (this.#handshakes.size >= CONNECTIONS.handshakes) {
      const [oldest] = this.#handshakes.keys();
      oldest?.destroy();
    }
    this.#handshakes.set(socket, performance.now());
    this.#sockets.add(socket);
    socket.once("close", () => {
      this.#sockets.delete(socket);
      if (this.#handshakes.delete(socket)) this.#handshakeFailed(address, "it was broken off");
    });
  }

  #secured(socket: TLSSocket): void {
    const { services } = this.#options;
    const peer = peerOf(socket);
    const controller = peer.key && services.controllers.find(peer.key.fingerprint);
    this.#handshakeOf(socket);
    let release = () => {};
    let refusal: TetherError | undefined;
    try {
      release = this.#places.take(controller === undefined ? "unpaired" : "paired");
    } catch (error) {
      refusal = asTetherError(error);
    }
    const connection = new Connection({
      socket,
      peer,
      controller,
      requestBytes: this.#requestBytes,
      services,
      onClosed: () => {
        release();
        this.#connections.delete(connection);
      },
      onPaired: (paired) => this.#replaceRole(paired),
    });
    this.#connections.add(connection);
    if (refusal !== undefined) {
      this.#refused(peer.address, refusal);
      connection.refuse(refusal);
      if (this.#refusals >= CONNECTIONS.refused) {
        socket.destroy();
        return;
      }
      this.#refusals++;
      socket.once("close", () => this.#refusals--);
    } else if (controller !== undefined) {
      services.controllers.touch(controller.fingerprint, new Date());
      services.log.info("connected", `${controller.label} connected`, {
        label: controller.label,
        role: controller.role,
        address: peer.address,
      });
    }
  }

  /** Takes the raw socket, which TLSSocket keeps to itself, from the handshakes under way; by its ports. */
  #handshakeOf({ remoteAddress, remotePort }: TLSSocket): Socket | undefined {
    if (remotePort === undefined) return undefined;
    for (const raw of this.#handshakes.keys()) {
      if (raw.remotePort !== remotePort || raw.remoteAddress !== remoteAddress) continue;
      this.#handshakes.delete(raw);
      return raw;
    }
    return undefined;
  }

  #handshakeFailed(address: string, why: string): void {
    const { refusals } = this.#options.services;
    refusals.note("handshake-failed", `a handshake failed: ${why}`, { address }, performance.now());
  }

  #refused(address: string, error: TetherError): void {
    this.#options.services.refusals.note(
      "connection-refused",
      `connection refused: ${error.message}`,
      { address, code: error.code },
      performance.now(),
    );
  }

  #tick(): void {
    const now = performance.now();
    for (const connection of this.#connections) connection.tick(now);
    for (const [socket, since] of this.#handshakes) {
      if (now - since < WIRE.handshake) break;
      // Node's own timeout begins anew with every byte.
      socket.destroy();
    }
    this.#options.services.refusals.tick(now);
  }
}

/** Binds a server. Throws with the address and what stands in the way. */
async function listen(server: Server, host: string, port: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) =>
      reject(listenError(error, formatHostPort(host, port))),
    );
    server.listen({ host, port, backlog: 511 }, resolve);
  });
}

function systemCode(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException | undefined)?.code;
}

function listenError(error: NodeJS.ErrnoException, where: string): TetherError {
  switch (error.code) {
    case "EADDRINUSE":
      return new TetherError("busy", `${where} is in use by another program`, {
        hint: "stop it, or set listen.port in the configuration",
      });
    case "EACCES":
      return new TetherError("forbidden", `${where} may not be opened by this user`, {
        hint: "ports below 1024 need a privilege; the default is 7415",
      });
    case "EADDRNOTAVAIL":
      return new TetherError("invalid", `${where}: this machine has no such address`, {
        hint: "set listen.host to one of its addresses, or to ::",
      });
    default:
      return new TetherError("internal", `cannot listen on ${where}: ${error.message}`, { cause: error });
  }
}
