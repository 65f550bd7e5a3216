import type { KeyObject } from "node:crypto";
import { connect as connectTls, type TLSSocket } from "node:tls";
import {
  ALPN,
  asTetherError,
  CALL_FEATURES,
  CALLS,
  DEFAULT_PORT,
  fingerprintOf,
  formatHostPort,
  type Hello,
  hasFastAes,
  type Identity,
  PROTOCOL,
  pumpSession,
  type Session,
  suitePreference,
  TetherError,
  WIRE,
} from "../protocol/index.ts";
import { SOFTWARE } from "./version.ts";

/** Milliseconds that an agent gets to take the last words of a session. */
const FAREWELL = 1_000;

/** Where to connect, as whom, and whom to expect there. */
export interface ConnectionOptions {
  readonly host: string;
  readonly port?: number;
  readonly identity: Pick<Identity, "keyPem" | "certificatePem">;
  /**
   * Judges the fingerprint that the other side proved to hold, before a byte of it is read: throws to refuse.
   */
  readonly accept: (fingerprint: string) => void;
  /** Milliseconds until the connection must stand. */
  readonly timeout?: number;
  readonly signal?: AbortSignal;
}

/** An authenticated connection to one agent. */
export interface Connection {
  readonly session: Session;
  readonly socket: TLSSocket;
  /** The public key that the other side proved to hold. */
  readonly agentKey: KeyObject;
  /** What the agent said of itself; rejects when the connection ends before. */
  readonly hello: Promise<Hello>;
  /** Settles when the session is over, with the reason if it was not asked for here. */
  readonly closed: Promise<TetherError | undefined>;
  /** Ends the session in peace. */
  close(): void;
}

/**
 * Connects, checks the other side's key, and starts the session.
 *
 * @throws TetherError `unreachable` when nobody answers, `timeout` when it takes too long, and whatever `accept` throws
 */
export async function openConnection(options: ConnectionOptions): Promise<Connection> {
  const { host, port = DEFAULT_PORT } = options;
  const socket = connectTls({
    host,
    port,
    key: options.identity.keyPem,
    cert: options.identity.certificatePem,
    // A list of its own keeps Node from loading every root certificate, which no pinned key needs.
    ca: [],
    minVersion: "TLSv1.3",
    ciphers: suitePreference(hasFastAes(() => performance.now())).ciphers,
    ALPNProtocols: [ALPN],
    // The pin below replaces the chain and its dates: a Pi has no clock at boot.
    rejectUnauthorized: false,
    checkServerIdentity: () => undefined,
  });
  // Written bytes leave at once: the pump already gathers what belongs together.
  socket.setNoDelay(true);
  let agentKey: KeyObject;
  try {
    await secured(socket, options);
    agentKey = peerKey(socket);
    options.accept(fingerprintOf(agentKey));
  } catch (error) {
    socket.destroy();
    throw error;
  }
  return startSession(socket, agentKey);
}

function startSession(socket: TLSSocket, agentKey: KeyObject): Connection {
  let greet: (hello: Hello) => void = () => undefined;
  let refuse: (error: TetherError) => void = () => undefined;
  let finish: (reason: TetherError | undefined) => void = () => undefined;
  const hello = new Promise<Hello>((resolve, reject) => {
    greet = resolve;
    refuse = reject;
  });
  // Whoever never asks for the greeting is told by the calls that fail.
  hello.catch(() => undefined);
  const closed = new Promise<TetherError | undefined>((resolve) => {
    finish = resolve;
  });
  const session = pumpSession(
    socket,
    {
      side: "controller",
      hello: {
        protocol: PROTOCOL.version,
        oldest: PROTOCOL.oldest,
        software: SOFTWARE,
        features: Object.values(CALL_FEATURES),
      },
      documentBytes: CALLS.resultBytes,
      events: {
        onHello: greet,
        onOpen: (stream) => stream.reset(new TetherError("invalid", "a controller serves no streams")),
        onClosed(reason) {
          clearInterval(heartbeat);
          refuse(reason ?? new TetherError("unreachable", "the agent ended the connection"));
          finish(reason);
          // The agent's own farewell is not awaited: its answer would tell nothing.
          socket.once("finish", () => socket.destroy());
          // Nor does one that takes no more bytes hold up the end of this program.
          const timer = setTimeout(() => socket.destroy(), FAREWELL);
          socket.once("close", () => clearTimeout(timer));
        },
      },
    },
    clock,
  );
  const heartbeat = setInterval(() => session.tick(clock()), WIRE.heartbeatInterval / 5);
  heartbeat.unref();
  return { session, socket, agentKey, hello, closed, close: () => session.close() };
}

/** Milliseconds of a steady clock. `performance` would do as well, but takes a millisecond to load. */
export function clock(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1_000 + nanoseconds / 1_000_000;
}

function secured(socket: TLSSocket, options: ConnectionOptions): Promise<void> {
  const where = formatHostPort(options.host, options.port ?? DEFAULT_PORT);
  const { signal, timeout = WIRE.handshake } = options;
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => fail(new TetherError("timeout", `${where} did not answer within ${timeout} ms`)),
      timeout,
    );
    const onAbort = () => fail(asTetherError(signal?.reason));
    const onError = (error: Error) => fail(connectionError(error, where));
    const onClose = () => fail(new TetherError("unreachable", `${where} hung up during the handshake`));
    const settle = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
      socket.off("error", onError).off("close", onClose);
    };
    const fail = (error: TetherError) => {
      settle();
      socket.on("error", () => undefined);
      reject(error);
    };
    socket.on("error", onError).on("close", onClose);
    signal?.addEventListener("abort", onAbort);
    if (signal?.aborted) onAbort();
    socket.once("secureConnect", () => {
      settle();
      resolve();
    });
  });
}

function connectionError(error: Error, where: string): TetherError {
  const { code } = asTetherError(error);
  if (code === "unreachable" || code === "timeout") {
    return new TetherError(code, `no agent answers at ${where}: ${error.message}`, {
      cause: error,
      hint: "is tetherd running there, and its port open? `tether discover` shows who answers",
    });
  }
  return new TetherError("unreachable", `${where} does not speak Tether: ${error.message}`, { cause: error });
}

function peerKey(socket: TLSSocket): KeyObject {
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) throw new TetherError("unauthorized", "the other side showed no key");
  return certificate.publicKey;
}
