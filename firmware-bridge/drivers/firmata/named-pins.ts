import { asTetherError, TetherError } from "../../../protocol/errors.ts";
import type { DeviceValue } from "../../value.ts";
import type { ReadingDeclaration } from "../driver.ts";
import type { PinTable } from "./pin-table.ts";
import type { PinProfile } from "./settings.ts";
import type { PinWish } from "./wishes.ts";

/** Degrees of a servo, and from where on a number is microseconds (Arduino's Servo library). */
export const SERVO = { degrees: 180, leastPulse: 544, mostPulse: 3_000 } as const;

/** A pin to which the configuration gives a name. */
export class NamedPin {
  readonly name: string;
  readonly profile: PinProfile;

  constructor(name: string, profile: PinProfile) {
    this.name = name;
    this.profile = profile;
  }

  /** It is a reading; else it can be set. */
  get isInput(): boolean {
    return isInput(this.profile.mode);
  }

  /** True for a pin that is on or off. */
  get isDigital(): boolean {
    const { mode } = this.profile;
    return mode === "input" || mode === "pullup" || mode === "output";
  }

  get reading(): ReadingDeclaration {
    const { scale, offset, unit, deviceClass } = this.profile;
    const isWhole = Number.isInteger(scale) && Number.isInteger(offset);
    return {
      name: this.name,
      type: this.isDigital ? "boolean" : isWhole ? "integer" : "number",
      deadband: 0,
      ...(unit !== undefined && { unit }),
      ...(deviceClass !== undefined && { deviceClass }),
    };
  }

  /** Its number on a board. Throws TetherError `invalid` when the board has no such pin, or it cannot be that. */
  on(pins: PinTable): number {
    try {
      return pins.able(this.profile.pin, this.profile.mode);
    } catch (thrown) {
      const { code, message } = asTetherError(thrown);
      throw new TetherError(code, `${this.name}: ${message}`);
    }
  }

  /** What its pin is wanted to be as long as nobody has set it. */
  wish(pins: PinTable): PinWish {
    const { mode, initial, minPulse, maxPulse } = this.profile;
    const isServo = mode === "servo" && minPulse !== undefined && maxPulse !== undefined;
    return {
      mode,
      ...(initial !== undefined && { value: this.toBoard(initial, pins) }),
      ...(isServo && { pulses: { least: minPulse, most: maxPulse } }),
    };
  }

  /** What the board says, as the name's value. */
  fromBoard(value: number): DeviceValue {
    const { invert, scale, offset, mode } = this.profile;
    if (this.isDigital) return (value !== 0) !== invert;
    if (mode === "servo" || (scale === 1 && offset === 0)) return value;
    // 0.1 of 3 is 0.3: what a double adds to that is no measurement.
    return Number((value * scale + offset).toPrecision(15));
  }

  /** What the board is told. Throws TetherError `invalid` for what is no value of it. */
  toBoard(value: number | boolean, pins: PinTable): number {
    const { invert, scale, offset, mode } = this.profile;
    const number = Number(value);
    if (this.isDigital) {
      if (number !== 0 && number !== 1) throw this.#wrong(value, "true or false");
      return Number((number === 1) !== invert);
    }
    if (typeof value !== "number") throw this.#wrong(value, "a number");
    if (mode === "servo") return servoValue(value, this.name);
    const largest = pins.largest(this.on(pins), mode);
    const raw = Math.round((value - offset) / scale);
    if (raw >= 0 && raw <= largest) return raw;
    const ends = [Number(this.fromBoard(0)), Number(this.fromBoard(largest))].toSorted((a, b) => a - b);
    throw this.#wrong(value, ends.join(" to "));
  }

  #wrong(value: unknown, allowed: string): TetherError {
    return new TetherError("invalid", `${this.name}: ${JSON.stringify(value)}; allowed: ${allowed}`);
  }
}

/** True for the modes in which a pin is read. */
export function isInput(mode: PinProfile["mode"]): boolean {
  return mode === "input" || mode === "pullup" || mode === "analog";
}

/** A servo's place: degrees, or microseconds. Throws TetherError `invalid` for any other number. */
export function servoValue(value: number, what: string): number {
  const { degrees, leastPulse, mostPulse } = SERVO;
  const isWhole = Number.isInteger(value);
  if (isWhole && ((value >= 0 && value <= degrees) || (value >= leastPulse && value <= mostPulse))) {
    return value;
  }
  const allowed = `0 to ${degrees} degrees, or ${leastPulse} to ${mostPulse} microseconds`;
  throw new TetherError("invalid", `${what}: ${value}; allowed: ${allowed}`);
}
