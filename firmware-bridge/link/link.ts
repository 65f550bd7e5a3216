import type { TetherError } from "../../protocol/errors.ts";
import type { Buffers, PortSettings } from "./settings.ts";

/** Whoever gets what a link brings; handed over when it is opened, so that no byte comes too early. */
export interface LinkReceiver {
  /** Bytes from the device. They are valid until this returns: copy what is kept. */
  received(bytes: Uint8Array): void;
  /** The link has ended by itself: called once at most, never after `close()`. */
  ended(reason: TetherError): void;
}

/** Lines that this side drives; one that is left out stays as it is. */
export interface OutputLines {
  readonly dtr?: boolean;
  readonly rts?: boolean;
  readonly break?: boolean;
}

/** Lines that the other side drives. */
export interface InputLines {
  readonly cts: boolean;
  readonly dsr: boolean;
  readonly dcd: boolean;
}

/** An open serial port, real or in memory: bytes both ways and modem lines. */
export interface Link {
  /** In force now. */
  readonly settings: PortSettings;
  /** Takes bytes in order; resolves when the port has them. Throws `device-missing` or `limit`. */
  write(bytes: Uint8Array): Promise<void>;
  /**
   * Changes settings while the port stays open, after what was written before has left. Gives those in force then.
   *
   * @throws TetherError `invalid` for a setting that the port refuses, `device-missing`
   */
  configure(change: Partial<PortSettings>): Promise<PortSettings>;
  /** Sets all lines given at one moment; false when the port has no such lines. */
  setLines(lines: OutputLines): Promise<boolean>;
  /** The other side's lines; undefined when the port has none. */
  inputLines(): Promise<InputLines | undefined>;
  /** Drops what has not been sent, or not been read; a write that is dropped resolves. Throws `device-missing`. */
  purge(buffers: Buffers): Promise<void>;
  /** Resolves when all that was written is on the wire. Throws `device-missing`, `timeout`. */
  drain(): Promise<void>;
  /** Gives the port back. May be called more than once. */
  close(): Promise<void>;
}
