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
import { ownPackings } from "../../transfer/index.ts";
import type { PairedController } from "../identity/index.ts";
import type { Caller } from "../procedures/index.ts";
import { serveCalls } from "./call-stream.ts";
import { serveExec } from "./exec-stream.ts";
import { serveFiles } from "./file-stream.ts";
import { serveLogs } from "./log-stream.ts";
import { servePairing } from "./pair-stream.ts";
import type { Peer } from "./peer.ts";
import { serveSerial } from "./serial-stream.ts";
import type { Services } from "./services.ts";
import { serveWatch } from "./watch-stream.ts";

/** Characters of a reason for the log. */
const LONGEST_REASON = 300;

/** What a connection needs beside the agent's services. */
export interface ConnectionOptions {
  readonly socket: TLSSocket;
  readonly peer: Peer;
  /** Absent while the peer's key is not paired. */
  readonly controller: PairedController | undefined;
  readonly requestBytes: number;
  readonly services: Services;
  readonly onClosed: () => void;
  /** Somebody has paired over this connection. */
  readonly onPaired: (controller: PairedController) => void;
}

interface StreamServer {
  /** The role that the stream needs; `stranger` for one that also an unpaired key may open. */
  readonly needs: Role | "stranger";
  serve(stream: Stream, connection: Connection): void;
}

/** What serves a stream, by kind. */
const SERVERS: { readonly [kind in StreamName]: StreamServer } = {
  pair: {
    needs: "stranger",
    serve: (stream, { peer, services, onPaired }) => servePairing(stream, peer, services, onPaired),
  },
  // Each procedure says which role it needs.
  call: {
    needs: "viewer",
    serve: (stream, connection) => serveCalls(stream, connection.fingerprint, connection),
  },
  // Writing needs more, and is checked there.
  files: {
    needs: "viewer",
    serve: (stream, { caller, services }) => serveFiles(stream, caller, services.files, services.log),
  },
  logs: {
    needs: "admin",
    serve(stream, connection) {
      connection.goesOn(stream);
      serveLogs(stream, connection.services.log);
    },
  },
  watch: {
    needs: "viewer",
    serve(stream, connection) {
      connection.goesOn(stream);
      serveWatch(stream, connection.services.devices);
    },
  },
  exec: {
    needs: "admin",
    serve(stream, connection) {
      connection.goesOn(stream);
      const { programs, log } = connection.services;
      serveExec(stream, connection.caller, programs, log);
    },
  },
  forward: {
    needs: "admin",
    serve(stream, connection) {
      connection.goesOn(stream);
      connection.services.forward(stream, connection.caller, connection.services.log);
    },
  },
  // Writing, and taking a port from somebody, needs more, and is checked there.
  serial: {
    needs: "viewer",
    serve(stream, connection) {
      connection.goesOn(stream);
      const { devices, refusals } = connection.services;
      serveSerial(stream, { caller: connection.caller, desk: devices, refusals });
    },
  },
};

/** One connection to the agent: the gates that every stream passes before anything serves it. */
export class Connection {
  readonly peer: Peer;
  readonly controller: PairedController | undefined;
  readonly services: Services;
  readonly onPaired: (controller: PairedController) => void;
  /** What the other side can do, by its own words. */
  features: readonly string[] = [];
  readonly #session: Session;
  readonly #socket: TLSSocket;
  /** Streams that go on until somebody ends them. */
  readonly #endless = new Set<Stream>();
  #draining = false;
  #refused = false;
  #caller: Caller | undefined;

  constructor(options: ConnectionOptions) {
    const { socket, peer, controller, services } = options;
    this.peer = peer;
    this.controller = controller;
    this.services = services;
    this.onPaired = options.onPaired;
    this.#socket = socket;
    this.#session = pumpSession(
      socket,
      {
        side: "agent",
        hello: {
          protocol: PROTOCOL.version,
          oldest: PROTOCOL.oldest,
          software: `tetherd ${VERSION}`,
          features: ownPackings(),
          ...(controller && {
            agent: {
              id: services.identity.id,
              instance: services.keyed.instance,
              ...services.facts(),
              role: controller.role,
            },
          }),
        },
        documentBytes: controller === undefined ? CONNECTIONS.unpairedBytes : options.requestBytes,
        events: {
          onHello: ({ features }) => {
            this.features = features;
          },
          onOpen: (stream) => this.#serve(stream),
          onClosed: (reason) => {
            if (reason !== undefined && !this.#refused) this.#explain(reason);
            setTimeout(() => socket.destroy(), CONNECTIONS.farewell).unref();
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

  /** Fingerprint of the paired controller. Throws `unauthorized` for anybody else. */
  get fingerprint(): string {
    if (this.controller === undefined) throw notPaired();
    return this.controller.fingerprint;
  }

  /** False from when the session has ended. */
  get isOpen(): boolean {
    return !this.#session.isClosed;
  }

  /** True while somebody waits for an answer: what a polite end waits for. */
  get isBusy(): boolean {
    return this.controller !== undefined && this.#session.streamCount > 0;
  }

  /** Takes note of a stream that nobody waits to see end. */
  goesOn(stream: Stream): void {
    for (const other of this.#endless) if (other.isOver) this.#endless.delete(other);
    this.#endless.add(stream);
  }

  /** Serves no further stream, and ends those that would never end by themselves. */
  drain(): void {
    this.#draining = true;
    for (const stream of this.#endless) {
      const { onReset } = stream.handlers;
      stream.reset(stopping());
      onReset?.call(stream.handlers, stopping());
    }
    this.#endless.clear();
  }

  /** Heartbeat; `now` in milliseconds of the session's clock. */
  tick(now: number): void {
    this.#session.tick(now);
  }

  /** Ends the session before it began; whoever refuses it has logged why. */
  refuse(reason: TetherError): void {
    this.#refused = true;
    this.close(reason);
  }

  /** Ends the session; the other side is told `reason`. */
  close(reason: TetherError): void {
    this.#session.close(reason);
  }

  #serve(stream: Stream): void {
    if (this.#draining) {
      stream.reset(stopping());
      return;
    }
    const refusal = this.#refusal(SERVERS[stream.kind].needs);
    if (refusal === undefined) {
      SERVERS[stream.kind].serve(stream, this);
      return;
    }
    const { address, key } = this.peer;
    this.services.refusals.note(
      refusal.code,
      `refused a stream of kind ${stream.kind}: ${refusal.message}`,
      { label: this.controller?.label, address, fingerprint: key?.fingerprint },
      performance.now(),
    );
    stream.reset(refusal);
  }

  #refusal(needs: StreamServer["needs"]): TetherError | undefined {
    if (needs === "stranger") return undefined;
    const { controller } = this;
    if (controller === undefined) return notPaired();
    const { role } = controller;
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
    const { log, refusals } = this.services;
    const { address } = this.peer;
    // The reason may be the other side's own words.
    const message = `connection ended: ${reason.message.slice(0, LONGEST_REASON)}`;
    if (reason.cause !== undefined && reason.code === "internal") {
      log.error("fault", `${message}: ${(reason.cause as Partial<Error>).stack}`, { address });
    }
    if (this.controller === undefined) {
      refusals.note("disconnected", message, { address, code: reason.code }, performance.now());
    } else {
      log.info("disconnected", message, { label: this.controller.label, address, code: reason.code });
    }
  }
}

function stopping(): TetherError {
  return new TetherError("unreachable", "the agent is stopping");
}

function notPaired(): TetherError {
  return new TetherError("unauthorized", "this controller is not paired with the agent", {
    hint: "run `tetherd pair` on the Pi, then the `tether pair` line that it prints",
  });
}
