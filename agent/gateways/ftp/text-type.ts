const CR = 0x0d;
const LF = 0x0a;

/** Changes the bytes of a file on their way, piece by piece. */
export interface Conversion {
  /** The next bytes as they are on the other side. */
  push(bytes: Buffer): Buffer;
  /** What was held back, at the end. */
  end(): Buffer;
}

/** Nothing changes: the image type (RFC 959 §3.1.1.3). */
export const AS_IT_IS: Conversion = { push: (bytes) => bytes, end: () => Buffer.alloc(0) };

/** Lines as the network has them, which end with CR LF (RFC 959 §3.1.1.1); those that do so already stay. */
export class ToNetworkLines implements Conversion {
  #afterReturn = false;

  push(bytes: Buffer): Buffer {
    const result = Buffer.allocUnsafe(2 * bytes.length);
    let length = 0;
    for (const byte of bytes) {
      if (byte === LF && !this.#afterReturn) result[length++] = CR;
      result[length++] = byte;
      this.#afterReturn = byte === CR;
    }
    return result.subarray(0, length);
  }

  end(): Buffer {
    return Buffer.alloc(0);
  }
}

/** Lines as files here have them, which end with LF; a CR that stands alone stays. */
export class FromNetworkLines implements Conversion {
  #heldReturn = false;

  push(bytes: Buffer): Buffer {
    const result = Buffer.allocUnsafe(bytes.length + 1);
    let length = 0;
    for (const byte of bytes) {
      if (this.#heldReturn && byte !== LF) result[length++] = CR;
      this.#heldReturn = byte === CR;
      if (!this.#heldReturn) result[length++] = byte;
    }
    return result.subarray(0, length);
  }

  end(): Buffer {
    return this.#heldReturn ? Buffer.of(CR) : Buffer.alloc(0);
  }
}
