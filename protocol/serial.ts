import { type ErrorShape, isErrorCode, TetherError } from "./errors.ts";
import { parseJson, writeJson } from "./exact-json.ts";
import type { JsonObject, JsonValue } from "./json.ts";
import { SERIAL } from "./limits.ts";

/** How a stream of kind `serial` uses its port: to watch it, to write beside the driver, or instead of it. */
export type SerialMode = "watch" | "write" | "exclusive";

/** How the bits on a port stand. */
export interface SerialSettings {
  /** Bits a second. */
  readonly baudRate: number;
  readonly dataBits: 5 | 6 | 7 | 8;
  readonly parity: "none" | "even" | "odd";
  readonly stopBits: 1 | 2;
  readonly flowControl: "none" | "hardware" | "software";
}

/** Lines that the agent's end of the cable drives; one that is left out stays as it is. */
export interface SerialOutputs {
  readonly dtr?: boolean;
  readonly rts?: boolean;
  readonly break?: boolean;
}

/** Lines that the device drives. */
export interface SerialInputs {
  readonly cts: boolean;
  readonly dsr: boolean;
  readonly dcd: boolean;
}

/** What a controller wants of a port. */
export interface SerialRequest {
  /** Name of a declared device, or path of a port. */
  readonly port: string;
  readonly mode: SerialMode;
  /** What for, in a word, for whoever is refused meanwhile; `monitor` unless given. */
  readonly kind?: string;
  /** Bits a second: of a port that is opened for this, or from now on where the mode is to write. */
  readonly baudRate?: number;
  /** Take the port from whoever holds it. */
  readonly take?: boolean;
  /** Send everything that passes, in both directions and with times, as documents. */
  readonly both?: boolean;
  /** Tell of the device's lines while the port is held. */
  readonly lines?: boolean;
  /** Go on where an earlier stream was: the bytes that it had, and the `instance` that it was told. */
  readonly from?: number;
  readonly instance?: string;
}

/** What a controller wants done, in turn with its DATA; one with an `id` is answered. */
export type SerialOrder = { readonly id?: number } & (
  | { readonly order: "lease"; readonly mode: "write" | "exclusive"; readonly take?: boolean }
  | { readonly order: "release" }
  | { readonly order: "configure"; readonly settings: Partial<SerialSettings> }
  | { readonly order: "lines"; readonly lines: SerialOutputs }
  /** A break of so many milliseconds. */
  | { readonly order: "break"; readonly duration: number }
  | { readonly order: "input-lines" }
  /** Not in turn: what came before and is not on the wire is dropped. */
  | { readonly order: "purge"; readonly buffers: "input" | "output" | "both" }
  | { readonly order: "drain" }
);

/** How a port stands; all but `ready` come with a reason. */
export interface SerialCondition {
  readonly state: string;
  readonly reason: string | null;
  readonly path: string | null;
  readonly settings: SerialSettings;
}

/** What an agent says of the port. */
export type SerialReport =
  /** First of all: the DATA that follow begin at the byte `offset`, which goes on counting in one `instance`. */
  | {
      readonly report: "opened";
      readonly port: string;
      readonly instance: string;
      readonly offset: number;
      readonly condition: SerialCondition;
      /** What ends the device's lines, where its driver knows that; what Enter sends. */
      readonly terminator: string | null;
      /** Who holds the port, if anybody does. */
      readonly holder: { readonly label: string; readonly kind: string; readonly since: string } | null;
    }
  | { readonly report: "condition"; readonly condition: SerialCondition }
  /** So many bytes of the device were too many for this reader; they would stand right here. */
  | { readonly report: "lost"; readonly bytes: number; readonly direction: "device" | "host" }
  /** In place of DATA, where both directions were asked for. */
  | {
      readonly report: "traffic";
      readonly direction: "device" | "host";
      /** ISO 8601 in UTC. */
      readonly time: string;
      readonly data: Buffer;
    }
  | { readonly report: "lines"; readonly lines: SerialInputs }
  /** The port is somebody else's now, or nobody's. */
  | { readonly report: "released"; readonly error: TetherError }
  /** So many bytes of DATA were not written. */
  | { readonly report: "refused"; readonly bytes: number; readonly error: TetherError }
  /** An order has been carried out, or not. */
  | {
      readonly report: "answer";
      readonly id: number;
      readonly error?: TetherError;
      readonly settings?: SerialSettings;
      /** Whether the port has such lines. */
      readonly set?: boolean;
      /** Null where the port has none. */
      readonly lines?: SerialInputs | null;
    };

/** Reads the first document of a stream of kind `serial`. Throws `invalid`. */
export function readSerialRequest(text: string): SerialRequest {
  const value = asObject(parseJson(text), "a request for a port");
  const { port, mode, kind, baudRate, take, both, lines, from, instance } = value;
  if (typeof port !== "string") throw new TetherError("invalid", "a request without a port");
  if (mode !== "watch" && mode !== "write" && mode !== "exclusive") {
    throw new TetherError("invalid", "a port's mode is watch, write or exclusive");
  }
  if (kind !== undefined && !(typeof kind === "string" && /^[a-z0-9-]{1,32}$/.test(kind))) {
    throw new TetherError("invalid", "a kind is a word of up to 32 of a-z 0-9 -");
  }
  return {
    port,
    mode,
    ...(kind !== undefined && { kind }),
    ...(baudRate !== undefined && { baudRate: readBaudRate(baudRate) }),
    ...(from !== undefined && { from: wholeNumber(from, "from", Number.MAX_SAFE_INTEGER) }),
    ...(typeof instance === "string" && { instance }),
    take: take === true,
    both: both === true,
    lines: lines === true,
  };
}

/** The request as the first document of a stream. */
export function writeSerialRequest(request: SerialRequest): string {
  return writeJson(request as unknown as JsonObject);
}

/** Reads an order; undefined for one that this side does not know. Throws `invalid` for what is no order. */
export function readSerialOrder(text: string): SerialOrder | undefined {
  const value = asObject(parseJson(text), "an order");
  const { order } = value;
  const id = value.id === undefined ? {} : { id: wholeNumber(value.id, "id", 0xffff_ffff) };
  switch (order) {
    case "lease":
      if (value.mode !== "write" && value.mode !== "exclusive") {
        throw new TetherError("invalid", "a lease's mode is write or exclusive");
      }
      return { ...id, order, mode: value.mode, take: value.take === true };
    case "configure":
      return { ...id, order, settings: readSettings(asObject(value.settings, "settings")) };
    case "lines":
      return { ...id, order, lines: readOutputs(asObject(value.lines, "lines")) };
    case "break":
      return { ...id, order, duration: wholeNumber(value.duration, "duration", SERIAL.longestBreak) };
    case "purge":
      if (value.buffers !== "input" && value.buffers !== "output" && value.buffers !== "both") {
        throw new TetherError("invalid", "buffers are input, output or both");
      }
      return { ...id, order, buffers: value.buffers };
    case "release":
    case "input-lines":
    case "drain":
      return { ...id, order };
    default:
      return undefined;
  }
}

/** The order as a document. */
export function writeSerialOrder(order: SerialOrder): string {
  return writeJson(order as unknown as JsonObject);
}

/** The report as a document. */
export function writeSerialReport(report: SerialReport): string {
  const sent = report.report === "traffic" ? { ...report, data: report.data.toString("base64") } : report;
  return JSON.stringify(sent);
}

/** Reads a report; undefined for one that this side does not know. Throws `invalid` for what is no report. */
export function readSerialReport(text: string): SerialReport | undefined {
  const value = asObject(parseJson(text), "a report");
  switch (value.report) {
    case "traffic":
      return { ...value, data: Buffer.from(String(value.data), "base64") } as unknown as SerialReport;
    case "released":
    case "refused":
      return { ...value, error: readError(value.error) } as unknown as SerialReport;
    case "answer":
      return {
        ...value,
        ...(value.error !== undefined && { error: readError(value.error) }),
      } as unknown as SerialReport;
    case "opened":
    case "condition":
    case "lost":
    case "lines":
      return value as unknown as SerialReport;
    default:
      return undefined;
  }
}

function readError(value: JsonValue | undefined): TetherError {
  const { code, message, hint } = asObject(value, "an error") as unknown as ErrorShape;
  return new TetherError(isErrorCode(code) ? code : "internal", String(message), { hint });
}

function readSettings({
  baudRate,
  dataBits,
  parity,
  stopBits,
  flowControl,
}: JsonObject): Partial<SerialSettings> {
  return {
    ...(baudRate !== undefined && { baudRate: readBaudRate(baudRate) }),
    ...(dataBits !== undefined && { dataBits: oneOf(dataBits, [5, 6, 7, 8], "dataBits") }),
    ...(parity !== undefined && { parity: oneOf(parity, ["none", "even", "odd"], "parity") }),
    ...(stopBits !== undefined && { stopBits: oneOf(stopBits, [1, 2], "stopBits") }),
    ...(flowControl !== undefined && {
      flowControl: oneOf(flowControl, ["none", "hardware", "software"], "flowControl"),
    }),
  };
}

function readBaudRate(value: JsonValue): number {
  const rate = wholeNumber(value, "baudRate", SERIAL.fastest);
  if (rate < SERIAL.slowest) throw new TetherError("invalid", `baudRate is at least ${SERIAL.slowest}`);
  return rate;
}

function readOutputs(lines: JsonObject): SerialOutputs {
  const given = (["dtr", "rts", "break"] as const).filter((name) => typeof lines[name] === "boolean");
  return Object.fromEntries(given.map((name) => [name, lines[name]]));
}

function oneOf<const T extends string | number>(value: JsonValue, allowed: readonly T[], what: string): T {
  const found = allowed.find((each) => each === value);
  if (found !== undefined) return found;
  throw new TetherError("invalid", `${what} is one of ${allowed.join(", ")}`);
}

function wholeNumber(value: JsonValue | undefined, what: string, most: number): number {
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0 && value <= most) return value;
  throw new TetherError("invalid", `${what} is a whole number up to ${most}`);
}

function asObject(value: JsonValue | undefined, what: string): JsonObject {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value;
  throw new TetherError("invalid", `${what} is not an object`);
}
