import { TetherError } from "../../../protocol/errors.ts";
import { type ModeName, modeName, modeNumber } from "./protocol.ts";

/** A pin as a caller or the configuration names it: its number, or an analog channel as `A0`. */
export type PinChoice = number | string;

/** The pins of one board: what each can do, and which analog channel it is. */
export class PinTable {
  readonly #device: string;
  readonly #capabilities: readonly ReadonlyMap<number, number>[];
  readonly #channels: readonly (number | undefined)[];

  constructor(
    device: string,
    capabilities: readonly ReadonlyMap<number, number>[],
    channels: readonly (number | undefined)[],
  ) {
    this.#device = device;
    this.#capabilities = capabilities;
    this.#channels = channels;
  }

  /** How many there are. */
  get count(): number {
    return this.#capabilities.length;
  }

  /** The number of a pin. Throws TetherError `invalid` when there is none. */
  number(choice: PinChoice): number {
    const written = /^A(\d{1,3})$/i.exec(String(choice));
    const isNumber = /^\d{1,3}$/.test(String(choice));
    const pin = written ? this.#channels.indexOf(Number(written[1])) : isNumber ? Number(choice) : -1;
    if (pin >= 0 && pin < this.count) return pin;
    const allowed = `0 to ${this.count - 1}${this.#analogNames()}`;
    throw new TetherError("invalid", `${this.#device} has no pin ${choice}; allowed: ${allowed}`);
  }

  /** The number of a pin that can do this. Throws TetherError `invalid`, naming what it can. */
  able(choice: PinChoice, mode: ModeName): number {
    const pin = this.number(choice);
    if (this.can(pin, mode)) return pin;
    const modes = this.modes(pin).map(([name]) => name);
    const allowed =
      modes.length === 0 ? "nothing, the board keeps it for itself" : `one of ${modes.join(" ")}`;
    const others =
      mode === "analog" ? this.#analogNames() : `; ${mode} can: ${this.#ableTo(mode).join(" ") || "none"}`;
    throw new TetherError(
      "invalid",
      `pin ${choice} of ${this.#device} cannot be ${mode}; allowed: ${allowed}${others}`,
    );
  }

  can(pin: number, mode: ModeName): boolean {
    return this.#capabilities[pin]?.has(modeNumber(mode)) ?? false;
  }

  /** The first pin that can do this. */
  first(mode: ModeName): number | undefined {
    return this.#ableTo(mode)[0];
  }

  /** Names of a pin's modes, each with its resolution. */
  modes(pin: number): [string, number][] {
    return [...(this.#capabilities[pin] ?? [])].map(([mode, bits]) => [modeName(mode), bits]);
  }

  /** The largest value that a pin takes in a mode whose resolution is in bits. */
  largest(pin: number, mode: ModeName): number {
    const bits = this.#capabilities[pin]?.get(modeNumber(mode)) ?? 8;
    return 2 ** Math.min(bits, 31) - 1;
  }

  /** The analog channel of a pin. */
  channel(pin: number): number | undefined {
    return this.#channels[pin];
  }

  /** The pin of an analog channel. */
  pinOf(channel: number): number | undefined {
    const pin = this.#channels.indexOf(channel);
    return pin < 0 ? undefined : pin;
  }

  #ableTo(mode: ModeName): number[] {
    return this.#capabilities.flatMap((modes, pin) => (modes.has(modeNumber(mode)) ? pin : []));
  }

  #analogNames(): string {
    const names = this.#channels.flatMap((channel) => (channel === undefined ? [] : channel));
    const sorted = names.toSorted((one, other) => one - other).map((channel) => `A${channel}`);
    return sorted.length === 0 ? "" : `; analog are: ${sorted.join(" ")}`;
  }
}

/** The port of a pin, for digital messages, and its bit in them. */
export function portOf(pin: number): { readonly port: number; readonly bit: number } {
  return { port: pin >> 3, bit: 1 << (pin & 7) };
}
