import type { Socket } from "node:net";
import { asTetherError, FTP, TetherError } from "../../../protocol/index.ts";

/** Sends data over a data connection, no faster than the client takes it. */
export class Outgoing {
  readonly #socket: Socket;
  readonly #failed: Promise<never>;

  /** `signal` ends it at once. */
  constructor(socket: Socket, signal: AbortSignal) {
    this.#socket = socket;
    this.#failed = failureOf(socket, signal);
    this.#failed.catch(() => undefined);
    // Nothing is expected from the other side but its end.
    socket.resume();
  }

  /** Resolves when the bytes have gone to the kernel, and may change. Rejects `unreachable`, `timeout` or the signal's reason. */
  async write(bytes: Buffer | string): Promise<void> {
    if (bytes.length === 0) return;
    await Promise.race([
      this.#failed,
      new Promise<void>((resolve) => {
        this.#socket.write(bytes, (error) => {
          if (error === null || error === undefined) resolve();
        });
      }),
    ]);
  }

  /** Says that this was all; resolves when that has gone to the kernel. Rejects as {@link write}. */
  async end(): Promise<void> {
    const socket = this.#socket;
    await Promise.race([this.#failed, new Promise<void>((resolve) => socket.end(() => resolve()))]);
    socket.setTimeout(FTP.dataConnection, () => socket.destroy());
  }
}

/** Rejects when a data connection breaks, is silent for too long or is given up. */
export function failureOf(socket: Socket, signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const fail = (error: TetherError) => {
      socket.destroy();
      reject(error);
    };
    socket.setTimeout(FTP.silence, () => fail(new TetherError("timeout", "no data moved for too long")));
    socket.on("error", (error) =>
      fail(new TetherError("unreachable", `the data connection broke: ${error.message}`)),
    );
    socket.on("close", () => fail(new TetherError("unreachable", "the data connection was closed")));
    const onAbort = () => fail(asTetherError(signal.reason));
    if (signal.aborted) onAbort();
    else if (socket.destroyed) fail(new TetherError("unreachable", "the data connection broke"));
    else signal.addEventListener("abort", onAbort, { once: true });
    socket.once("close", () => signal.removeEventListener("abort", onAbort));
  });
}
