import type { TLSSocket } from "node:tls";
import {
  CONNECTIONS,
  PROTOCOL,
  pumpSession,
  type Role,
  roleAllows,
  type Session,
  type Stream,
  type StreamName,
  TetherError,
  VERSION,
} from "../../protocol/index.ts";
import type { PairedController } from "../identity/index.ts";
import type { Caller } from "../procedures/index.ts";
import { serveCalls } from "./call-stream.ts";
import { serveLogs } from "./log-stream.ts";
import { servePairing } from "./pair-stream.ts";
import type { Peer } from "./peer.ts";
import type { Services } from "./services.ts";

/** Milliseconds that a peer gets to take the last words of a session. */
const FAREWELL = 2_000;

/** What a connection needs beside the agent's services. */
export interface ConnectionOptions {
  readonly socket: TLSSocket;
  readonly peer: Peer;
  /** Absent while the peer's key is not paired. */
  readonly controller: PairedController | undefined;
  readonly requestBytes: number;
  readonly services: Services;
  readonly onClosed: () => void;
}

interface StreamServer {
  /** The role that the stream needs; `stranger` for one that also an unpaired key may open. */
  readonly needs: Role | "stranger";
  serve(stream: Stream, connection: Connection): void;
}

/** What serves a stream, by kind. */
const SERVERS: { readonly [kind in StreamName]: StreamServer } = {
  pair: { needs: "stranger", serve: (stream, { peer, services }) => servePairing(stream, peer, services) },
  // Each procedure says which role it needs.
  call: { needs: "viewer", serve: (stream, { caller, services }) => serveCalls(stream, caller, services) },
  logs: { needs: "admin", serve: (stream, { services }) => serveLogs(stream, services.log) },
};

/** One connection to the agent: the gates that every stream passes before anything serves it. */
export class Connection {
  readonly peer: Peer;
  readonly controller: PairedController | undefined;
  readonly services: Services;
  readonly #session: Session;
  readonly #socket: TLSSocket;
  #caller: Caller | undefined;

  constructor(options: ConnectionOptions) {
    const { socket, peer, controller, services } = options;
    this.peer = peer;
    this.controller = controller;
    this.services = services;
    this.#socket = socket;
    this.#session = pumpSession(
      socket,
      {
        side: "agent",
        hello: {
          protocol: PROTOCOL.version,
          oldest: PROTOCOL.oldest,
          software: `tetherd ${VERSION}`,
          features: [],
          ...(controller && {
            agent: { id: services.identity.id, ...services.facts(), role: controller.role },
          }),
        },
        documentBytes: controller === undefined ? CONNECTIONS.unpairedBytes : options.requestBytes,
        events: {
          onHello: () => undefined,
          onOpen: (stream) => this.#serve(stream),
          onClosed: (reason) => {
            if (reason !== undefined) this.#explain(reason);
            setTimeout(() => socket.destroy(), FAREWELL).unref();
            options.onClosed();
          },
        },
      },
      () => performance.now(),
    );
    if (controller === undefined) this.#confine();
  }

  /** The paired controller as a caller of procedures. Throws `unauthorized` for anybody else. */
  get caller(): Caller {
    if (this.controller === undefined) {
      throw notPaired();
    }
    this.#caller ??= {
      label: this.controller.label,
      role: this.controller.role,
      origin: this.peer.address,
    };
    return this.#caller;
  }

  /** Streams open now: what a polite end waits for. */
  get streamCount(): number {
    return this.#session.streamCount;
  }

  /** Heartbeat; `now` in milliseconds of the session's clock. */
  tick(now: number): void {
    this.#session.tick(now);
  }

  /** Ends the session; the other side is told `reason`. */
  close(reason: TetherError): void {
    this.#session.close(reason);
  }

  #serve(stream: Stream): void {
    const refusal = this.#refusal(SERVERS[stream.kind].needs);
    if (refusal === undefined) {
      SERVERS[stream.kind].serve(stream, this);
      return;
    }
    this.services.log.warn(refusal.code, `refused a stream of kind ${stream.kind}: ${refusal.message}`, {
      label: this.controller?.label,
      address: this.peer.address,
      fingerprint: this.peer.key?.fingerprint,
    });
    stream.reset(refusal);
  }

  #refusal(needs: StreamServer["needs"]): TetherError | undefined {
    if (needs === "stranger") return undefined;
    if (this.controller === undefined) return notPaired();
    const { role } = this.controller;
    if (roleAllows(role, needs)) return undefined;
    return new TetherError("forbidden", `this needs the role ${needs}; you have ${role}`);
  }

  /** A stranger gets little time and few bytes, however it spends them. */
  #confine(): void {
    let bytes = 0;
    this.#socket.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= CONNECTIONS.unpairedBytes) return;
      this.close(new TetherError("limit", `more than ${CONNECTIONS.unpairedBytes} bytes before pairing`));
    });
    const timer = setTimeout(
      () => this.close(new TetherError("timeout", "not paired in time")),
      CONNECTIONS.unpairedLifetime,
    );
    this.#socket.once("close", () => clearTimeout(timer));
  }

  #explain(reason: TetherError): void {
    this.services.log.info("disconnected", `connection ended: ${reason.message}`, {
      label: this.controller?.label,
      address: this.peer.address,
      code: reason.code,
    });
  }
}

function notPaired(): TetherError {
  return new TetherError("unauthorized", "this controller is not paired with the agent", {
    hint: "run `tetherd pair` on the Pi, then the `tether pair` line that it prints",
  });
}
