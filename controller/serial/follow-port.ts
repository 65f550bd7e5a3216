import { setTimeout as delay } from "node:timers/promises";
import { asTetherError, type SerialReport, type SerialRequest, TetherError } from "../../protocol/index.ts";
import { connect } from "../connect.ts";
import { type OpenedPort, RemotePort } from "./remote-port.ts";

/** Milliseconds between two tries to come back. */
const PAUSE = 500;
/** Milliseconds that the agent gets to carry out what was sent before the end. */
const FAREWELL = 1_000;

/** Which port is followed, and where. */
export interface FollowPortOptions {
  readonly agent: string;
  /** The controller's own folder. */
  readonly folder: string;
  readonly request: Omit<SerialRequest, "from" | "instance">;
  /** Milliseconds that a lost connection is tried for. */
  readonly patience: number;
  /** Ends it: with the reason that is thrown, or in peace with `cancelled`. */
  readonly signal: AbortSignal;
}

/** What one who follows a port hears. */
export interface FollowListener {
  /** The port can be used, at first and after every reconnection. */
  onOpened(opened: OpenedPort): void;
  /** So many bytes of the device were missed here; undefined: nobody knows how many. */
  onMissed(bytes: number | undefined): void;
  onBytes(bytes: Buffer): void | Promise<void>;
  onReport(report: SerialReport): void | Promise<void>;
  /** The connection was lost and is tried for, or stands again (`undefined`). */
  onConnection(lost: TetherError | undefined): void;
}

/** Codes of what may be otherwise at the next try. */
const PASSING = new Set(["unreachable", "timeout", "device-missing", "device-failed", "busy"]);

/** A port that is followed through lost connections, from the byte where each of them was lost. */
export class FollowedPort {
  readonly #options: FollowPortOptions;
  readonly #listener: FollowListener;
  #port: RemotePort | undefined;
  /** Where the next stream is to begin. */
  #place: { readonly from: number; readonly instance: string } | undefined;

  constructor(options: FollowPortOptions, listener: FollowListener) {
    this.#options = options;
    this.#listener = listener;
  }

  /** The port while there is a connection. */
  get port(): RemotePort | undefined {
    return this.#port;
  }

  /**
   * Follows until the signal aborts; what was sent before has been carried out then.
   *
   * @throws TetherError what the signal is aborted with, why the port cannot be used, or why there is no connection
   * any more
   */
  async run(): Promise<never> {
    const { signal, patience } = this.#options;
    for (let deadline = Number.POSITIVE_INFINITY; ; ) {
      try {
        await this.#once(deadline, () => {
          if (deadline !== Number.POSITIVE_INFINITY) this.#listener.onConnection(undefined);
          deadline = Number.POSITIVE_INFINITY;
        });
      } catch (thrown) {
        signal.throwIfAborted();
        const error = asTetherError(thrown);
        if (!PASSING.has(error.code) || this.#place === undefined) throw error;
        if (deadline === Number.POSITIVE_INFINITY) {
          deadline = performance.now() + patience;
          this.#listener.onConnection(error);
        } else if (performance.now() >= deadline) {
          throw new TetherError("unreachable", `the connection is lost: ${error.message}`, { cause: error });
        }
      }
      await delay(PAUSE, undefined, { signal }).catch(() => signal.throwIfAborted());
    }
  }

  /** Uses the port over one connection; throws when that ends. */
  async #once(deadline: number, onOpened: () => void): Promise<void> {
    const { agent, folder, request, signal } = this.#options;
    const left = Math.min(deadline - performance.now(), 0x7fff_ffff);
    const patience =
      deadline === Number.POSITIVE_INFINITY ? undefined : AbortSignal.timeout(Math.max(1, Math.ceil(left)));
    const client = await connect(agent, {
      folder,
      signal: patience ? AbortSignal.any([signal, patience]) : signal,
    });
    let port: RemotePort | undefined;
    const onAbort = () => port?.end();
    try {
      const before = this.#place;
      port = new RemotePort(
        client,
        { ...request, ...before },
        {
          onBytes: (bytes) => this.#listener.onBytes(bytes),
          onReport: (report) => this.#listener.onReport(report),
        },
      );
      signal.addEventListener("abort", onAbort, { once: true });
      signal.throwIfAborted();
      const opened = await port.opened;
      onOpened();
      if (before !== undefined) this.#missed(before, opened);
      this.#place = { from: opened.offset, instance: opened.instance };
      this.#port = port;
      this.#listener.onOpened(opened);
      const ended = await port.closed;
      throw ended ?? new TetherError("unreachable", "the agent ended the stream");
    } finally {
      signal.removeEventListener("abort", onAbort);
      if (port !== undefined && this.#place !== undefined && this.#port === port) {
        this.#place = { ...this.#place, from: port.offset };
      }
      this.#port = undefined;
      if (signal.aborted && port !== undefined) await Promise.race([port.closed, delay(FAREWELL)]);
      client.close();
    }
  }

  #missed(before: { readonly from: number; readonly instance: string }, opened: OpenedPort): void {
    if (before.instance !== opened.instance) this.#listener.onMissed(undefined);
    else if (opened.offset > before.from) this.#listener.onMissed(opened.offset - before.from);
  }
}
