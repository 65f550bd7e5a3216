const NOTHING = Buffer.alloc(0);

/** Bytes that have come and are not used yet, in one piece, however small the pieces were in which they came. */
export class PendingBytes {
  #bytes: Buffer = NOTHING;
  #start = 0;
  #end = 0;
  /** False while the buffer is one that came, whose rest of memory belongs to nobody here. */
  #owned = false;

  get length(): number {
    return this.#end - this.#start;
  }

  append(more: Buffer): void {
    if (this.length === 0) {
      this.#set(more, 0, more.length, false);
      return;
    }
    const needed = this.length + more.length;
    if (!this.#owned || this.#end + more.length > this.#bytes.length) {
      // Twice what is needed, so that bytes that come one by one are not copied each time.
      const fits = this.#owned && needed <= this.#bytes.length / 2;
      const target = fits ? this.#bytes : Buffer.allocUnsafeSlow(Math.max(256, 2 * needed));
      this.#bytes.copy(target, 0, this.#start, this.#end);
      this.#set(target, 0, this.length, true);
    }
    more.copy(this.#bytes, this.#end);
    this.#end += more.length;
  }

  /** Position of a byte at or behind `from`, counted from the first pending one; -1 when it has not come. */
  indexOf(byte: number, from: number): number {
    const found = this.#bytes.subarray(0, this.#end).indexOf(byte, this.#start + from);
    return found < 0 ? -1 : found - this.#start;
  }

  /** The 32-bit big-endian number at the beginning; undefined while it is not all there. */
  peekLength(): number | undefined {
    return this.length < 4 ? undefined : this.#bytes.readUInt32BE(this.#start);
  }

  /** Takes the first `count` bytes; they are good until the next {@link append}. */
  take(count: number): Buffer {
    const taken = this.#bytes.subarray(this.#start, this.#start + count);
    this.#start += taken.length;
    if (this.length === 0) this.clear();
    return taken;
  }

  clear(): void {
    this.#set(NOTHING, 0, 0, false);
  }

  #set(bytes: Buffer, start: number, end: number, owned: boolean): void {
    this.#bytes = bytes;
    this.#start = start;
    this.#end = end;
    this.#owned = owned;
  }
}
