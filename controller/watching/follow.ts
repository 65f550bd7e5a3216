import { setTimeout as delay } from "node:timers/promises";
import { asTetherError, type JsonObject, type JsonValue, TetherError, WATCH } from "../../protocol/index.ts";
import { connect } from "../connect.ts";

/** A reading has this value; `unit` is null where there is none, `time` ISO 8601 in UTC. */
export interface WatchedReading {
  readonly reading: string;
  readonly value: JsonValue;
  readonly unit: string | null;
  readonly time: string;
}

/** A device stands so; `reason` is null where it is ready. */
export interface WatchedState {
  readonly state: string;
  readonly reason: string | null;
}

/** What a watcher hears, in the order in which it happened. */
export interface WatchListener {
  /** How the device stands, first and after every reconnection; the last values follow as readings. */
  onSnapshot(state: WatchedState, readings: readonly string[]): void;
  onReading(reading: WatchedReading): void;
  onState(state: WatchedState): void;
  /** A reading stays away: its value is old. */
  onStale(reading: string): void;
  /** So many changes were lost here, because this side was too slow. */
  onLost(count: number): void;
  /** The connection was lost and is tried for, or stands again (`undefined`). */
  onConnection(lost: TetherError | undefined): void;
}

/** What is watched, and where. */
export interface FollowOptions {
  readonly agent: string;
  /** The controller's own folder. */
  readonly folder: string;
  readonly device: string;
  /** Empty: all. */
  readonly readings: readonly string[];
  readonly signal: AbortSignal;
}

/** Milliseconds between two tries to come back. */
const PAUSE = 500;

/**
 * Watches a device until the signal aborts, through lost connections of up to `WATCH.reconnect`.
 *
 * @throws TetherError what the signal is aborted with, `not-found`, or why there is no connection any more
 */
export async function followDevice(options: FollowOptions, listener: WatchListener): Promise<never> {
  const { signal } = options;
  const heard = new Heard(listener);
  for (let deadline = Number.POSITIVE_INFINITY; ; ) {
    try {
      await watchOnce(options, deadline, (document) => {
        if (deadline !== Number.POSITIVE_INFINITY) listener.onConnection(undefined);
        deadline = Number.POSITIVE_INFINITY;
        heard.take(document);
      });
    } catch (thrown) {
      signal.throwIfAborted();
      const error = asTetherError(thrown);
      const isLost = error.code === "unreachable" || error.code === "timeout";
      if (!isLost || !heard.anything) throw error;
      if (deadline === Number.POSITIVE_INFINITY) {
        deadline = performance.now() + WATCH.reconnect;
        listener.onConnection(error);
      } else if (performance.now() >= deadline) {
        throw new TetherError("unreachable", `the connection is lost: ${error.message}`, { cause: error });
      }
    }
    await delay(PAUSE, undefined, { signal }).catch(() => signal.throwIfAborted());
  }
}

/** Connects and watches until the stream ends. */
async function watchOnce(
  { agent, folder, device, readings, signal }: FollowOptions,
  deadline: number,
  onDocument: (document: JsonObject) => void,
): Promise<void> {
  const left = deadline - performance.now();
  const patience = left < WATCH.reconnect ? AbortSignal.timeout(Math.max(1, Math.ceil(left))) : undefined;
  const client = await connect(agent, {
    folder,
    signal: patience ? AbortSignal.any([signal, patience]) : signal,
  });
  try {
    await client.conversation("watch", { device, readings: [...readings] }, onDocument, { signal });
  } finally {
    client.close();
  }
}

/** Turns the agent's documents into what the listener hears; a value is told once, however often it comes back. */
class Heard {
  anything = false;
  readonly #listener: WatchListener;
  readonly #latest = new Map<string, string>();

  constructor(listener: WatchListener) {
    this.#listener = listener;
  }

  take(document: JsonObject): void {
    this.anything = true;
    if (typeof document.lost === "number") this.#listener.onLost(document.lost);
    else if (typeof document.reading === "string") this.#read(document);
    else if (typeof document.stale === "string") this.#listener.onStale(document.stale);
    else if (typeof document.state === "string") this.#listener.onState(stateOf(document));
    else if (typeof document.snapshot === "object") this.#snapshot(document.snapshot as JsonObject);
  }

  #snapshot(snapshot: JsonObject): void {
    const readings = snapshot.readings as JsonObject[];
    this.#listener.onSnapshot(
      stateOf(snapshot),
      readings.map(({ reading }) => String(reading)),
    );
    for (const reading of readings) {
      const before = this.#latest.get(String(reading.reading)) ?? "";
      if (typeof reading.time === "string" && reading.time > before) this.#read(reading);
      if (reading.stale === true) this.#listener.onStale(String(reading.reading));
    }
  }

  #read({ reading, value = null, unit, time }: JsonObject): void {
    this.#latest.set(String(reading), String(time));
    this.#listener.onReading({
      reading: String(reading),
      value,
      unit: typeof unit === "string" ? unit : null,
      time: String(time),
    });
  }
}

function stateOf({ state, reason }: JsonObject): WatchedState {
  return { state: String(state), reason: typeof reason === "string" ? reason : null };
}
