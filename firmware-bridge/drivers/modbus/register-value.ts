import { TetherError } from "../../../protocol/errors.ts";
import type { DeviceValue } from "../../value.ts";
import type { RegisterProfile, RegisterType } from "./settings.ts";

/** Registers of the types of fixed size. */
const REGISTERS: { readonly [type in Exclude<RegisterType, "string">]: number } = {
  uint16: 1,
  int16: 1,
  boolean: 1,
  uint32: 2,
  int32: 2,
  float32: 2,
  uint64: 4,
  int64: 4,
  float64: 4,
};

/** Least and greatest of the integer types. */
const INTEGERS: { readonly [type in RegisterType]?: readonly [least: bigint, greatest: bigint] } = {
  uint16: [0n, 0xffffn],
  int16: [-0x8000n, 0x7fffn],
  uint32: [0n, 0xffff_ffffn],
  int32: [-0x8000_0000n, 0x7fff_ffffn],
  uint64: [0n, 0xffff_ffff_ffff_ffffn],
  int64: [-0x8000_0000_0000_0000n, 0x7fff_ffff_ffff_ffffn],
};

/** Significant digits that survive a double: 0.1 times 3 is 0.3 then. */
const DIGITS = 15;

/** Registers, or coils, that a value takes. */
export function registerCount({ type, length = 1 }: Pick<RegisterProfile, "type" | "length">): number {
  return type === "string" ? length : REGISTERS[type];
}

/** What the value is in JSON. */
export function registerJsonType(register: RegisterProfile): "integer" | "number" | "string" | "boolean" {
  const { type, scale, offset } = register;
  if (type === "string" || type === "boolean") return type;
  if (isFlag(register)) return "boolean";
  const whole =
    type !== "float32" && type !== "float64" && Number.isInteger(scale) && Number.isInteger(offset);
  return whole ? "integer" : "number";
}

/** True for one bit of a register, which is true or false. */
function isFlag({ bit, bits = 1 }: RegisterProfile): boolean {
  return bit !== undefined && bits === 1;
}

/**
 * The value that registers hold.
 *
 * @param bytes two for each register, as they came over the wire.
 * @throws TetherError `device-failed` for a number that is none.
 */
export function registerValue(bytes: Buffer, register: RegisterProfile, name: string): DeviceValue {
  const ordered = inOrder(bytes, register);
  const { type, bit, bits = 1 } = register;
  if (type === "string") return stringIn(ordered);
  if (bit !== undefined) {
    const part = (ordered.readUInt16BE() >> bit) & ((1 << bits) - 1);
    return isFlag(register) ? part === 1 : scaled(part, register);
  }
  if (type === "boolean") return ordered.readUInt16BE() !== 0;
  const value = NUMBERS[type].read(ordered);
  if (typeof value === "number" && !Number.isFinite(value)) {
    throw new TetherError("device-failed", `${name}: the registers hold ${value}, which is no number`);
  }
  return scaled(value, register);
}

/**
 * The registers of a value, two bytes each as they go over the wire. Of a part of a register: the register with
 * that part alone.
 *
 * @throws TetherError `invalid` with what is allowed.
 */
export function registerBytes(value: DeviceValue, register: RegisterProfile, name: string): Buffer {
  const { type, bit, bits = 1 } = register;
  const bytes = Buffer.alloc(2 * registerCount(register));
  if (type === "string") {
    const text = typeof value === "string" ? value : refuse(name, value, "text");
    if (Buffer.byteLength(text) > bytes.length) refuse(name, value, `up to ${bytes.length} bytes`);
    bytes.write(text, "utf8");
  } else if (type === "boolean" || isFlag(register)) {
    const on = isTruth(value) ? Number(value) : refuse(name, value, "true or false");
    bytes.writeUInt16BE(on << (bit ?? 0));
  } else if (bit !== undefined) {
    const part = integerOf(value, register, name, [0n, BigInt((1 << bits) - 1)]);
    bytes.writeUInt16BE(Number(part) << bit);
  } else if (type === "float32" || type === "float64") {
    const raw = unscaled(numberOf(value, register, name), register);
    if (!Number.isFinite(type === "float32" ? Math.fround(raw) : raw))
      refuse(name, value, `what fits ${type}`);
    NUMBERS[type].write(bytes, raw);
  } else {
    const range = INTEGERS[type] ?? [0n, 0n];
    NUMBERS[type].write(bytes, integerOf(value, register, name, range));
  }
  return inOrder(bytes, register);
}

/** The bits of a register that are a value's. */
export function registerMask({ bit = 0, bits = 1 }: RegisterProfile): number {
  return ((1 << bits) - 1) << bit;
}

/** A coil's value to write. Throws TetherError `invalid`. */
export function coilValue(value: DeviceValue, name: string): boolean {
  return isTruth(value) ? Boolean(value) : refuse(name, value, "true or false");
}

interface NumberFormat {
  read(bytes: Buffer): number | bigint;
  write(bytes: Buffer, value: number | bigint): void;
}

const NUMBERS: { readonly [type in Exclude<RegisterType, "string" | "boolean">]: NumberFormat } = {
  uint16: { read: (b) => b.readUInt16BE(), write: (b, v) => void b.writeUInt16BE(Number(v)) },
  int16: { read: (b) => b.readInt16BE(), write: (b, v) => void b.writeInt16BE(Number(v)) },
  uint32: { read: (b) => b.readUInt32BE(), write: (b, v) => void b.writeUInt32BE(Number(v)) },
  int32: { read: (b) => b.readInt32BE(), write: (b, v) => void b.writeInt32BE(Number(v)) },
  uint64: { read: (b) => b.readBigUInt64BE(), write: (b, v) => void b.writeBigUInt64BE(BigInt(v)) },
  int64: { read: (b) => b.readBigInt64BE(), write: (b, v) => void b.writeBigInt64BE(BigInt(v)) },
  float32: { read: readFloat, write: (b, v) => void b.writeFloatBE(Number(v)) },
  float64: { read: (b) => b.readDoubleBE(), write: (b, v) => void b.writeDoubleBE(Number(v)) },
};

/** The shortest number that is that float: 0.1, not 0.10000000149011612. */
function readFloat(bytes: Buffer): number {
  const value = bytes.readFloatBE();
  for (let digits = 6; digits <= 9; digits += 1) {
    const shorter = Number(value.toPrecision(digits));
    if (Math.fround(shorter) === value) return shorter;
  }
  return value;
}

/** Brings wire order into the standard's, or that into wire order: either is its own opposite. */
function inOrder(bytes: Buffer, { byteOrder, wordOrder, type }: RegisterProfile): Buffer {
  const ordered = Buffer.from(bytes);
  if (byteOrder === "little") ordered.swap16();
  if (wordOrder === "big" || type === "string") return ordered;
  const words = Array.from({ length: ordered.length / 2 }, (_, index) =>
    ordered.subarray(2 * index, 2 * index + 2),
  );
  return Buffer.concat(words.reverse());
}

/** Text up to its first zero, without the spaces with which some devices fill it. */
function stringIn(bytes: Buffer): string {
  const end = bytes.indexOf(0);
  return bytes
    .subarray(0, end < 0 ? bytes.length : end)
    .toString("utf8")
    .trimEnd();
}

type Scale = Pick<RegisterProfile, "scale" | "offset">;

function scaled(value: number | bigint, { scale, offset }: Scale): number | bigint {
  if (typeof value === "bigint") {
    if (!Number.isInteger(scale) || !Number.isInteger(offset))
      return scaled(Number(value), { scale, offset });
    const exact = value * BigInt(scale) + BigInt(offset);
    return Number.isSafeInteger(Number(exact)) ? Number(exact) : exact;
  }
  if (scale === 1 && offset === 0) return value;
  return Number((value * scale + offset).toPrecision(DIGITS));
}

function unscaled(value: number, { scale, offset }: Scale): number {
  return (value - offset) / scale;
}

function numberOf(value: DeviceValue, register: RegisterProfile, name: string): number {
  if (typeof value !== "number" && typeof value !== "bigint") return refuse(name, value, "a number");
  checkBounds(value, register, name);
  return Number(value);
}

function integerOf(
  value: DeviceValue,
  register: RegisterProfile,
  name: string,
  [least, greatest]: readonly [bigint, bigint],
): bigint {
  if (typeof value !== "number" && typeof value !== "bigint") return refuse(name, value, "a number");
  checkBounds(value, register, name);
  const { scale, offset } = register;
  const exact = typeof value === "bigint" && scale === 1 && Number.isInteger(offset);
  const inexact = Math.round(unscaled(Number(value), register));
  const raw = exact ? value - BigInt(offset) : Number.isFinite(inexact) ? BigInt(inexact) : undefined;
  if (raw !== undefined && raw >= least && raw <= greatest) return raw;
  const shown = (bound: bigint) => String(scaled(bound, register));
  const [from, to] = scale < 0 ? [greatest, least] : [least, greatest];
  return refuse(name, value, `${shown(from)} to ${shown(to)}`);
}

function checkBounds(
  value: number | bigint,
  { minimum, maximum }: Pick<RegisterProfile, "minimum" | "maximum">,
  name: string,
): void {
  if (minimum !== undefined && value < minimum) refuse(name, value, `${minimum} and more`);
  if (maximum !== undefined && value > maximum) refuse(name, value, `up to ${maximum}`);
}

function isTruth(value: DeviceValue): value is boolean | 0 | 1 {
  return typeof value === "boolean" || value === 0 || value === 1;
}

function refuse(name: string, value: DeviceValue, allowed: string): never {
  const shown = typeof value === "string" ? JSON.stringify(value.slice(0, 100)) : String(value);
  throw new TetherError("invalid", `${name}: ${shown}; allowed: ${allowed}`);
}
