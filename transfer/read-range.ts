import { read, readSync } from "node:fs";
import { TRANSFER } from "../protocol/index.ts";

/** Bytes that are read at once. */
const CHUNK = 1024 * 1024;

/**
 * Reads a stretch of a file and shows it piece by piece, the next one being read by a thread meanwhile. A piece is
 * only good until `visit` is done. Gives the bytes that there were; fewer when the file ends before.
 *
 * @param isOver asked before each piece whether to leave it at that
 */
export async function readRange(
  descriptor: number,
  { from, to }: { readonly from: number; readonly to: number },
  visit: (bytes: Buffer) => Promise<void> | void,
  isOver: () => boolean = () => false,
): Promise<number> {
  const size = to - from;
  if (size <= TRANSFER.smallFile) {
    const bytes = Buffer.allocUnsafe(size);
    const count = readWhole(descriptor, bytes, from);
    await visit(bytes.subarray(0, count));
    return count;
  }
  const chunk = Math.min(CHUNK, size);
  let [current, other] = [Buffer.allocUnsafeSlow(chunk), Buffer.allocUnsafeSlow(size > chunk ? chunk : 0)];
  let at = from;
  let coming = readPart(descriptor, current, Math.min(chunk, to - at), at);
  while (at < to) {
    const count = await coming;
    if (count === 0 || isOver()) break;
    at += count;
    const bytes = current.subarray(0, count);
    if (at < to) {
      [current, other] = [other, current];
      coming = readPart(descriptor, current, Math.min(chunk, to - at), at);
      // Nobody waits for it when the visit fails; the descriptor stays open until it has come.
      coming.catch(() => undefined);
    }
    try {
      await visit(bytes);
    } catch (error) {
      await coming.catch(() => undefined);
      throw error;
    }
  }
  return at - from;
}

/** Reads into the whole buffer, or as much as there is; gives the bytes. */
export function readWhole(descriptor: number, target: Buffer, position: number): number {
  let filled = 0;
  while (filled < target.length) {
    const count = readSync(descriptor, target, filled, target.length - filled, position + filled);
    if (count === 0) break;
    filled += count;
  }
  return filled;
}

function readPart(descriptor: number, target: Buffer, length: number, position: number): Promise<number> {
  return new Promise((resolve, reject) => {
    read(descriptor, target, 0, length, position, (error, count) => (error ? reject(error) : resolve(count)));
  });
}
