import { TetherError } from "../../protocol/errors.ts";

const NEWLINE = 0x0a;
/** Characters of the longest record: a colon, 5 bytes of its own, 255 of data. */
const LONGEST = 1 + 2 * (5 + 255);
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
    const end = newline === -1 ? content.length : newline;
    const wrong = end - at > LONGEST + 1 ? "is too long for a record" : undefined;
    const text = wrong ? "" : Buffer.from(content.subarray(at, end)).toString("latin1").trim();
    at = end + 1;
    if (text === "" && wrong === undefined) continue;
    const problem = wrong ?? (ended ? "stands behind the end" : problemOf(text));
    if (problem !== undefined) throw new TetherError("invalid", `${name}:${line}: the line ${problem}`);
    ended = Number.parseInt(text.slice(7, 9), 16) === END_OF_FILE;
  }
  if (!ended) throw new TetherError("invalid", `${name} has no end: the rest of it is missing`);
}

/** What is wrong with one record, `:LLAAAATT[DD…]CC`. */
function problemOf(text: string): string | undefined {
  if (!/^:([0-9A-Fa-f]{2}){5,}$/.test(text)) return "is no record of Intel HEX";
  const bytes = Buffer.from(text.slice(1), "hex");
  if (bytes[0] !== bytes.length - 5) return "is not as long as it says";
  return bytes.reduce((sum, byte) => sum + byte, 0) % 256 === 0 ? undefined : "has a wrong checksum";
}
