/** What a pin may be set to by name and in calls. */
export const PIN_MODES = ["input", "pullup", "output", "analog", "pwm", "servo"] as const;

export type PinMode = (typeof PIN_MODES)[number];

/** What a board with Firmata does unless its configuration says otherwise; times in milliseconds. */
export const FIRMATA_DEFAULTS = {
  samplingInterval: 100,
  timeout: 2_000,
  resetOnConnect: false,
  scale: 1,
  offset: 0,
} as const;

/** A pin with a name. */
export interface PinProfile {
  /** The board's number of it, or an analog channel, as `A0`. */
  readonly pin: number | string;
  readonly mode: PinMode;
  /** Of a digital pin: low is true. */
  readonly invert: boolean;
  /** Of `analog` and `pwm`: the value is what the board says, times `scale`, plus `offset`. */
  readonly scale: number;
  readonly offset: number;
  /** What an output is set to as long as nobody has set it; absent: it is left as it is. As `set` takes it. */
  readonly initial?: number | boolean;
  /** Microseconds of a servo's pulse at its ends. */
  readonly minPulse?: number;
  readonly maxPulse?: number;
  readonly unit?: string;
  readonly deviceClass?: string;
}

/** The configuration of one board. */
export interface FirmataSettings {
  /** Milliseconds between two samples of analog inputs. */
  readonly samplingInterval: number;
  /** Milliseconds that the board has to answer. */
  readonly timeout: number;
  /** Whether the board is told to forget everything (0xFF) when it has been connected. */
  readonly resetOnConnect: boolean;
  readonly pins: { readonly [name: string]: PinProfile };
  /** Absent: I2C is begun with the first call that needs it. */
  readonly i2c?: I2cSettings;
}

export interface I2cSettings {
  /** Microseconds between writing a register's number and reading it. */
  readonly delay: number;
}
