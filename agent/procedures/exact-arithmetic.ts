/**
 * Arithmetic on integers and doubles as one kind of number: integers stay exact, beyond 2^53 as bigint, and
 * become doubles only where a double or a fraction comes in. Results are bounded and finite.
 */
import { JSON_TEXT, TetherError } from "../../protocol/index.ts";

/** An exact integer (a safe one as number, any other as bigint), or a double. */
export type Numeric = number | bigint;

/** The first integer with too many digits. */
const TOO_LARGE = 10n ** BigInt(JSON_TEXT.integerDigits);
/** Bits that no integer within the bound exceeds. */
const MOST_BITS = Math.ceil(JSON_TEXT.integerDigits * Math.log2(10));

/** True for an exact integer; a double that happens to be whole but beyond 2^53 is none. */
export function isExact(value: Numeric): boolean {
  return typeof value === "bigint" || Number.isSafeInteger(value);
}

/** The double nearest to a number. Throws `invalid` where it would be infinite. */
export function toDouble(value: Numeric): number {
  const double = Number(value);
  if (!Number.isFinite(double)) {
    throw new TetherError(
      "invalid",
      "an integer too large to calculate with fractions; allowed: up to 1.8e308",
    );
  }
  return double;
}

/** An integer as number where that is exact. Throws `limit` when it has too many digits. */
export function exact(value: bigint): Numeric {
  if (value <= Number.MAX_SAFE_INTEGER && value >= Number.MIN_SAFE_INTEGER) return Number(value);
  if (value < TOO_LARGE && value > -TOO_LARGE) return value;
  throw tooManyDigits();
}

/** The double itself. Throws `invalid` when it is not finite; `what` names the operation. */
export function finite(value: number, what: string): number {
  if (Number.isFinite(value)) return value;
  throw new TetherError(
    "invalid",
    Number.isNaN(value) ? `${what} has no real result` : `the result of ${what} is too large for a number`,
  );
}

export function add(a: Numeric, b: Numeric): Numeric {
  if (!isExact(a) || !isExact(b)) return finite(toDouble(a) + toDouble(b), "addition");
  const sum = typeof a === "number" && typeof b === "number" ? a + b : Number.NaN;
  // A sum that rounding has left within 2^53 was exact.
  return Number.isSafeInteger(sum) ? sum : exact(BigInt(a) + BigInt(b));
}

export function negate(a: Numeric): Numeric {
  return typeof a === "bigint" ? exact(-a) : 0 - a;
}

export function multiply(a: Numeric, b: Numeric): Numeric {
  if (!isExact(a) || !isExact(b)) return finite(toDouble(a) * toDouble(b), "multiplication");
  const product = typeof a === "number" && typeof b === "number" ? a * b : Number.NaN;
  // An integer has no negative zero.
  return Number.isSafeInteger(product) ? product + 0 : exact(BigInt(a) * BigInt(b));
}

/** Division; two integers give an integer where nothing is left over, else the nearest double. */
export function divide(a: Numeric, b: Numeric): Numeric {
  rejectZero(b, "division");
  if (!isExact(a) || !isExact(b)) return finite(toDouble(a) / toDouble(b), "division");
  const [dividend, divisor] = [BigInt(a), BigInt(b)];
  return dividend % divisor === 0n ? exact(dividend / divisor) : finite(ratio(dividend, divisor), "division");
}

/** Remainder with the sign of the divisor, as in Python. */
export function modulo(a: Numeric, b: Numeric): Numeric {
  rejectZero(b, "remainder");
  if (isExact(a) && isExact(b)) {
    const divisor = BigInt(b);
    const rest = BigInt(a) % divisor;
    return exact(rest !== 0n && rest < 0n !== divisor < 0n ? rest + divisor : rest);
  }
  const divisor = toDouble(b);
  const rest = toDouble(a) % divisor;
  return rest !== 0 && rest < 0 !== divisor < 0 ? rest + divisor : rest;
}

/** Division rounded down to a whole number, as `//` in Python. */
export function floorDivide(a: Numeric, b: Numeric): Numeric {
  rejectZero(b, "division");
  if (!isExact(a) || !isExact(b)) return Math.floor(finite(toDouble(a) / toDouble(b), "division"));
  const [dividend, divisor] = [BigInt(a), BigInt(b)];
  const quotient = dividend / divisor;
  const isBelow = dividend % divisor !== 0n && dividend < 0n !== divisor < 0n;
  return exact(isBelow ? quotient - 1n : quotient);
}

/** Power. Exact for integers with an exponent from 0; throws `limit` before the work where it has too many digits. */
export function power(base: Numeric, exponent: Numeric): Numeric {
  if (isExact(base) && isExact(exponent) && exponent >= 0) {
    const size = BigInt(base);
    if (size >= -1n && size <= 1n)
      return exact(size ** (BigInt(exponent) === 0n ? 0n : 2n - (BigInt(exponent) % 2n)));
    // bits - 1 is the base's logarithm rounded down, so the true result has at least that many bits.
    if (Number(exponent) * (bitLength(size) - 1) > MOST_BITS) throw tooManyDigits();
    return exact(size ** BigInt(exponent));
  }
  if (Number(base) === 0 && exponent < 0) throw new TetherError("invalid", "0 to a negative power");
  return finite(toDouble(base) ** toDouble(exponent), "power");
}

/** Square root; exact for the square of an integer. */
export function squareRoot(value: Numeric): Numeric {
  if (value < 0) throw new TetherError("invalid", "the square root of a negative number");
  if (isExact(value)) {
    const square = BigInt(value);
    const root = integerRoot(square);
    if (root * root === square) return exact(root);
  }
  return Math.sqrt(toDouble(value));
}

/** Compares exactly, also a bigint with a double. */
export function compare(a: Numeric, b: Numeric): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** A whole double as an exact integer. */
export function whole(value: number): Numeric {
  return exact(BigInt(value));
}

/** Bits of an integer's size; 0 for 0. */
export function bitLength(value: bigint): number {
  const digits = (value < 0n ? -value : value).toString(16);
  const first = digits.charCodeAt(0);
  return digits === "0"
    ? 0
    : 4 * digits.length - (first < 0x32 ? 3 : first < 0x34 ? 2 : first < 0x38 ? 1 : 0);
}

/** The largest integer whose square is not above `value`, which is not negative. */
export function integerRoot(value: bigint): bigint {
  if (value === 0n) return 0n;
  // Each round doubles the correct bits of the root's head, on numbers of just that length.
  const half = (bitLength(value) - 1) >> 1;
  let root = 1n;
  let known = 0;
  for (let round = 31 - Math.clz32(half); half > 0 && round >= 0; round--) {
    const before = known;
    known = half >> round;
    root = (root << BigInt(known - before - 1)) + (value >> BigInt(2 * half - before - known + 1)) / root;
  }
  return root * root > value ? root - 1n : root;
}

/** The double nearest to a fraction; infinite beyond their range. */
export function ratio(dividend: bigint, divisor: bigint): number {
  if (dividend === 0n) return 0;
  const isNegative = dividend < 0n !== divisor < 0n;
  const [top, bottom] = [dividend < 0n ? -dividend : dividend, divisor < 0n ? -divisor : divisor];
  // 66 bits of the quotient, or fewer where the double would be subnormal and has fewer itself.
  const exponent = bitLength(top) - bitLength(bottom);
  const shift = Math.min(66 - exponent, 1_074 + 2);
  const [scaledTop, scaledBottom] =
    shift >= 0 ? [top << BigInt(shift), bottom] : [top, bottom << BigInt(-shift)];
  const quotient = scaledTop / scaledBottom;
  // The last bit stands for all that were cut off, so that the one rounding below is the right one.
  const sticky = scaledTop % scaledBottom === 0n ? quotient : quotient | 1n;
  const size = scaleByPower(sticky, -shift);
  return isNegative ? -size : size;
}

/** `value` times a power of two, rounded once. */
function scaleByPower(value: bigint, exponent: number): number {
  if (exponent > 1_024) return Number.POSITIVE_INFINITY;
  if (exponent >= 0) return Number(value) * 2 ** exponent;
  // Rounded here to the bits that a subnormal double has left, so that the products below are exact.
  const excess = Math.max(bitLength(value) - 53, -1_074 - exponent, 0);
  const kept = roundToEven(value, excess);
  const rest = exponent + excess;
  return rest < -1_000 ? Number(kept) * 2 ** -1_000 * 2 ** (rest + 1_000) : Number(kept) * 2 ** rest;
}

function roundToEven(value: bigint, bits: number): bigint {
  if (bits <= 0) return value;
  const cut = BigInt(bits);
  const head = value >> cut;
  const tail = value - (head << cut);
  const middle = 1n << (cut - 1n);
  return tail > middle || (tail === middle && head % 2n === 1n) ? head + 1n : head;
}

function rejectZero(divisor: Numeric, what: string): void {
  if (Number(divisor) === 0) throw new TetherError("invalid", `${what} by zero`);
}

function tooManyDigits(): TetherError {
  return new TetherError(
    "limit",
    `the result has too many digits; allowed: integers of up to ${JSON_TEXT.integerDigits} digits`,
  );
}
