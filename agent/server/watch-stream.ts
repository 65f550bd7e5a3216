import {
  asTetherError,
  BoundedRing,
  type JsonValue,
  parseJson,
  type Stream,
  TetherError,
  WATCH,
  writeJson,
} from "../../protocol/index.ts";
import type { DeviceDescription, DeviceDesk } from "../devices/index.ts";

/** What a watcher asks for. */
interface Wish {
  readonly device: string;
  /** Names of readings; absent: all. */
  readonly readings: ReadonlySet<string> | undefined;
}

/**
 * Serves a stream of kind `watch`, opened with `{"device", "readings"?}`. First a document `{"snapshot"}` with
 * how the device stands, then one for each change: `{"reading", "value", "unit", "time"}`, `{"stale", "time"}` with
 * the name of a reading that stays away, or `{"state", "reason", "time"}`. A watcher that falls behind loses the oldest and is told how many: `{"lost"}`.
 */
export function serveWatch(stream: Stream, desk: DeviceDesk): void {
  let unwatch: (() => void) | undefined;
  stream.handlers = {
    onDocument(text) {
      try {
        if (unwatch) throw new TetherError("invalid", "a stream watches one device, asked for once");
        unwatch = watch(stream, readWish(text), desk);
      } catch (thrown) {
        unwatch?.();
        stream.reset(asTetherError(thrown));
      }
    },
    onReset: () => unwatch?.(),
  };
}

/** Begins to send; gives what ends it. Throws `not-found`. */
function watch(stream: Stream, wish: Wish, desk: DeviceDesk): () => void {
  const described = () => desk.describe().find(({ name }) => name === wish.device);
  const outlet = new Outlet(stream, () => unwatch());
  const device = described();
  if (!device) throw noDevice(wish.device, desk);
  outlet.send({ snapshot: snapshotOf(device, wish) });
  const ends = [
    desk.onReading(({ device: name, reading, value, unit, time }) => {
      if (name !== wish.device || wish.readings?.has(reading) === false) return;
      outlet.send({ reading, value, unit: unit ?? null, time });
    }),
    desk.onStale(({ device: name, reading, time }) => {
      if (name === wish.device && wish.readings?.has(reading) !== false) {
        outlet.send({ stale: reading, time });
      }
    }),
    desk.onState(({ device: name, state, reason, time }) => {
      if (name === wish.device) outlet.send({ state, reason: reason ?? null, time });
    }),
    desk.onDeclared(({ added, removed }) => {
      if (!removed.includes(wish.device)) return;
      const next = added.includes(wish.device) ? described() : undefined;
      try {
        if (!next) throw new TetherError("not-found", `${wish.device} is no longer declared`);
        outlet.send({ snapshot: snapshotOf(next, wish) });
      } catch (thrown) {
        unwatch();
        stream.reset(asTetherError(thrown));
      }
    }),
  ];
  const unwatch = () => {
    for (const end of ends) end();
  };
  stream.handlers.onDrain = () => outlet.drain();
  return unwatch;
}

/** The way to one watcher: what its stream does not take waits in a ring. */
class Outlet {
  readonly #stream: Stream;
  readonly #onOver: () => void;
  readonly #ring = new BoundedRing<string>(WATCH.changes);

  /** `onOver` is called when there is nobody to send to any more. */
  constructor(stream: Stream, onOver: () => void) {
    this.#stream = stream;
    this.#onOver = onOver;
  }

  send(document: JsonValue): void {
    if (this.#stream.isOver) {
      this.#onOver();
      return;
    }
    this.#ring.push(writeJson(document));
    this.drain();
  }

  /** Sends what waits, as far as the stream takes it. */
  drain(): void {
    while (!this.#stream.isWaiting) {
      const next = this.#ring.shift();
      if (!next) return;
      if (next.lost > 0) this.#stream.sendDocument(`{"lost":${next.lost}}`);
      this.#stream.sendDocument(next.item);
    }
  }
}

function readWish(text: string): Wish {
  const value = parseJson(text);
  const { device, readings } = (isObject(value) ? value : {}) as { device?: JsonValue; readings?: JsonValue };
  const names = readings ?? undefined;
  const isNames =
    names === undefined ||
    (Array.isArray(names) &&
      names.length <= WATCH.readings &&
      names.every((name): name is string => typeof name === "string"));
  if (typeof device !== "string" || !isNames) {
    throw new TetherError("invalid", 'a watch is asked for as {"device": NAME, "readings": [NAME, …]}');
  }
  return { device, readings: names && names.length > 0 ? new Set(names as string[]) : undefined };
}

function isObject(value: JsonValue): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** How a device stands, with the wanted readings. Throws `not-found` when it has not all of them. */
function snapshotOf(device: DeviceDescription, { readings: wanted }: Wish): JsonValue {
  const names = device.readings.map(({ name }) => name);
  const strange = [...(wanted ?? [])].find((name) => !names.includes(name));
  if (strange !== undefined) {
    throw new TetherError("not-found", `${device.name} has no reading "${strange}"`, {
      hint: names.length === 0 ? "it has none" : `it has: ${names.join(", ")}`,
    });
  }
  const { name, driver, state, reason, readings } = device;
  const shown = readings.filter((reading) => wanted?.has(reading.name) !== false);
  return {
    device: name,
    driver,
    state,
    reason: reason ?? null,
    readings: shown.map(
      ({
        name: reading,
        type,
        unit = null,
        deviceClass = null,
        value = null,
        time = null,
        stale = false,
      }) => ({
        reading,
        type,
        unit,
        deviceClass,
        value,
        time,
        stale,
      }),
    ),
  };
}

function noDevice(name: string, desk: DeviceDesk): TetherError {
  const names = desk.list().map((device) => device.name);
  return new TetherError("not-found", `there is no device "${name}"`, {
    hint: names.length === 0 ? "none is declared" : `there are: ${names.join(", ")}`,
  });
}
