/**
 * What a device's configuration says once it has been read: the contract between whoever reads the
 * configuration and the drivers. Durations are milliseconds here.
 */

import { SERIAL } from "../protocol/limits.ts";

/** How a port is opened unless the configuration says otherwise: bits a second. */
export const SERIAL_DEFAULTS = { baudRate: 115_200 } as const;

/** How lines are told apart and how long an answer may take unless the configuration says otherwise. */
export const LINE_DEFAULTS = { terminator: "\n", timeout: SERIAL.answerTimeout } as const;

/** A parameter of a command, or a reading's value: the part of JSON Schema that a device needs. */
export interface ValueSchema {
  readonly type: "integer" | "number" | "string" | "boolean";
  readonly minimum?: number;
  readonly maximum?: number;
  readonly enum?: readonly (string | number | boolean)[];
  readonly maxLength?: number;
  readonly pattern?: string;
  readonly description?: string;
  readonly default?: string | number | boolean;
}

/** Where the device hangs. */
export type PortChoice =
  | { readonly kind: "path"; readonly path: string; readonly baudRate: number }
  | {
      readonly kind: "match";
      readonly vendorId?: string;
      readonly productId?: string;
      readonly serialNumber?: string;
      readonly baudRate: number;
    }
  | { readonly kind: "simulate"; readonly what: string };

/** One command of a `line` device. */
export interface CommandProfile {
  /** Text sent, with `{name}` for each parameter. */
  readonly send: string;
  /** Regular expression that the answering line has to match; absent: no answer is awaited. */
  readonly expect?: string;
  readonly parameters: { readonly [name: string]: ValueSchema };
  /** Named group of `expect` that is the result; absent: the whole line. */
  readonly result?: string;
  /** Type that the result is converted to; a string unless given. */
  readonly type?: ValueSchema["type"];
  readonly summary?: string;
}

/** One reading: polled by a command, or matched in what the device says unasked. */
export interface ReadingProfile {
  readonly source:
    | { readonly kind: "poll"; readonly command: string; readonly every: number }
    | { readonly kind: "match"; readonly match: string; readonly result?: string };
  readonly type?: ValueSchema["type"];
  readonly unit?: string;
  readonly deviceClass?: string;
}

/** One device. */
export interface DeviceProfile {
  readonly name: string;
  readonly port: PortChoice;
  readonly driver: string;
  readonly line: { readonly terminator: string; readonly timeout: number };
  readonly commands: { readonly [name: string]: CommandProfile };
  readonly readings: { readonly [name: string]: ReadingProfile };
}
