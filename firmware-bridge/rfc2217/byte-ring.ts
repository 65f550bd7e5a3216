/** Bytes that wait for a slow reader: when there is no room, the oldest are lost and counted. */
export class ByteRing {
  readonly #capacity: number;
  #pieces: Buffer[] = [];
  #size = 0;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  get size(): number {
    return this.#size;
  }

  /** Adds a copy of the newest bytes; gives how many of the oldest were lost. */
  push(bytes: Uint8Array): number {
    const last = this.#pieces.length - 1;
    // A slow line brings a byte at a time: a piece each would cost a hundred times its byte.
    if (bytes.length < 1024 && last >= 0 && (this.#pieces[last] as Buffer).length < 1024) {
      this.#pieces[last] = Buffer.concat([this.#pieces[last] as Buffer, bytes]);
    } else this.#pieces.push(Buffer.from(bytes));
    this.#size += bytes.length;
    const lost = Math.max(0, this.#size - this.#capacity);
    if (lost > 0) this.take(lost);
    return lost;
  }

  /** Takes the oldest bytes, at most so many, in the pieces in which they came. */
  take(most: number): Buffer[] {
    const taken: Buffer[] = [];
    let count = 0;
    let left = Math.min(most, this.#size);
    this.#size -= left;
    for (; left > 0; count++) {
      const piece = this.#pieces[count] as Buffer;
      taken.push(piece.subarray(0, left));
      if (piece.length > left) {
        this.#pieces[count] = piece.subarray(left);
        break;
      }
      left -= piece.length;
    }
    this.#pieces.splice(0, count);
    return taken;
  }

  /** Throws everything away. */
  clear(): void {
    this.#pieces = [];
    this.#size = 0;
  }
}
