import { createHash } from "node:crypto";
import { type BigIntStats, fstatSync } from "node:fs";

/** Bytes of an identity. */
const IDENTITY_BYTES = 16;

/**
 * Nanoseconds for which a file's times do not tell every change: what is written twice within one tick of its
 * file system has the same time. FAT's tick is two seconds.
 */
const TICK = 2_000_000_000n;

/**
 * What tells an open file's content from what it is after any change: of the same identity, it is the same. It is
 * made of where the file lies, its size, and its times, of which the system lets nobody set that of the last
 * change (stat(2)). Empty for a file that was changed a moment ago.
 */
export function sourceIdentity(descriptor: number): Buffer {
  const facts = fstatSync(descriptor, { bigint: true });
  const now = BigInt(Date.now()) * 1_000_000n;
  if (now - facts.ctimeNs < TICK || now - facts.mtimeNs < TICK) return Buffer.alloc(0);
  return createHash("sha256").update(factsText(facts)).digest().subarray(0, IDENTITY_BYTES);
}

function factsText({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return [dev, ino, size, mtimeNs, ctimeNs].join(" ");
}
