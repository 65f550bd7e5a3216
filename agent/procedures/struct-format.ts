/**
 * Binary records in the format language of Python's `struct` module: byte order `@ = < > !`, letters
 * `x c b B ? h H i I l L q Q n N e f d s p P`, repeat counts, white space between letters.
 *
 * `@` (and no byte order) means this machine's order, sizes and alignment; the others are standard sizes
 * without alignment. Byte strings are base64 on the JSON side.
 */
import { endianness } from "node:os";
import { type JsonValue, PROCEDURES, TetherError } from "../../protocol/index.ts";
import { decodeBase64, encodeBase64 } from "./base64.ts";
import { describeValue } from "./wording.ts";

type Letter = "x" | "?" | "c" | "s" | "p" | "int" | "uint" | "float";

/** One or more values of a kind, side by side. */
interface Field {
  readonly letter: string;
  readonly kind: Letter;
  /** Bytes of one value; for `s` and `p` the whole string. */
  readonly size: number;
  readonly count: number;
  readonly offset: number;
}

interface Format {
  readonly fields: readonly Field[];
  readonly isLittle: boolean;
  readonly size: number;
  readonly values: number;
}

/** Letter to kind, standard size and native size where that differs; standard size 0: native only. */
const LETTERS: ReadonlyMap<string, readonly [kind: Letter, standard: number, native?: number]> = new Map([
  ["x", ["x", 1]],
  ["c", ["c", 1]],
  ["b", ["int", 1]],
  ["B", ["uint", 1]],
  ["?", ["?", 1]],
  ["h", ["int", 2]],
  ["H", ["uint", 2]],
  ["i", ["int", 4]],
  ["I", ["uint", 4]],
  ["l", ["int", 4, wordSize()]],
  ["L", ["uint", 4, wordSize()]],
  ["q", ["int", 8]],
  ["Q", ["uint", 8]],
  ["n", ["int", 0, wordSize()]],
  ["N", ["uint", 0, wordSize()]],
  ["P", ["uint", 0, wordSize()]],
  ["e", ["float", 2]],
  ["f", ["float", 4]],
  ["d", ["float", 8]],
  ["s", ["s", 1]],
  ["p", ["p", 1]],
] as const);

/** Bytes of a C `long` and of a pointer, which are one size on every Linux. */
function wordSize(): 4 | 8 {
  return process.arch === "arm" || process.arch === "ia32" ? 4 : 8;
}

/**
 * Packs values into bytes.
 *
 * @throws TetherError `invalid` for a wrong format, a wrong number of values, or a value that does not fit its
 * letter; `limit` for more than `PROCEDURES` allows.
 */
export function packValues(format: string, values: readonly JsonValue[]): Buffer {
  const { fields, isLittle, size, values: wanted } = parseFormat(format);
  if (values.length !== wanted) {
    throw new TetherError("invalid", `bytes.pack: the format takes ${wanted} values; got ${values.length}`);
  }
  const bytes = Buffer.alloc(size);
  let index = 0;
  for (const field of fields) {
    if (field.kind === "x") continue;
    for (let n = 0; n < field.count; n++) {
      const value = values[index++] as JsonValue;
      const place = { bytes, at: field.offset + n * field.size, field, isLittle };
      if (!packOne(place, value)) {
        throw new TetherError(
          "invalid",
          `bytes.pack: value ${index} for "${field.letter}": got ${describeValue(value)}; allowed: ${allowedBy(field)}`,
        );
      }
    }
  }
  return bytes;
}

/**
 * Unpacks bytes into values; integers beyond 2^53 as bigint.
 *
 * @throws TetherError `invalid` for a wrong format, another number of bytes than the format has, and a NaN or
 * infinity, which JSON cannot carry; `limit` for more than `PROCEDURES` allows.
 */
export function unpackValues(format: string, bytes: Buffer): JsonValue[] {
  const { fields, isLittle, size } = parseFormat(format);
  if (bytes.length !== size) {
    throw new TetherError("invalid", `bytes.unpack: the format takes ${size} bytes; got ${bytes.length}`);
  }
  const values: JsonValue[] = [];
  for (const field of fields) {
    if (field.kind === "x") continue;
    for (let n = 0; n < field.count; n++) {
      values.push(unpackOne({ bytes, at: field.offset + n * field.size, field, isLittle }));
    }
  }
  return values;
}

interface Place {
  readonly bytes: Buffer;
  readonly at: number;
  readonly field: Field;
  readonly isLittle: boolean;
}

function parseFormat(text: string): Format {
  const order = /^[@=<>!]/.exec(text)?.[0] ?? "@";
  const isNative = order === "@";
  const fields: Field[] = [];
  let size = 0;
  let values = 0;
  const item = /[ \t\n\v\f\r]*(?:([0-9]*)([a-zA-Z?])|$)/y;
  item.lastIndex = /^[@=<>!]/.test(text) ? 1 : 0;
  for (;;) {
    const start = item.lastIndex;
    const match = item.exec(text);
    if (match === null) throw badLetter(text, start, order);
    const [, digits = "", letter] = match;
    if (letter === undefined) return { fields, isLittle: isLittle(order), size, values };
    const facts = LETTERS.get(letter);
    const bytes = isNative ? (facts?.[2] ?? facts?.[1]) : facts?.[1];
    if (facts === undefined || !bytes) throw badLetter(text, item.lastIndex - 1, order);
    const repeat = digits === "" ? 1 : Number(digits);
    const isString = facts[0] === "s" || facts[0] === "p";
    if (isNative) size = Math.ceil(size / bytes) * bytes;
    const field = { letter, kind: facts[0], size: isString ? repeat : bytes, count: isString ? 1 : repeat };
    fields.push({ ...field, offset: size });
    size += repeat * bytes;
    if (field.kind !== "x") values += field.count;
    if (size > PROCEDURES.bytes || values > PROCEDURES.packValues) {
      throw new TetherError(
        "limit",
        `a format has at most ${PROCEDURES.packValues} values and ${PROCEDURES.bytes} bytes`,
      );
    }
  }
}

function badLetter(text: string, at: number, order: string): TetherError {
  const rest = text.slice(at).trimStart();
  const letters = [...LETTERS]
    .filter(([, [, standard]]) => order === "@" || standard > 0)
    .map(([letter]) => letter);
  return new TetherError(
    "invalid",
    `format at character ${text.length - rest.length + 1}: ${JSON.stringify(rest.slice(0, 8))}; ` +
      `allowed: a count and one of ${letters.join(" ")}`,
  );
}

function isLittle(order: string): boolean {
  if (order === "<") return true;
  return order !== ">" && order !== "!" && endianness() === "LE";
}

/** False when the value does not fit. */
function packOne({ bytes, at, field, isLittle: little }: Place, value: JsonValue): boolean {
  switch (field.kind) {
    case "?":
      if (typeof value !== "boolean" && typeof value !== "number") return false;
      bytes[at] = value ? 1 : 0;
      return true;
    case "int":
    case "uint":
      return packInteger(bytes, at, field, little, value);
    case "float":
      return (
        (typeof value === "number" || typeof value === "bigint") &&
        packFloat(bytes, at, field.size, little, Number(value))
      );
    default: {
      const content = typeof value === "string" ? decodeBase64(value) : undefined;
      if (content === undefined) return false;
      if (field.kind === "c" && content.length !== 1) return false;
      if (field.kind === "p") {
        // A length byte, then as much as the field has room for; Python fills a field longer than the byte can say.
        const length = Math.max(0, Math.min(content.length, field.size - 1));
        if (field.size > 0) bytes[at] = Math.min(length, 255);
        content.copy(bytes, at + 1, 0, length);
      } else {
        content.copy(bytes, at, 0, field.size);
      }
      return true;
    }
  }
}

function packInteger(bytes: Buffer, at: number, field: Field, little: boolean, value: JsonValue): boolean {
  if (typeof value !== "bigint" && !Number.isInteger(value)) return false;
  const integer = value as number | bigint;
  const [least, most] = rangeOf(field);
  if (integer < least || integer > most) return false;
  if (field.size === 8) {
    const pattern = BigInt.asUintN(64, BigInt(integer));
    if (little) bytes.writeBigUInt64LE(pattern, at);
    else bytes.writeBigUInt64BE(pattern, at);
  } else {
    const pattern = Number(integer) < 0 ? Number(integer) + 2 ** (8 * field.size) : Number(integer);
    if (little) bytes.writeUIntLE(pattern, at, field.size);
    else bytes.writeUIntBE(pattern, at, field.size);
  }
  return true;
}

function packFloat(bytes: Buffer, at: number, size: number, little: boolean, value: number): boolean {
  if (!Number.isFinite(value)) return false;
  if (size === 8) {
    if (little) bytes.writeDoubleLE(value, at);
    else bytes.writeDoubleBE(value, at);
    return true;
  }
  if (size === 4) {
    if (!Number.isFinite(Math.fround(value))) return false;
    if (little) bytes.writeFloatLE(value, at);
    else bytes.writeFloatBE(value, at);
    return true;
  }
  const half = toHalf(value);
  if (half === undefined) return false;
  if (little) bytes.writeUInt16LE(half, at);
  else bytes.writeUInt16BE(half, at);
  return true;
}

function unpackOne({ bytes, at, field, isLittle: little }: Place): JsonValue {
  const { kind, size } = field;
  switch (kind) {
    case "?":
      return bytes[at] !== 0;
    case "int":
    case "uint": {
      if (size < 8) {
        if (kind === "int") return little ? bytes.readIntLE(at, size) : bytes.readIntBE(at, size);
        return little ? bytes.readUIntLE(at, size) : bytes.readUIntBE(at, size);
      }
      const pattern = little ? bytes.readBigUInt64LE(at) : bytes.readBigUInt64BE(at);
      const integer = kind === "int" ? BigInt.asIntN(64, pattern) : pattern;
      return Number.isSafeInteger(Number(integer)) ? Number(integer) : integer;
    }
    case "float": {
      const value = readFloat(bytes, at, size, little);
      if (Number.isFinite(value)) return value;
      throw new TetherError(
        "invalid",
        `bytes.unpack: the ${field.letter} at byte ${at} is ${value}, which JSON cannot carry`,
      );
    }
    case "p": {
      const length = size === 0 ? 0 : Math.min(bytes[at] ?? 0, size - 1);
      return encodeBase64(bytes.subarray(at + 1, at + 1 + length));
    }
    default:
      return encodeBase64(bytes.subarray(at, at + size));
  }
}

function readFloat(bytes: Buffer, at: number, size: number, little: boolean): number {
  if (size === 8) return little ? bytes.readDoubleLE(at) : bytes.readDoubleBE(at);
  if (size === 4) return little ? bytes.readFloatLE(at) : bytes.readFloatBE(at);
  return fromHalf(little ? bytes.readUInt16LE(at) : bytes.readUInt16BE(at));
}

/** A double as IEEE 754 binary16, rounded to the nearest, ties to even; undefined when it is too large. */
function toHalf(value: number): number | undefined {
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const size = Math.abs(value);
  // Below 2^-14 the steps are 2^-24 throughout.
  let exponent = -14;
  while (size >= 2 ** (exponent + 1) && exponent < 16) exponent++;
  const steps = roundToEven(size * 2 ** (10 - exponent));
  const bits = (exponent + 14) * 1_024 + steps;
  return bits < 0x7c00 ? sign | bits : undefined;
}

function fromHalf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1_024 + fraction) * 2 ** (exponent - 25));
}

function roundToEven(value: number): number {
  const low = Math.floor(value);
  const rest = value - low;
  return rest > 0.5 || (rest === 0.5 && low % 2 === 1) ? low + 1 : low;
}

function rangeOf({ kind, size }: Field): [bigint, bigint] {
  const bits = BigInt(8 * size);
  return kind === "int" ? [-(1n << (bits - 1n)), (1n << (bits - 1n)) - 1n] : [0n, (1n << bits) - 1n];
}

function allowedBy(field: Field): string {
  switch (field.kind) {
    case "?":
      return "true or false";
    case "int":
    case "uint":
      return `an integer from ${rangeOf(field).join(" to ")}`;
    case "float":
      return `a number that ${field.size} bytes can hold`;
    case "c":
      return "one byte in base64";
    default:
      return "bytes in base64";
  }
}
