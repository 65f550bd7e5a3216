import { TetherError } from "../../../protocol/errors.ts";
import type { ValueSchema } from "../../profile.ts";
import type { DeviceValue, JsonSchema } from "../../value.ts";

/** The types of fields, in the words of descriptions. */
const FIELD_TYPES = ["bool", "u8", "u16", "u32", "i8", "i16", "i32", "f32", "string"] as const;

export type FieldType = (typeof FIELD_TYPES)[number];

/** Bytes, least and greatest of the integers. */
const INTEGERS: { readonly [type: string]: readonly [bytes: number, least: number, greatest: number] } = {
  u8: [1, 0, 0xff],
  u16: [2, 0, 0xffff],
  u32: [4, 0, 0xffff_ffff],
  i8: [1, -0x80, 0x7f],
  i16: [2, -0x8000, 0x7fff],
  i32: [4, -0x8000_0000, 0x7fff_ffff],
};

/** Bytes of a string at most: its length is one byte. */
const LONGEST = 255;

/** True when a description's word is a type. */
export function isFieldType(word: string): word is FieldType {
  return FIELD_TYPES.some((type) => type === word);
}

/** What a field is in JSON. */
export function fieldJsonType(type: FieldType): ValueSchema["type"] {
  if (type === "bool") return "boolean";
  return type === "string" ? "string" : type === "f32" ? "number" : "integer";
}

/** The JSON Schema of a field; `longest` is the most bytes that a text has room for. */
export function fieldSchema(type: FieldType, longest: number): JsonSchema {
  const range = INTEGERS[type];
  if (range) return { type: "integer", minimum: range[1], maximum: range[2] };
  return type === "string" ? { type: "string", maxLength: longest } : { type: fieldJsonType(type) };
}

/**
 * A field as it goes over the line: integers and floats little-endian, a text in UTF-8 behind its length in one byte.
 *
 * @throws TetherError `invalid` for what the type does not hold.
 */
export function encodeField(value: unknown, type: FieldType, name: string): Buffer {
  const refuse = (allowed: string): never => {
    throw new TetherError("invalid", `${name}: ${String(value).slice(0, 100)}; allowed: ${allowed}`);
  };
  if (type === "string") {
    const text = Buffer.from(typeof value === "string" ? value : refuse("a text"), "utf8");
    if (text.length > LONGEST) refuse(`a text of up to ${LONGEST} bytes`);
    return Buffer.concat([Buffer.of(text.length), text]);
  }
  if (type === "bool") return Buffer.of(typeof value === "boolean" ? Number(value) : refuse("true or false"));
  if (typeof value !== "number" || !Number.isFinite(value)) return refuse("a number");
  if (type === "f32") {
    const bytes = Buffer.alloc(4);
    bytes.writeFloatLE(Number.isFinite(Math.fround(value)) ? value : refuse("what fits f32"));
    return bytes;
  }
  const [size, least, greatest] = INTEGERS[type] ?? [1, 0, 0];
  if (!Number.isInteger(value) || value < least || value > greatest) {
    return refuse(`an integer from ${least} to ${greatest}`);
  }
  const bytes = Buffer.alloc(size);
  if (least < 0) bytes.writeIntLE(value, 0, size);
  else bytes.writeUIntLE(value, 0, size);
  return bytes;
}

/**
 * The value of a field that came.
 *
 * @throws TetherError `device-failed` when the bytes are not one of that type.
 */
export function decodeField(bytes: Buffer, type: FieldType, name: string): DeviceValue {
  const broken = (): never => {
    throw new TetherError("device-failed", `${name}: what came is no ${type}: ${bytes.toString("hex")}`);
  };
  if (type === "string") {
    return bytes.length >= 1 && bytes.length === 1 + (bytes[0] ?? 0) ? bytes.toString("utf8", 1) : broken();
  }
  if (type === "bool") return bytes.length === 1 ? bytes[0] !== 0 : broken();
  if (type === "f32") {
    const value = bytes.length === 4 ? bytes.readFloatLE() : broken();
    return Number.isFinite(value) ? shortest(value) : broken();
  }
  const [size, least] = INTEGERS[type] ?? [1, 0];
  if (bytes.length !== size) return broken();
  return least < 0 ? bytes.readIntLE(0, size) : bytes.readUIntLE(0, size);
}

/** The shortest number that is that float: 0.1, not 0.10000000149011612. */
function shortest(value: number): number {
  for (let digits = 6; digits <= 9; digits += 1) {
    const shorter = Number(value.toPrecision(digits));
    if (Math.fround(shorter) === value) return shorter;
  }
  return value;
}
