import type { TetherError } from "../protocol/errors.ts";
import { SERIAL } from "../protocol/limits.ts";
import type { ReadingDeclaration } from "./drivers/driver.ts";
import type { ReadingTuning, ValueSchema } from "./profile.ts";
import type { DeviceValue } from "./value.ts";

/** What is known of one reading. */
export interface Reading {
  readonly name: string;
  readonly type: ValueSchema["type"];
  readonly unit?: string;
  readonly deviceClass?: string;
  /** The last value and when it came, milliseconds as `now` counts them; absent before the first. */
  readonly value?: DeviceValue;
  readonly time?: number;
  /** Why the latest attempt gave no value; absent when it did. */
  readonly error?: TetherError;
  /** It stays away: what is known of it is old. */
  readonly stale?: true;
}

/** What happened to a reading. */
export type ReadingChange = "value" | "failure" | "stale";

/** What the readings need around them. */
export interface ReadingsOptions {
  readonly tuning: { readonly [name: string]: ReadingTuning };
  /** Milliseconds, for the times of readings. */
  readonly now: () => number;
  readonly changed: (reading: Reading, what: ReadingChange) => void;
}

interface Slot {
  reading: Reading;
  readonly tuning: ReadingTuning;
  /** Failures in a row. */
  failures: number;
  /** When a value was told last. */
  toldAt: number;
  /** The value that waits until it may be told. */
  waiting: { readonly value: DeviceValue; readonly time: number } | undefined;
  telling: NodeJS.Timeout | undefined;
  ageing: NodeJS.Timeout | undefined;
}

/**
 * The readings of one device: what its driver says goes through scale, dead band and rate limit before anybody is
 * told, and a reading that stays away is told of too.
 */
export class Readings {
  readonly #options: ReadingsOptions;
  #slots = new Map<string, Slot>();
  #isAwaited = false;

  constructor(options: ReadingsOptions) {
    this.#options = options;
  }

  /** Every reading as it stands. */
  get all(): readonly Reading[] {
    return [...this.#slots.values()].map(({ reading }) => reading);
  }

  /** Makes these the readings that there are; one that was there before keeps its value. */
  describe(declared: readonly ReadingDeclaration[]): void {
    const before = this.#slots;
    this.#slots = new Map(declared.map((each) => [each.name, this.#slot(each, before.get(each.name))]));
    for (const [name, slot] of before) {
      clearTimeout(slot.telling);
      clearTimeout(slot.ageing);
      const next = this.#slots.get(name);
      if (next !== undefined && slot.waiting !== undefined) this.#offer(next, slot.waiting);
    }
    if (this.#isAwaited) this.start();
  }

  /** Begins to count how long each stays away. */
  start(): void {
    this.#isAwaited = true;
    for (const slot of this.#slots.values()) this.#age(slot);
  }

  /** Tells nothing more by itself. */
  stop(): void {
    this.#isAwaited = false;
    for (const slot of this.#slots.values()) {
      clearTimeout(slot.telling);
      clearTimeout(slot.ageing);
      slot.telling = undefined;
      slot.waiting = undefined;
    }
  }

  /** The driver has a value of a reading; of one that is not there, nobody wants to know. */
  value(name: string, value: DeviceValue): void {
    const slot = this.#slots.get(name);
    if (slot === undefined) return;
    slot.failures = 0;
    this.#age(slot);
    this.#offer(slot, { value: scaled(value, slot.tuning), time: this.#options.now() });
  }

  /** The driver could not have a value. */
  failed(name: string, error: TetherError): void {
    const slot = this.#slots.get(name);
    if (slot === undefined) return;
    slot.failures += 1;
    slot.reading = { ...slot.reading, error };
    if (slot.reading.stale) return; // that has been told
    this.#options.changed(slot.reading, "failure");
    if (slot.failures >= SERIAL.staleFailures) this.#stale(slot);
  }

  #slot({ name, type, unit, deviceClass, deadband }: ReadingDeclaration, before: Slot | undefined): Slot {
    const own = Object.hasOwn(this.#options.tuning, name) ? this.#options.tuning[name] : undefined;
    const tuning = { ...(deadband !== undefined && { deadband }), ...own };
    const shownUnit = tuning.unit ?? unit;
    const shownClass = tuning.deviceClass ?? deviceClass;
    const { value, time, error, stale } = before?.reading ?? {};
    return {
      reading: {
        name,
        type: scaledType(type, tuning),
        ...(shownUnit !== undefined && { unit: shownUnit }),
        ...(shownClass !== undefined && { deviceClass: shownClass }),
        ...(value !== undefined && { value }),
        ...(time !== undefined && { time }),
        ...(error !== undefined && { error }),
        ...(stale !== undefined && { stale }),
      },
      tuning,
      failures: before?.failures ?? 0,
      toldAt: before?.toldAt ?? Number.NEGATIVE_INFINITY,
      waiting: undefined,
      telling: undefined,
      ageing: undefined,
    };
  }

  /** Tells a value, now or when it may be told, unless it says nothing new. */
  #offer(slot: Slot, sample: { readonly value: DeviceValue; readonly time: number }): void {
    const { value, error, stale } = slot.reading;
    const isBack = error !== undefined || stale !== undefined;
    if (!isBack && isWithin(sample.value, value, slot.tuning.deadband)) {
      // It has come back to what was told before the one that waits could be.
      slot.waiting = undefined;
      return;
    }
    const wait = slot.toldAt + (slot.tuning.minInterval ?? 0) - this.#options.now();
    if (isBack || wait <= 0) {
      this.#tell(slot, sample);
      return;
    }
    slot.waiting = sample;
    slot.telling ??= setTimeout(() => {
      slot.telling = undefined;
      if (slot.waiting !== undefined) this.#tell(slot, slot.waiting);
    }, wait);
  }

  #tell(slot: Slot, sample: { readonly value: DeviceValue; readonly time: number }): void {
    clearTimeout(slot.telling);
    slot.telling = undefined;
    slot.waiting = undefined;
    const { error: _error, stale: _stale, ...known } = slot.reading;
    slot.reading = { ...known, ...sample };
    slot.toldAt = this.#options.now();
    this.#options.changed(slot.reading, "value");
  }

  #age(slot: Slot): void {
    clearTimeout(slot.ageing);
    const { staleAfter } = slot.tuning;
    if (staleAfter !== undefined && this.#isAwaited) {
      slot.ageing = setTimeout(() => this.#stale(slot), staleAfter);
    }
  }

  #stale(slot: Slot): void {
    if (slot.reading.stale) return;
    slot.reading = { ...slot.reading, stale: true };
    this.#options.changed(slot.reading, "stale");
  }
}

function scaled(value: DeviceValue, { scale = 1, offset = 0 }: ReadingTuning): DeviceValue {
  if (scale === 1 && offset === 0) return value;
  if (typeof value !== "number" && typeof value !== "bigint") return value;
  // 0.1 of 3 is 0.3: what a double adds to that is no measurement.
  return Number((Number(value) * scale + offset).toPrecision(15));
}

function scaledType(
  type: ValueSchema["type"],
  { scale = 1, offset = 0 }: ReadingTuning,
): ValueSchema["type"] {
  return type === "integer" && !(Number.isInteger(scale) && Number.isInteger(offset)) ? "number" : type;
}

function isWithin(value: DeviceValue, told: DeviceValue | undefined, deadband: number | undefined): boolean {
  if (deadband === undefined || told === undefined) return false;
  const areNumbers = typeof value === "number" && typeof told === "number";
  return areNumbers ? Math.abs(value - told) <= deadband : value === told;
}
