import { TetherError } from "../../protocol/errors.ts";

const COLON = 0x3a;
const NEWLINE = 0x0a;
const CARRIAGE_RETURN = 0x0d;
/** Bytes of a record beside its data: length, address, type and checksum. */
const OVERHEAD = 5;
/** Characters of the longest record: a colon and two for each byte. */
const LONGEST = 1 + 2 * (OVERHEAD + 255);
const END_OF_FILE = 1;

/**
 * Sees that a file is whole Intel HEX: every record has its length and its checksum, and the last one says so.
 *
 * @throws TetherError `invalid`, which line is wrong
 */
export function checkIntelHex(name: string, content: Uint8Array): void {
  let line = 0;
  let ended = false;
  for (let at = 0; at < content.length; ) {
    line += 1;
    const newline = content.indexOf(NEWLINE, at);
    const next = newline === -1 ? content.length : newline;
    const end = next > at && content[next - 1] === CARRIAGE_RETURN ? next - 1 : next;
    const text = content.subarray(at, end);
    at = next + 1;
    if (text.length === 0) continue;
    const record: HexRecord | string = ended ? "stands behind the end" : readRecord(text);
    if (typeof record === "string") {
      throw new TetherError("invalid", `${name}:${line}: the line ${record}`);
    }
    ended = record.type === END_OF_FILE;
  }
  if (!ended) throw new TetherError("invalid", `${name} has no end: the rest of it is missing`);
}

interface HexRecord {
  readonly type: number;
}

/** Reads one record, `:LLAAAATT[DD…]CC`; gives what is wrong with it where something is. */
function readRecord(text: Uint8Array): HexRecord | string {
  if (text.length > LONGEST) return "is too long for a record";
  const bytes = (text.length - 1) / 2;
  if (text[0] !== COLON || bytes < OVERHEAD || !Number.isInteger(bytes)) return "is no record of Intel HEX";
  let sum = 0;
  for (let index = 0; index < bytes; index++) {
    const value = byteAt(text, index);
    if (value === -1) return "is no record of Intel HEX";
    sum += value;
  }
  if (byteAt(text, 0) !== bytes - OVERHEAD) return "is not as long as it says";
  return sum % 256 === 0 ? { type: byteAt(text, 3) } : "has a wrong checksum";
}

/** The byte of that index behind the colon; -1 where it is none. */
function byteAt(text: Uint8Array, index: number): number {
  const high = digit(text[1 + 2 * index]);
  const low = digit(text[2 + 2 * index]);
  return high === -1 || low === -1 ? -1 : 16 * high + low;
}

function digit(character = 0): number {
  if (character >= 0x30 && character <= 0x39) return character - 0x30;
  const letter = character & ~0x20;
  return letter >= 0x41 && letter <= 0x46 ? letter - 0x37 : -1;
}
