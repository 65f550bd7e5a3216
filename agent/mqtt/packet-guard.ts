/**
 * Follows the packets of a connection by their fixed headers (MQTT 3.1.1 §2.2, MQTT 5.0 §2.1.1), for a parser
 * that would collect a packet of any size.
 */
export class PacketGuard {
  readonly #most: number;
  /** Bytes of the packet's body still to come; undefined inside a fixed header. */
  #body: number | undefined;
  #length = 0;
  /** Bytes of the header so far. */
  #header = 0;

  /** @param most bytes that a packet may have behind its fixed header. */
  constructor(most: number) {
    this.#most = most;
  }

  /** False when these bytes begin a packet that is too large, or whose length is none. */
  push(bytes: Uint8Array): boolean {
    for (let at = 0; at < bytes.length; ) {
      if (this.#body === undefined) {
        if (!this.#pushHeader(bytes[at] as number)) return false;
        at++;
      }
      const step = Math.min(this.#body ?? 0, bytes.length - at);
      at += step;
      if (this.#body === undefined) continue;
      this.#body -= step;
      if (this.#body > 0) continue;
      this.#body = undefined;
      this.#header = 0;
      this.#length = 0;
    }
    return true;
  }

  #pushHeader(byte: number): boolean {
    this.#header++;
    if (this.#header === 1) return true;
    // The remaining length: seven bits a byte, the least first, at most four bytes (MQTT 5.0 §1.5.5).
    this.#length += (byte & 0x7f) * 128 ** (this.#header - 2);
    if (this.#length > this.#most) return false;
    if ((byte & 0x80) === 0) this.#body = this.#length;
    return this.#header < 5 || this.#body !== undefined;
  }
}
