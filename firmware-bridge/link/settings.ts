/** How the bits on a port stand. */
export interface PortSettings {
  /** Bits a second. */
  readonly baudRate: number;
  readonly dataBits: 5 | 6 | 7 | 8;
  readonly parity: "none" | "even" | "odd";
  readonly stopBits: 1 | 2;
  /** `hardware`: RTS and CTS; `software`: XON and XOFF in the data. */
  readonly flowControl: "none" | "hardware" | "software";
}

/** How a port is opened unless the configuration says otherwise. */
export const SERIAL_DEFAULTS = {
  baudRate: 115_200,
  dataBits: 8,
  parity: "none",
  stopBits: 1,
  flowControl: "none",
} as const satisfies PortSettings;

/** Which buffers of a port are emptied: what came and nobody has read, what is still to be sent. */
export type Buffers = "input" | "output" | "both";
