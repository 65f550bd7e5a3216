/**
 * A sum over a window of bytes that can be moved on by a byte at the cost of two multiplications: the polynomial
 * sum of b[i] × MULTIPLIER^(n-1-i) modulo 2^32. It only says where it may be worth to look closer.
 */

/** 2^32 divided by the golden ratio, made odd, so that every byte reaches the high bits. */
const MULTIPLIER = 0x9e37_79b1 | 0;
const SQUARED = Math.imul(MULTIPLIER, MULTIPLIER);
const CUBED = Math.imul(SQUARED, MULTIPLIER);
const FOURTH = Math.imul(CUBED, MULTIPLIER);

/** The sum over the bytes from `from` to `to`, as an i32. */
export function rollingSum(bytes: Uint8Array, from: number, to: number): number {
  let sum = 0;
  let at = from;
  // Four at once: the multiplications of one step do not wait for each other.
  for (; at + 4 <= to; at += 4) {
    sum =
      (Math.imul(sum, FOURTH) +
        Math.imul(bytes[at] as number, CUBED) +
        Math.imul(bytes[at + 1] as number, SQUARED) +
        Math.imul(bytes[at + 2] as number, MULTIPLIER) +
        (bytes[at + 3] as number)) |
      0;
  }
  for (; at < to; at++) sum = (Math.imul(sum, MULTIPLIER) + (bytes[at] as number)) | 0;
  return sum;
}

/** What the byte that leaves a window of `length` is multiplied with in {@link roll}. */
export function leavingFactor(length: number): number {
  let factor = 1;
  for (let n = 0; n < length; n++) factor = Math.imul(factor, MULTIPLIER);
  return factor;
}

/** Moves a window on by one byte: `leaving` goes out at its front and `entering` comes in at its back. */
export function roll(sum: number, leaving: number, entering: number, factor: number): number {
  return (Math.imul(sum, MULTIPLIER) + entering - Math.imul(leaving, factor)) | 0;
}
