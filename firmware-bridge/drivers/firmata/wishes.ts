import type { PinMode } from "./settings.ts";

/** What a pin is wanted to be. */
export interface PinWish {
  readonly mode: PinMode;
  /** As the board takes it; absent: an input, or an output that nobody has set. */
  readonly value?: number;
  /** Microseconds of a servo's pulse at its ends; absent: the board's. */
  readonly pulses?: { readonly least: number; readonly most: number };
}

/** What a board is wanted to be, whatever happens to it: it is brought there again after each start. */
export interface Wishes {
  readonly pins: Map<number, PinWish>;
  /** Milliseconds. */
  samplingInterval: number;
  /** Microseconds that I2C waits after a register's number; undefined: I2C is not wanted. */
  i2cDelay: number | undefined;
}
