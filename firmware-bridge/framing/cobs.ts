/** What came between two zeros: a frame, or what could not be one. */
export type CobsUnit =
  | { readonly kind: "frame"; readonly bytes: Uint8Array }
  | { readonly kind: "noise"; readonly why: "too-long" | "broken" };

/** Bytes other than zero behind one code, at most. */
const LONGEST_BLOCK = 254;

/** The bytes without a zero in them, as Consistent Overhead Byte Stuffing has it (Cheshire and Baker, 1999). */
export function cobsEncode(bytes: Uint8Array): Buffer {
  const encoded = Buffer.alloc(bytes.length + Math.floor(bytes.length / LONGEST_BLOCK) + 1);
  let code = 0;
  let length = 1;
  const endBlock = () => {
    encoded[code] = length - code;
    code = length;
    length += 1;
  };
  for (const byte of bytes) {
    if (length - code > LONGEST_BLOCK) endBlock();
    if (byte === 0) endBlock();
    else encoded[length++] = byte;
  }
  encoded[code] = length - code;
  return encoded.subarray(0, length);
}

/**
 * Cuts bytes at their zeros and undoes COBS in what stands between them. How the bytes are divided among calls makes
 * no difference. Of a frame over the limit comes one noise unit; nothing comes of two zeros in a row.
 */
export class CobsParser {
  readonly #decoded: Buffer;
  #length = 0;
  /** Bytes up to the next code, and whether a zero belongs before what follows that. */
  #left = 0;
  #zeroDue = false;
  #overlong = false;
  #empty = true;

  /** @param limit bytes of a frame, decoded. */
  constructor(limit: number) {
    this.#decoded = Buffer.alloc(limit);
  }

  /** Takes the next bytes and gives the units that they complete, in order. */
  push(bytes: Uint8Array): CobsUnit[] {
    const units: CobsUnit[] = [];
    for (const byte of bytes) {
      if (byte !== 0) this.#take(byte);
      else if (!this.#empty) units.push(this.#finish());
    }
    return units;
  }

  #take(byte: number): void {
    this.#empty = false;
    if (this.#left > 0) {
      this.#keep(byte);
      this.#left -= 1;
      return;
    }
    if (this.#zeroDue) this.#keep(0);
    this.#left = byte - 1;
    this.#zeroDue = byte !== 0xff;
  }

  #keep(byte: number): void {
    if (this.#length === this.#decoded.length) this.#overlong = true;
    else this.#decoded[this.#length++] = byte;
  }

  #finish(): CobsUnit {
    const unit: CobsUnit = this.#overlong
      ? { kind: "noise", why: "too-long" }
      : this.#left > 0
        ? { kind: "noise", why: "broken" }
        : { kind: "frame", bytes: Uint8Array.from(this.#decoded.subarray(0, this.#length)) };
    this.#length = 0;
    this.#left = 0;
    this.#zeroDue = false;
    this.#overlong = false;
    this.#empty = true;
    return unit;
  }
}
