/**
 * What a device's configuration says once it has been read: the contract between whoever reads the
 * configuration and the drivers. Durations are milliseconds here.
 */

import { SERIAL } from "../protocol/limits.ts";
import type { FirmataSettings } from "./drivers/firmata/settings.ts";
import type { FramesSettings } from "./drivers/frames/settings.ts";
import type { MicroPythonSettings } from "./drivers/micropython/settings.ts";
import type { ModbusSettings } from "./drivers/modbus/settings.ts";
import type { FlashSettings } from "./flash/settings.ts";
import type { LineChecksum } from "./framing/checksum.ts";
import { type PortSettings, SERIAL_DEFAULTS } from "./link/settings.ts";

/** How lines are told apart and how long an answer may take unless the configuration says otherwise. */
export const LINE_DEFAULTS = { terminator: "\n", timeout: SERIAL.answerTimeout, separators: "" } as const;

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

/** A parameter of a command: its schema, and how a text stands in what is sent. */
export interface ParameterProfile extends ValueSchema {
  /** Character in which a text is enclosed; absent: it stands bare. */
  readonly quote?: string;
  /** How the quote is written inside the text; `none`, unless given, refuses a text with one. */
  readonly escape?: QuoteEscape;
}

/** `double`: twice, as in SCPI and CSV; `backslash`: after a backslash, which is itself doubled. */
export type QuoteEscape = "none" | "double" | "backslash";

/** What is done with an output line when the port is opened. */
export type LinePolicy = "on" | "off" | "leave";

/** How a port is opened and kept open; what is left out is as {@link SERIAL_DEFAULTS} and {@link PORT_POLICY} say. */
export interface PortOptions extends Partial<PortSettings> {
  readonly dtr?: LinePolicy;
  readonly rts?: LinePolicy;
  /** Whether it is opened again by itself when it has gone or cannot be opened. */
  readonly reopen?: boolean;
}

/** What becomes of a port's lines, and of a port that has gone, unless the configuration says otherwise. */
export const PORT_POLICY = { dtr: "leave", rts: "leave", reopen: true } as const;

/** Where the device hangs. */
export type PortChoice = PortOptions &
  (
    | { readonly kind: "path"; readonly path: string }
    | {
        readonly kind: "match";
        readonly vendorId?: string;
        readonly productId?: string;
        readonly serialNumber?: string;
      }
    | { readonly kind: "simulate"; readonly what: string }
  );

/** The settings that a port is opened with. */
export function settingsOf({ baudRate, dataBits, parity, stopBits, flowControl }: PortOptions): PortSettings {
  return {
    baudRate: baudRate ?? SERIAL_DEFAULTS.baudRate,
    dataBits: dataBits ?? SERIAL_DEFAULTS.dataBits,
    parity: parity ?? SERIAL_DEFAULTS.parity,
    stopBits: stopBits ?? SERIAL_DEFAULTS.stopBits,
    flowControl: flowControl ?? SERIAL_DEFAULTS.flowControl,
  };
}

/**
 * One command of a `line` device. Its answer is the first line that matches `expect`, so many of them as
 * `lines` says, or all of them up to the line that matches `until`; without any of the three none is awaited.
 */
export interface CommandProfile {
  /** Text sent, with `{name}` for each parameter. */
  readonly send: string;
  /** Regular expression that an answering line has to match; absent: any line that is no reading. */
  readonly expect?: string;
  /** Lines of the answer, which is an array then. */
  readonly lines?: number;
  /** Regular expression of the line that ends the answer, which is an array of those before it. */
  readonly until?: string;
  /** Regular expression of a line that says that the command failed. */
  readonly error?: string;
  readonly parameters: { readonly [name: string]: ParameterProfile };
  /** Named group of `expect` that is the result; absent: the whole line. */
  readonly result?: string;
  /** Type that the result is converted to; a string unless given. */
  readonly type?: ValueSchema["type"];
  /** Named groups of `expect`, each with its type, that together are the result. */
  readonly fields?: { readonly [group: string]: ValueSchema["type"] };
  /** Milliseconds for the whole answer; absent: the device's. */
  readonly timeout?: number;
  readonly summary?: string;
}

/** One reading: polled by a command, or matched in what the device says unasked. */
export interface ReadingProfile {
  readonly source:
    | {
        readonly kind: "poll";
        readonly command: string;
        readonly every: number;
        /** The one of the command's `fields` that is the value; absent: its result. */
        readonly field?: string;
      }
    | { readonly kind: "match"; readonly match: string; readonly result?: string };
  readonly type?: ValueSchema["type"];
  readonly unit?: string;
  readonly deviceClass?: string;
}

/** What is done with a reading's values before anybody is told, whichever driver has it. */
export interface ReadingTuning {
  /** A number becomes `value * scale + offset`. */
  readonly scale?: number;
  readonly offset?: number;
  /** A value that differs by no more than this from the one told last is not told; of what is no number, the same. */
  readonly deadband?: number;
  /** Milliseconds between two values that are told, at least; the last of those between is told then. */
  readonly minInterval?: number;
  /** Milliseconds without a value after which the reading is stale. */
  readonly staleAfter?: number;
  /** Instead of the driver's own. */
  readonly unit?: string;
  readonly deviceClass?: string;
}

/** How a device's lines are written and awaited. */
export interface LineSettings {
  readonly terminator: string;
  readonly timeout: number;
  /** Characters that begin another command on the same line, as `;` in SCPI; no bare text may have one. */
  readonly separators: string;
  /** What the board writes, without a line's end, when it awaits the next command; it ends every answer. */
  readonly prompt?: string;
  /** How lines are secured, both ways. */
  readonly checksum?: LineChecksum;
  /** True when the board repeats every line that it is sent. */
  readonly echo?: boolean;
}

/** How a machine that speaks G-code is driven. */
export interface GcodeSettings {
  readonly dialect: "grbl" | "marlin";
  /** Bytes that a Grbl takes before it has answered the first of them. */
  readonly buffer: number;
  /** Characters of a line that it takes, without the terminator. */
  readonly lineLength: number;
  /** Milliseconds between two looks at its state. */
  readonly poll: number;
  /** Milliseconds within which it has to say something while an answer is due. */
  readonly timeout: number;
  /** What becomes of a job whose caller is lost. */
  readonly onLost: "hold" | "stop" | "continue";
}

/**
 * What a machine is taken for unless the configuration says otherwise. Grbl 1.1 has 128 bytes for what it receives
 * and 80 for a line; Marlin 96 for a line, of which a zero ends each.
 */
export const GCODE_DEFAULTS = {
  dialect: "grbl",
  buffer: 127,
  lineLength: { grbl: 79, marlin: 95 },
  poll: 500,
  timeout: 10_000,
  onLost: "hold",
} as const;

/** One device. */
export interface DeviceProfile {
  readonly name: string;
  readonly port: PortChoice;
  readonly driver: string;
  readonly line: LineSettings;
  /** Of driver `gcode`. */
  readonly gcode?: GcodeSettings;
  readonly commands: { readonly [name: string]: CommandProfile };
  readonly readings: { readonly [name: string]: ReadingProfile };
  /** By name, also of readings that the driver itself has. */
  readonly tuning?: { readonly [name: string]: ReadingTuning };
  /** Of driver `modbus`; absent: its defaults. */
  readonly modbus?: ModbusSettings;
  /** Of driver `firmata`; absent: its defaults. */
  readonly firmata?: FirmataSettings;
  /** Of driver `micropython`; absent: its defaults. */
  readonly micropython?: MicroPythonSettings;
  /** How its board is flashed; absent: as the file says. */
  readonly flash?: FlashSettings;
  /** Of driver `frames`; absent: its defaults. */
  readonly frames?: FramesSettings;
}
