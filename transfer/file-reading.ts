import { read } from "node:fs";

/** Bytes read at once where nothing else says how many. */
const READ_BYTES = 1024 * 1024;

/**
 * Reads up to `length` bytes at `position` into a buffer from `at` on; fewer only at the file's end. Rejects with
 * what the system says.
 */
export function readFully(
  descriptor: number,
  buffer: Buffer,
  at: number,
  length: number,
  position: number,
): Promise<number> {
  return new Promise((resolve, reject) => {
    let filled = 0;
    const more = () => {
      read(descriptor, buffer, at + filled, length - filled, position + filled, (error, count) => {
        if (error !== null) {
          reject(error);
          return;
        }
        filled += count;
        if (count === 0 || filled === length) resolve(filled);
        else more();
      });
    };
    more();
  });
}

/**
 * Reads a file from `from` to `to`, the next bytes while the last ones are dealt with. A chunk ends at each of
 * `ends` (ascending) and is good until the next one is asked for; at the file's end it is the last.
 */
export async function* readChunks(
  descriptor: number,
  from: number,
  to: number,
  ends: readonly number[] = [],
): AsyncGenerator<Buffer> {
  const buffers = [Buffer.allocUnsafeSlow(READ_BYTES), Buffer.allocUnsafeSlow(READ_BYTES)];
  let turn = 0;
  let position = from;
  let next = 0;
  const begin = () => {
    while (next < ends.length && (ends[next] as number) <= position) next++;
    const end = Math.min(to, ends[next] ?? to);
    const length = Math.min(READ_BYTES, end - position);
    const buffer = buffers[turn++ % 2] as Buffer;
    const filled = readFully(descriptor, buffer, 0, length, position);
    filled.catch(() => undefined);
    position += length;
    return { buffer, length, filled };
  };
  let ahead = position < to ? begin() : undefined;
  try {
    while (ahead !== undefined) {
      const { buffer, length, filled } = ahead;
      const count = await filled;
      ahead = position < to && count === length ? begin() : undefined;
      if (count > 0) yield buffer.subarray(0, count);
    }
  } finally {
    // The descriptor may be closed next: no thread may still read from its number.
    await ahead?.filled.catch(() => undefined);
  }
}
