/** How a serial port is set. */
export interface ComPortSettings {
  /** Bits a second. */
  readonly baudRate: number;
  readonly dataBits: 5 | 6 | 7 | 8;
  readonly parity: "none" | "odd" | "even" | "mark" | "space";
  readonly stopBits: 1 | 1.5 | 2;
  readonly flowControl: "none" | "software" | "hardware";
}

/** Lines that this side drives; one that is left out stays as it is. */
export interface ComPortOutputs {
  readonly dtr?: boolean;
  readonly rts?: boolean;
  readonly break?: boolean;
}

/** Lines that the device drives. */
export interface ComPortInputs {
  readonly cts: boolean;
  readonly dsr: boolean;
  readonly dcd: boolean;
}

/**
 * The port as the access server of RFC 2217 needs it, wherever it is. What a method throws ends the client's
 * connection, where nothing else is said.
 */
export interface PortControl {
  /** The settings in force. */
  readonly settings: ComPortSettings;
  /** The next bytes that have come, at most so many; undefined when there are none. They are the taker's. */
  take(most: number): Buffer | undefined;
  /** Takes bytes in order; resolves when the port has them, or they were purged. The bytes stay as they are until then. */
  write(bytes: Buffer): Promise<void>;
  /**
   * Changes what is given, after what was written before has left, and gives the settings in force then. Throws
   * `invalid` for what the port cannot do; then nothing is changed.
   */
  configure(change: Partial<ComPortSettings>): Promise<ComPortSettings>;
  /** Sets all lines given at one moment; false where the port has none, as a pseudo-terminal. */
  setLines(lines: ComPortOutputs): Promise<boolean>;
  /** The device's lines; undefined where the port has none. */
  inputLines(): Promise<ComPortInputs | undefined>;
  /** Throws away what has come and was not given on, and what was written and is not sent yet. */
  purge(which: { readonly received: boolean; readonly unsent: boolean }): Promise<void>;
}
