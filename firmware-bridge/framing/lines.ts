import { SERIAL } from "../../protocol/limits.ts";
import { type LineChecksum, unsealed } from "./checksum.ts";

/** What came: a line without its terminator, the prompt at the beginning of one, or what could be taken for neither. */
export type LineUnit =
  | { readonly kind: "line"; readonly text: string }
  | { readonly kind: "prompt"; readonly text: string }
  | {
      readonly kind: "noise";
      readonly why: "too-long" | "not-utf8" | "checksum";
      /** The first bytes of it. */
      readonly sample: Uint8Array;
    };

/** How lines are told apart. */
export interface LineFormat {
  /** Text that ends a line, not empty. With `"\n"` a carriage return before it belongs to it too. */
  readonly terminator: string;
  /** Bytes of a line at most, its terminator not counted. */
  readonly limit?: number;
  /** Text that a board writes at the beginning of a line and without an end, when it awaits the next command. */
  readonly prompt?: string | undefined;
  /** How each line is secured; one that is not, or wrongly, is noise. */
  readonly checksum?: LineChecksum | undefined;
}

/**
 * Cuts bytes into lines of UTF-8. How the bytes are divided among calls makes no difference, and no byte is
 * looked at twice for a terminator. Of a line over the limit comes one noise unit; the rest of it is skipped.
 */
export class LineParser {
  readonly #terminator: Buffer;
  readonly #prompt: Buffer;
  readonly #checksum: LineChecksum | undefined;
  readonly #capacity: number;
  readonly #decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  #pending = Buffer.alloc(256);
  #length = 0;
  #skipping = false;

  constructor({ terminator, limit = SERIAL.unit, prompt = "", checksum }: LineFormat) {
    this.#terminator = Buffer.from(terminator, "utf8");
    this.#prompt = Buffer.from(prompt, "utf8");
    this.#checksum = checksum;
    this.#capacity = limit + this.#terminator.length;
  }

  /** Takes the next bytes and gives the units that they complete, in order. */
  push(bytes: Uint8Array): LineUnit[] {
    const units: LineUnit[] = [];
    let rest = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    while (rest.length > 0)
      rest = this.#length === 0 ? this.#fromStart(rest, units) : this.#more(rest, units);
    return units;
  }

  #withoutPrompts(line: Buffer, units: LineUnit[]): Buffer {
    const { length } = this.#prompt;
    let rest = line;
    while (length > 0 && rest.length >= length && rest.subarray(0, length).equals(this.#prompt)) {
      units.push({ kind: "prompt", text: this.#prompt.toString() });
      rest = rest.subarray(length);
    }
    return rest;
  }

  /** Looks for a whole line in `rest` itself, so that lines that come glued together are not copied. */
  #fromStart(bytes: Buffer, units: LineUnit[]): Buffer {
    // What follows a prompt may be long in coming, and counts as a line of its own.
    const rest = this.#skipping ? bytes : this.#withoutPrompts(bytes, units);
    if (rest.length === 0) return rest;
    const end = rest.subarray(0, this.#capacity).indexOf(this.#terminator);
    if (end < 0) return this.#keep(rest, units);
    this.#finish(rest.subarray(0, end), units);
    return rest.subarray(end + this.#terminator.length);
  }

  /** Looks for the end of the line that has begun; the terminator may straddle what came before and `rest`. */
  #more(rest: Buffer, units: LineUnit[]): Buffer {
    const before = this.#length;
    const taken = rest.subarray(0, Math.min(this.#capacity - before, this.#promptLacks()));
    this.#append(taken);
    const from = Math.max(0, before - this.#terminator.length + 1);
    const end = this.#pending.subarray(0, this.#length).indexOf(this.#terminator, from);
    if (end >= 0) {
      this.#finish(this.#pending.subarray(0, end), units);
      this.#length = 0;
      return rest.subarray(end + this.#terminator.length - before);
    }
    if (!this.#skipping && this.#prompt.equals(this.#pending.subarray(0, this.#length))) {
      units.push({ kind: "prompt", text: this.#prompt.toString() });
      this.#length = 0;
    }
    this.#overflow(units);
    return rest.subarray(taken.length);
  }

  /** Bytes after which what has begun may be a prompt; without end where it cannot become one. */
  #promptLacks(): number {
    const lacks = this.#prompt.length - this.#length;
    const begun = this.#pending.subarray(0, this.#length);
    const isBegun = lacks > 0 && !this.#skipping && this.#prompt.subarray(0, this.#length).equals(begun);
    return isBegun ? lacks : Number.POSITIVE_INFINITY;
  }

  /** Keeps as much of a line without an end as may be kept. */
  #keep(rest: Buffer, units: LineUnit[]): Buffer {
    const taken = rest.subarray(0, this.#capacity);
    this.#append(taken);
    this.#overflow(units);
    return rest.subarray(taken.length);
  }

  #append(bytes: Buffer): void {
    const needed = this.#length + bytes.length;
    if (needed > this.#pending.length) {
      const larger = Buffer.alloc(Math.min(this.#capacity, Math.max(needed, 2 * this.#pending.length)));
      this.#pending.copy(larger, 0, 0, this.#length);
      this.#pending = larger;
    }
    bytes.copy(this.#pending, this.#length);
    this.#length = needed;
  }

  #overflow(units: LineUnit[]): void {
    if (this.#length < this.#capacity) return;
    if (!this.#skipping) units.push(noise("too-long", this.#pending.subarray(0, this.#length)));
    this.#skipping = true;
    const tail = this.#terminator.length - 1; // may be the beginning of the terminator
    this.#pending.copyWithin(0, this.#length - tail, this.#length);
    this.#length = tail;
  }

  #finish(line: Buffer, units: LineUnit[]): void {
    if (this.#skipping) {
      this.#skipping = false;
      return;
    }
    const bare = this.#terminator.equals(NEWLINE) && line.at(-1) === 0x0d ? line.subarray(0, -1) : line;
    let text: string;
    try {
      text = this.#decoder.decode(bare);
    } catch {
      units.push(noise("not-utf8", bare));
      return;
    }
    const content = this.#checksum === undefined ? text : unsealed(text, this.#checksum);
    units.push(content === undefined ? noise("checksum", bare) : { kind: "line", text: content });
  }
}

const NEWLINE = Buffer.from("\n");

function noise(why: "too-long" | "not-utf8" | "checksum", bytes: Buffer): LineUnit {
  return { kind: "noise", why, sample: Uint8Array.from(bytes.subarray(0, SERIAL.sample)) };
}
