/**
 * JSON (RFC 8259) that keeps integers exact: one beyond 2^53 is a bigint on both sides.
 *
 * Ordinary documents go through the native parser and writer. A scan beforehand finds the rest, because
 * the native parser rounds a long integer without a word, and the native writer drops or nulls what JSON
 * cannot carry.
 */
import { TetherError } from "./errors.ts";
import type { JsonObject, JsonValue } from "./json.ts";
import { JSON_TEXT } from "./limits.ts";

/** Integers of fewer digits are exact in a double. */
const EXACT_DIGITS = 15;
/** What the digits of an exponent count for, so that its third one passes for a long integer's sixteenth. */
const EXPONENT_START = EXACT_DIGITS - 2;
/** Characters below which one regular expression is the faster check. */
const CALL_SIZE = 1_024;
/** Characters of a string looked at one by one before the native search takes over. */
const SHORT_STRING = 48;
/** A run of 16 digits that is no fraction, or an exponent of three digits; both may also stand in a string. */
const SUSPECT = /(?:^|[^.\d])\d{16}|\d[eE]\+?\d{3}/;
/** The first integer with too many digits. */
const TOO_LARGE = 10n ** BigInt(JSON_TEXT.integerDigits);

/**
 * Reads one JSON document.
 *
 * Integers without fraction and exponent beyond 2^53-1 become bigint. Of equal keys the last wins, and
 * `__proto__` is a key like any other. Lone surrogates pass, as RFC 8259 §8.2 leaves open.
 *
 * @throws TetherError `invalid` with the place (characters count from 1), also for a number beyond the range
 * of a double; `limit` for an integer of more than `JSON_TEXT.integerDigits` digits or nesting deeper than
 * `JSON_TEXT.depth`.
 */
export function parseJson(text: string): JsonValue {
  if (isOrdinary(text)) {
    try {
      return JSON.parse(text) as JsonValue;
    } catch {
      // The reader below finds the same mistake and says where it is, in the same words on every Node.
    }
  }
  return new ExactReader(text).document();
}

/**
 * Writes a value as JSON without white space; what it gives, {@link parseJson} reads back as the same value.
 *
 * A number that is no safe integer but would be written like one gets an exponent, so that it comes back as
 * a number.
 *
 * @throws TetherError `invalid` with the path of what JSON cannot carry: NaN, infinities, undefined,
 * functions, symbols, objects of a class, a value inside itself, nesting deeper than `JSON_TEXT.depth`;
 * `limit` for an integer of more than `JSON_TEXT.integerDigits` digits.
 */
export function writeJson(value: JsonValue): string {
  return isNative(value, 0) ? JSON.stringify(value) : writeExact(value, [], []);
}

/** True when the native parser gives the right value or an error: no long integer, no large exponent, not deep. */
function isOrdinary(text: string): boolean {
  return (
    (text.length < CALL_SIZE && !SUSPECT.test(text) && isShallow(text)) || isOrdinaryOutsideStrings(text)
  );
}

/** True when the text is too short, or has too few opening brackets, to nest too deep. */
function isShallow(text: string): boolean {
  if (text.length < 2 * (JSON_TEXT.depth + 1)) return true;
  let count = 0;
  for (const bracket of ["[", "{"]) {
    for (let at = text.indexOf(bracket); at >= 0; at = text.indexOf(bracket, at + 1)) {
      if (++count > JSON_TEXT.depth) return false;
    }
  }
  return true;
}

/** The same, walked character by character: slower on a call, faster where long strings can be skipped. */
function isOrdinaryOutsideStrings(text: string): boolean {
  const { length } = text;
  let depth = 0;
  let digits = 0;
  for (let at = 0; at < length; at++) {
    const code = text.charCodeAt(at);
    if (code === 0x22) {
      at = endOfString(text, at + 1);
      if (at < 0) return false;
      digits = 0;
    } else if (code >= 0x30 && code <= 0x39) {
      if (++digits > EXACT_DIGITS) return false;
    } else if (code === 0x2e) {
      digits = -length;
    } else if (code === 0x65 || code === 0x45 || code === 0x2b) {
      digits = EXPONENT_START;
    } else {
      digits = 0;
      // `[` and `{`, `]` and `}` differ in one bit.
      const bracket = code | 0x20;
      if (bracket === 0x7b && ++depth > JSON_TEXT.depth) return false;
      if (bracket === 0x7d) depth--;
    }
  }
  return true;
}

/** Index of the quote that ends the string whose first character is at `start`, -1 when there is none. */
function endOfString(text: string, start: number): number {
  const { length } = text;
  const near = Math.min(length, start + SHORT_STRING);
  let at = start;
  while (at < near) {
    const code = text.charCodeAt(at);
    if (code === 0x22) return at;
    at += code === 0x5c ? 2 : 1;
  }
  for (;;) {
    const quote = text.indexOf('"', at);
    if (quote < 0) return -1;
    let backslashes = 0;
    while (quote - backslashes > at && text.charCodeAt(quote - backslashes - 1) === 0x5c) backslashes++;
    if (backslashes % 2 === 0) return quote;
    at = quote + 1;
  }
}

const NUMBER = /-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?/y;

/** A recursive reader for the documents that the native one would get wrong, and for naming mistakes. */
class ExactReader {
  private readonly text: string;
  private at = 0;
  private depth = 0;

  constructor(text: string) {
    this.text = text;
  }

  document(): JsonValue {
    const value = this.value();
    this.space();
    if (this.at < this.text.length) throw this.unexpected("the end");
    return value;
  }

  private value(): JsonValue {
    this.space();
    const code = this.text.charCodeAt(this.at);
    switch (code) {
      case 0x7b:
        return this.object();
      case 0x5b:
        return this.array();
      case 0x22:
        return this.string();
      case 0x74:
        return this.word("true", true);
      case 0x66:
        return this.word("false", false);
      case 0x6e:
        return this.word("null", null);
      default:
        if (code === 0x2d || (code >= 0x30 && code <= 0x39)) return this.number();
        throw this.unexpected("a value");
    }
  }

  private object(): JsonObject {
    const object: JsonObject = {};
    this.open();
    if (this.skip(0x7d)) return this.close(object);
    do {
      this.space();
      if (this.text.charCodeAt(this.at) !== 0x22) throw this.unexpected("a key in quotes");
      const key = this.string();
      this.space();
      if (!this.skip(0x3a)) throw this.unexpected('":"');
      const value = this.value();
      if (key === "__proto__") {
        // An assignment would set the prototype.
        Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true });
      } else {
        object[key] = value;
      }
      this.space();
    } while (this.skip(0x2c));
    if (!this.skip(0x7d)) throw this.unexpected('"," or "}"');
    return this.close(object);
  }

  private array(): JsonValue[] {
    const array: JsonValue[] = [];
    this.open();
    if (this.skip(0x5d)) return this.close(array);
    do {
      array.push(this.value());
      this.space();
    } while (this.skip(0x2c));
    if (!this.skip(0x5d)) throw this.unexpected('"," or "]"');
    return this.close(array);
  }

  private open(): void {
    this.depth++;
    if (this.depth > JSON_TEXT.depth) {
      throw new TetherError("limit", this.place(`nested deeper than ${JSON_TEXT.depth}`));
    }
    this.at++;
    this.space();
  }

  private close<T>(value: T): T {
    this.depth--;
    return value;
  }

  private string(): string {
    const start = this.at;
    const end = endOfString(this.text, start + 1);
    if (end >= 0) {
      try {
        const value: unknown = JSON.parse(this.text.slice(start, end + 1));
        this.at = end + 1;
        return value as string;
      } catch {
        // Walked through below to say which character it is.
      }
    }
    this.at++;
    while (this.at < this.text.length) {
      const code = this.text.charCodeAt(this.at);
      if (code === 0x5c) {
        const known = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y;
        known.lastIndex = this.at;
        if (!known.test(this.text)) {
          throw new TetherError(
            "invalid",
            this.place(
              'an escape that JSON does not have; allowed: \\" \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX',
            ),
          );
        }
        this.at = known.lastIndex;
      } else if (code < 0x20) {
        throw new TetherError(
          "invalid",
          this.place("a control character in a string; write it as an escape"),
        );
      } else {
        this.at++;
      }
    }
    throw new TetherError("invalid", this.place("the text ends inside a string"));
  }

  private number(): number | bigint {
    NUMBER.lastIndex = this.at;
    const match = NUMBER.exec(this.text);
    if (match === null) {
      this.at++;
      throw this.unexpected("a digit");
    }
    const [literal, fraction, exponent] = match;
    const isInteger = fraction === undefined && exponent === undefined;
    const digits = literal.startsWith("-") ? literal.length - 1 : literal.length;
    if (isInteger && digits > JSON_TEXT.integerDigits) {
      throw new TetherError(
        "limit",
        this.place(`an integer of ${digits} digits; allowed: up to ${JSON_TEXT.integerDigits}`),
      );
    }
    const number = Number(literal);
    if (!isInteger && !Number.isFinite(number)) {
      throw new TetherError(
        "invalid",
        this.place("a number too large; allowed: up to 1.7976931348623157e308"),
      );
    }
    this.at += literal.length;
    return !isInteger || Number.isSafeInteger(number) ? number : BigInt(literal);
  }

  private word<T>(word: string, value: T): T {
    if (!this.text.startsWith(word, this.at)) throw this.unexpected("a value");
    this.at += word.length;
    return value;
  }

  private space(): void {
    for (;;) {
      const code = this.text.charCodeAt(this.at);
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return;
      this.at++;
    }
  }

  private skip(code: number): boolean {
    if (this.text.charCodeAt(this.at) !== code) return false;
    this.at++;
    return true;
  }

  private unexpected(expected: string): TetherError {
    const point = this.text.codePointAt(this.at);
    const found = point === undefined ? "the end" : JSON.stringify(String.fromCodePoint(point));
    return new TetherError("invalid", this.place(`expected ${expected}, found ${found}`));
  }

  private place(what: string): string {
    return `JSON at character ${this.at + 1}: ${what}`;
  }
}

/** True when the native writer gives the right text. */
function isNative(value: unknown, depth: number): boolean {
  switch (typeof value) {
    case "string":
    case "boolean":
      return true;
    case "number":
      return isNativeNumber(value);
    case "object":
      break;
    default:
      return false;
  }
  if (value === null) return true;
  if (depth >= JSON_TEXT.depth) return false;
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++) {
      if (!isNative(value[index], depth + 1)) return false;
    }
    return true;
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return false;
  const object = value as { readonly [key: string]: unknown };
  for (const key in object) {
    if (!isNative(object[key], depth + 1)) return false;
  }
  return true;
}

/** False for NaN, infinities, -0 and what would be written like a long integer. */
function isNativeNumber(number: number): boolean {
  if (number === 0) return 1 / number > 0;
  const size = Math.abs(number);
  return size <= Number.MAX_SAFE_INTEGER || (size >= 1e21 && size <= Number.MAX_VALUE);
}

/** `path` and `holders` lead from the document to `value`. */
function writeExact(value: unknown, path: (string | number)[], holders: object[]): string {
  switch (typeof value) {
    case "string":
    case "boolean":
      return JSON.stringify(value);
    case "number":
      if (!Number.isFinite(value)) throw unwritable(path, String(value));
      if (isNativeNumber(value)) return String(value);
      return value === 0 ? "-0" : value.toExponential();
    case "bigint":
      if (value >= TOO_LARGE || value <= -TOO_LARGE) {
        throw new TetherError(
          "limit",
          `JSON at ${formatPath(path)}: an integer of more than ${JSON_TEXT.integerDigits} digits`,
        );
      }
      return value.toString();
    case "object":
      break;
    default:
      throw unwritable(path, typeof value === "undefined" ? "undefined" : `a ${typeof value}`);
  }
  if (value === null) return "null";
  if (holders.includes(value)) throw unwritable(path, "a value inside itself");
  if (holders.length >= JSON_TEXT.depth) throw unwritable(path, `nesting deeper than ${JSON_TEXT.depth}`);
  holders.push(value);
  const parts: string[] = [];
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++) {
      path.push(index);
      parts.push(writeExact(value[index], path, holders));
      path.pop();
    }
    holders.pop();
    return `[${parts.join(",")}]`;
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) {
    throw unwritable(path, `an object of class ${value.constructor.name}`);
  }
  for (const [key, member] of Object.entries(value)) {
    path.push(key);
    parts.push(`${JSON.stringify(key)}:${writeExact(member, path, holders)}`);
    path.pop();
  }
  holders.pop();
  return `{${parts.join(",")}}`;
}

function unwritable(path: readonly (string | number)[], what: string): TetherError {
  return new TetherError("invalid", `JSON at ${formatPath(path)}: ${what}, which JSON cannot carry`);
}

/** A path as JSONPath writes it (RFC 9535 §2.7), cut where the thing itself is too deep to read. */
function formatPath(path: readonly (string | number)[]): string {
  const shown = path.slice(0, 16).map((step) => {
    if (typeof step === "number") return `[${step}]`;
    return /^[A-Za-z_]\w*$/.test(step) ? `.${step}` : `[${JSON.stringify(step)}]`;
  });
  return `$${shown.join("")}${path.length > shown.length ? "…" : ""}`;
}
