import { asTetherError, TetherError, TRANSFER } from "../protocol/index.ts";
import { CHUNK, CHUNK_HEADER, codecOf, PACKED_FROM, type Packing } from "./packing.ts";

export interface UnpackerOptions {
  readonly packing: Packing;
  /** Takes the bytes as they were before they were packed. */
  readonly push: (bytes: Buffer) => void;
  /** All has come. */
  readonly end: () => void;
  /** What came is nothing that a sender packs. */
  readonly broken: (error: TetherError) => void;
  /** Lets the sender send so many bytes more. */
  readonly consumed: (bytes: number) => void;
}

/** Bytes that were handed on, and what they were on the wire. */
interface Handed {
  bytes: number;
  readonly wire: number;
  /** True where the credit comes byte by byte. */
  readonly isPlain: boolean;
}

/**
 * Takes chunks apart, however they were cut. Plain ones are handed on as they come; packed ones are unpacked one at a
 * time, and none while much of what was unpacked before waits to be dealt with, so that little on the wire cannot
 * become much in memory.
 */
export class Unpacker {
  readonly #options: UnpackerOptions;
  readonly #codec: ReturnType<typeof codecOf>;
  #waiting: Buffer[] = [];
  readonly #header = Buffer.alloc(CHUNK_HEADER);
  #headerBytes = 0;
  #plain = 0;
  #body: Buffer | undefined;
  #bodyBytes = 0;
  #unpacking = false;
  /** What has been unpacked and not been handed on yet, and what it was on the wire. */
  #unpacked: { readonly bytes: Buffer; readonly wire: number } | undefined;
  #running = false;
  #ended = false;
  #over = false;
  readonly #handed: Handed[] = [];
  #outstanding = 0;

  /** @throws TetherError `invalid` for a packing that this Node has not */
  constructor(options: UnpackerOptions) {
    this.#options = options;
    this.#codec = codecOf(options.packing);
  }

  /** Takes in what the stream brought. */
  push(bytes: Buffer): void {
    this.#waiting.push(bytes);
    this.#run();
  }

  /** The sender has sent all. */
  end(): void {
    this.#ended = true;
    this.#run();
  }

  /** Whoever takes the bytes has dealt with so many. */
  consumed(bytes: number): void {
    this.#outstanding -= bytes;
    let left = bytes;
    let wire = 0;
    while (left > 0) {
      const first = this.#handed[0];
      if (first === undefined) break;
      const part = Math.min(left, first.bytes);
      first.bytes -= part;
      left -= part;
      if (first.isPlain) wire += part;
      if (first.bytes > 0) break;
      if (!first.isPlain) wire += first.wire;
      this.#handed.shift();
    }
    if (wire > 0) this.#options.consumed(wire);
    this.#run();
  }

  #run(): void {
    // Whoever takes bytes may deal with them at once, and takes no others before it is done with these.
    if (this.#running) return;
    this.#running = true;
    try {
      while (!this.#over && !this.#unpacking) {
        this.#handUnpacked();
        if (this.#body !== undefined && this.#bodyBytes === this.#body.length) {
          if (this.#outstanding > TRANSFER.unpacked) return;
          void this.#unpack(this.#body);
          return;
        }
        const next = this.#waiting.shift();
        if (next === undefined) break;
        const rest = this.#take(next);
        if (rest.length > 0) this.#waiting.unshift(rest);
      }
      this.#finish();
    } catch (error) {
      this.#fail(asTetherError(error));
    } finally {
      this.#running = false;
    }
  }

  #handUnpacked(): void {
    const unpacked = this.#unpacked;
    if (unpacked === undefined) return;
    this.#unpacked = undefined;
    const { bytes, wire } = unpacked;
    this.#hand(bytes, { bytes: bytes.length, wire, isPlain: false });
  }

  /** Ends, when all that came has been handed on and nothing more will come. */
  #finish(): void {
    if (this.#over || this.#unpacking || !this.#ended) return;
    if (this.#headerBytes > 0 || this.#plain > 0 || this.#body !== undefined) {
      throw new TetherError("invalid", "the transfer ended within a chunk");
    }
    this.#over = true;
    this.#options.end();
  }

  /** Takes what belongs together from the beginning; gives the rest. */
  #take(bytes: Buffer): Buffer {
    if (this.#plain > 0) {
      const piece = bytes.subarray(0, this.#plain);
      this.#plain -= piece.length;
      this.#hand(piece, { bytes: piece.length, wire: piece.length, isPlain: true });
      return bytes.subarray(piece.length);
    }
    if (this.#body !== undefined) {
      const piece = bytes.subarray(0, this.#body.length - this.#bodyBytes);
      piece.copy(this.#body, this.#bodyBytes);
      this.#bodyBytes += piece.length;
      return bytes.subarray(piece.length);
    }
    const piece = bytes.subarray(0, CHUNK_HEADER - this.#headerBytes);
    piece.copy(this.#header, this.#headerBytes);
    this.#headerBytes += piece.length;
    if (this.#headerBytes === CHUNK_HEADER) this.#begin();
    return bytes.subarray(piece.length);
  }

  #begin(): void {
    this.#headerBytes = 0;
    const kind = this.#header[0];
    const length = this.#header.readUInt32BE(1);
    if (kind === CHUNK.PLAIN) {
      this.#options.consumed(CHUNK_HEADER);
      this.#plain = length;
    } else if (kind !== CHUNK.PACKED) {
      throw new TetherError("invalid", `a chunk of kind ${kind}`);
    } else if (length < 4 || length > PACKED_FROM) {
      throw new TetherError("limit", `a packed chunk of ${length} bytes; allowed: 4 to ${PACKED_FROM}`);
    } else {
      this.#body = Buffer.allocUnsafe(length);
      this.#bodyBytes = 0;
    }
  }

  async #unpack(body: Buffer): Promise<void> {
    this.#unpacking = true;
    try {
      const length = body.readUInt32BE(0);
      const bytes = await this.#codec.unpack(body.subarray(4));
      if (bytes.length !== length || length === 0) {
        throw new TetherError("invalid", `a packed chunk of ${bytes.length} bytes that says ${length}`);
      }
      this.#body = undefined;
      this.#unpacking = false;
      this.#unpacked = { bytes, wire: CHUNK_HEADER + body.length };
      this.#run();
    } catch (thrown) {
      this.#unpacking = false;
      this.#fail(
        thrown instanceof TetherError
          ? thrown
          : new TetherError("invalid", "a chunk that cannot be unpacked", { cause: thrown }),
      );
    }
  }

  #hand(bytes: Buffer, handed: Handed): void {
    this.#handed.push(handed);
    this.#outstanding += handed.bytes;
    this.#options.push(bytes);
  }

  #fail(error: TetherError): void {
    if (this.#over) return;
    this.#over = true;
    this.#waiting = [];
    this.#options.broken(error);
  }
}
