import { TetherError } from "../../protocol/index.ts";
import { bitLength, exact, finite, integerRoot, isExact, type Numeric, ratio } from "./exact-arithmetic.ts";

/** Bits to which a root of the discriminant is taken: more than a double's, after a division. */
const PRECISION = 80;

/**
 * The real roots of a·x² + b·x + c, ascending, none twice; with a = 0 the one of b·x + c.
 *
 * The coefficients are made integers first, which every double is after a shift, so that the discriminant
 * has its true sign and digits. Roots of integers that are integers are exact.
 *
 * @throws TetherError `invalid` when a and b are 0, or a root is too large for a double.
 */
export function quadraticRoots(a: Numeric, b: Numeric, c: Numeric): Numeric[] {
  const keepsIntegers = [a, b, c].every(isExact);
  const [top, middle, rest] = toIntegers([a, b, c]);
  if (top === 0n) {
    if (middle === 0n)
      throw new TetherError("invalid", "math.quadratic: a and b are 0, so there is no x to solve for");
    return [quotient(-rest, middle, keepsIntegers)];
  }
  const discriminant = middle * middle - 4n * top * rest;
  if (discriminant < 0n) return [];
  if (discriminant === 0n) return [quotient(-middle, 2n * top, keepsIntegers)];
  const shift = BigInt(Math.max(0, PRECISION - (bitLength(discriminant) >> 1)));
  const shifted = discriminant << (2n * shift);
  const root = integerRoot(shifted);
  const isSquare = root * root === shifted;
  // -b and the root's sign agree here, so that nothing cancels; the other root follows from their product c/a.
  const sum = -((middle << shift) + (middle < 0n ? -root : root));
  const first = quotient(sum, (2n * top) << shift, keepsIntegers && isSquare);
  const second = quotient((2n * rest) << shift, sum, keepsIntegers && isSquare);
  if (first === second) return [first];
  return first < second ? [first, second] : [second, first];
}

function quotient(dividend: bigint, divisor: bigint, keepsIntegers: boolean): Numeric {
  if (keepsIntegers && dividend % divisor === 0n) return exact(dividend / divisor);
  return finite(ratio(dividend, divisor), "a root");
}

/** The numbers, all times the same power of two, as integers. */
function toIntegers(values: readonly [Numeric, Numeric, Numeric]): [bigint, bigint, bigint] {
  const parts = values.map((value) =>
    isExact(value) ? { digits: BigInt(value), exponent: 0 } : split(Number(value)),
  );
  const least = Math.min(...parts.map(({ exponent }) => exponent));
  const [a = 0n, b = 0n, c = 0n] = parts.map(({ digits, exponent }) => digits << BigInt(exponent - least));
  return [a, b, c];
}

/** A double as an integer times a power of two (IEEE 754 §3.4). */
function split(value: number): { digits: bigint; exponent: number } {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value);
  const bits = view.getBigUint64(0);
  const biased = Number((bits >> 52n) & 0x7ffn);
  const fraction = bits & 0xf_ffff_ffff_ffffn;
  const size = biased === 0 ? fraction : fraction | (1n << 52n);
  return { digits: value < 0 ? -size : size, exponent: Math.max(biased, 1) - 1_075 };
}
