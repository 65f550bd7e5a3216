import { TetherError } from "../protocol/errors.ts";
import { JSON_TEXT } from "../protocol/limits.ts";
import type { ParameterProfile, ValueSchema } from "./profile.ts";

/** A value that a device takes or gives; an integer beyond 2^53 is a bigint. */
export type DeviceValue = null | boolean | number | bigint | string;

/** Values by the name of the group they were in. */
export type DeviceRecord = { [name: string]: DeviceValue };

/** What a command gives: a value, or records and arrays of values. */
export type DeviceResult = DeviceValue | DeviceResult[] | { [name: string]: DeviceResult };

/** A JSON Schema (draft 2020-12) as plain data. */
export type JsonSchema = {
  [key: string]: string | number | boolean | (string | number | boolean)[] | JsonSchema;
};

/** The JSON Schema of a parameter. */
export function parameterSchema(schema: ParameterProfile): JsonSchema {
  const { enum: allowed, quote: _quote, escape: _escape, ...rest } = schema;
  return allowed === undefined ? { ...rest } : { ...rest, enum: [...allowed] };
}

/**
 * Reads a text from a device as a value of the type that its profile says.
 *
 * @param what names the value in the error.
 * @throws TetherError `device-failed` with what came.
 */
export function readValue(text: string, type: ValueSchema["type"], what: string): DeviceValue {
  const value = parse(text.trim(), text, type);
  if (value === undefined) throw new TetherError("device-failed", `${what}: ${shown(text)} is no ${type}`);
  return value;
}

function parse(text: string, whole: string, type: ValueSchema["type"]): DeviceValue | undefined {
  switch (type) {
    case "string":
      return whole;
    case "integer": {
      if (!/^[+-]?[0-9]+$/.test(text) || text.length > JSON_TEXT.integerDigits) return undefined;
      const value = Number(text);
      return Number.isSafeInteger(value) ? value : BigInt(text.replace(/^\+/, ""));
    }
    case "number": {
      if (!/^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?$/i.test(text)) return undefined;
      const value = Number(text);
      return Number.isFinite(value) ? value : undefined;
    }
    case "boolean":
      if (/^(1|true|on|yes|high)$/i.test(text)) return true;
      if (/^(0|false|off|no|low)$/i.test(text)) return false;
      return undefined;
  }
}

/** A text from a device as an error message shows it: quoted, without control characters, not too long. */
export function shown(text: string): string {
  const cut = text.length > 100 ? `${text.slice(0, 100)}…` : text;
  return JSON.stringify(cut);
}
