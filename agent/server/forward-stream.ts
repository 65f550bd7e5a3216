import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { asTetherError, FORWARD, parseJson, type Stream, TetherError, WIRE } from "../../protocol/index.ts";
import type { Log } from "../log.ts";
import type { Caller } from "../procedures/index.ts";

/** How one reaches this machine and no other. */
const LOOPBACK = ["127.0.0.1", "::1"] as const;

/** What serves streams of kind `forward`. */
export type ForwardServer = (stream: Stream, caller: Caller, log: Log) => void;

/**
 * Gives a server of streams of kind `forward`: each one TCP connection to a port of this machine, asked for with
 * `{"port": N}` and answered with `{"connected": true}`. The end of one direction leaves the other open.
 */
export function forwardServer(): ForwardServer {
  let connections = 0;
  return (stream, caller, log) => {
    stream.handlers = {
      onDocument(text) {
        try {
          const port = readPort(text);
          if (connections >= FORWARD.connections) {
            throw new TetherError("busy", `${connections} connections are forwarded already`);
          }
          connections++;
          log.info("forwarded", `${caller.label} reached port ${port}`, {
            label: caller.label,
            address: caller.origin,
            port,
          });
          void forward(stream, port).finally(() => connections--);
        } catch (error) {
          stream.reset(asTetherError(error));
        }
      },
    };
  };
}

/** Settles when the connection is over. */
async function forward(stream: Stream, port: number): Promise<void> {
  const early: Buffer[] = [];
  const cancel = new AbortController();
  let ended = false;
  stream.handlers = {
    onData: (bytes) => early.push(bytes),
    onEnd: () => {
      ended = true;
    },
    onReset: () => cancel.abort(),
  };
  let socket: Socket;
  try {
    socket = await connected(port, cancel.signal);
  } catch (thrown) {
    stream.reset(asTetherError(thrown));
    return;
  }
  if (stream.isOver) {
    socket.destroy();
    return;
  }
  let waiting = 0;
  const write = (bytes: Buffer) => socket.write(bytes, () => stream.consumed(bytes.length));
  stream.handlers = {
    onData: write,
    onEnd: () => socket.end(),
    onReset: () => socket.destroy(),
    onDrain() {
      waiting = 0;
      socket.resume();
    },
  };
  stream.sendDocument('{"connected":true}');
  stream.grant(FORWARD.window - WIRE.initialWindow);
  socket.on("data", (bytes) => {
    stream.sendData(bytes);
    waiting += bytes.length;
    if (waiting >= FORWARD.waiting) socket.pause();
  });
  socket.on("end", () => stream.end());
  socket.on("error", (error) => stream.reset(asTetherError(error)));
  for (const bytes of early) write(bytes);
  if (ended) socket.end();
  if (!socket.closed) await new Promise((resolve) => socket.once("close", resolve));
}

/** Throws `unreachable` where nobody listens. */
async function connected(port: number, cancel: AbortSignal): Promise<Socket> {
  let refusal: unknown;
  for (const host of LOOPBACK) {
    const socket = connect({ host, port, allowHalfOpen: true, noDelay: true });
    try {
      await once(socket, "connect", {
        signal: AbortSignal.any([cancel, AbortSignal.timeout(FORWARD.connect)]),
      });
      return socket;
    } catch (error) {
      socket.on("error", () => undefined).destroy();
      refusal ??= error;
      if (cancel.aborted) break;
    }
  }
  const { message } = asTetherError(refusal);
  throw new TetherError("unreachable", `nobody listens on port ${port} of the agent's machine: ${message}`);
}

function readPort(text: string): number {
  const { port } = (parseJson(text) ?? {}) as { port?: unknown };
  if (typeof port === "number" && Number.isInteger(port) && port > 0 && port < 65_536) return port;
  throw new TetherError("invalid", 'a connection is asked for as {"port": N}, N from 1 to 65535');
}
