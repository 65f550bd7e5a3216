import { isUtf8 } from "node:buffer";
import { TetherError } from "../../protocol/index.ts";
import { PendingBytes } from "./pending-bytes.ts";

/** How requests are told apart on a connection. */
export type Framing = "chunk" | "line" | "block";

/** Turns what comes over a connection into requests. Holds at most what it was given and has not given back. */
export interface Framer {
  /** Bytes of what is not a whole request yet, and of requests not taken yet. */
  readonly pending: number;
  /** Takes what one read has brought. */
  push(bytes: Buffer): void;
  /**
   * The next request; undefined when there is none yet.
   *
   * @throws TetherError `limit` for a request that is too long, after which no other can be told apart;
   * `invalid` for one that is not UTF-8
   */
  next(): string | undefined;
  /** The request that the end of the connection has ended, where the framing allows that. Throws as {@link next}. */
  last(): string | undefined;
}

/** Makes a framer for one connection; `most` bytes are the longest request. */
export function createFramer(framing: Framing, most: number): Framer {
  switch (framing) {
    case "chunk":
      return new ChunkFramer(most);
    case "line":
      return new LineFramer(most);
    case "block":
      return new BlockFramer(most);
  }
}

/** An answer as it goes over the wire: bytes to write one after the other, without copying a long text. */
export function frameAnswer(framing: Framing, text: string): string | Buffer {
  switch (framing) {
    case "chunk":
      return text;
    case "line":
      return `${text}\n`;
    case "block": {
      const length = Buffer.byteLength(text);
      const block = Buffer.allocUnsafe(4 + length);
      block.writeUInt32BE(length);
      block.write(text, 4);
      return block;
    }
  }
}

/** Text of bytes. Throws `invalid` where they are not UTF-8 (RFC 3629). */
export function decodeRequest(bytes: Buffer): string {
  if (!isUtf8(bytes)) throw new TetherError("invalid", "the request is not UTF-8");
  return bytes.toString("utf8");
}

/** What one read brought is one request; a character that it has only in part goes to the next one. */
class ChunkFramer implements Framer {
  readonly #most: number;
  readonly #chunks: Buffer[] = [];
  #part: Buffer | undefined;
  pending = 0;

  constructor(most: number) {
    this.#most = most;
  }

  push(bytes: Buffer): void {
    this.#chunks.push(bytes);
    this.pending += bytes.length;
  }

  next(): string | undefined {
    for (let chunk = this.#chunks.shift(); chunk !== undefined; chunk = this.#chunks.shift()) {
      const bytes = this.#part === undefined ? chunk : Buffer.concat([this.#part, chunk]);
      if (bytes.length > this.#most) throw tooLong(this.#most);
      const cut = bytes.length - unfinishedBytes(bytes);
      this.#part = cut < bytes.length ? bytes.subarray(cut) : undefined;
      this.pending -= cut;
      if (cut > 0) return decodeRequest(bytes.subarray(0, cut));
    }
    return undefined;
  }

  last(): string | undefined {
    const part = this.#part;
    this.#part = undefined;
    return part === undefined ? undefined : decodeRequest(part);
  }
}

/** A request ends at a newline, before which a carriage return may stand. */
class LineFramer implements Framer {
  readonly #most: number;
  readonly #bytes = new PendingBytes();
  /** How far no newline was found. */
  #looked = 0;

  constructor(most: number) {
    this.#most = most;
  }

  get pending(): number {
    return this.#bytes.length;
  }

  push(bytes: Buffer): void {
    this.#bytes.append(bytes);
  }

  next(): string | undefined {
    const end = this.#bytes.indexOf(0x0a, this.#looked);
    const length = end < 0 ? this.#bytes.length : end;
    if (length > this.#most) throw tooLong(this.#most);
    this.#looked = end < 0 ? length : 0;
    return end < 0 ? undefined : line(this.#bytes.take(end + 1).subarray(0, end));
  }

  last(): string | undefined {
    if (this.#bytes.length === 0) return undefined;
    this.#looked = 0;
    return line(this.#bytes.take(this.#bytes.length));
  }
}

/** A 4-byte big-endian length stands before each request. */
class BlockFramer implements Framer {
  readonly #most: number;
  readonly #bytes = new PendingBytes();

  constructor(most: number) {
    this.#most = most;
  }

  get pending(): number {
    return this.#bytes.length;
  }

  push(bytes: Buffer): void {
    this.#bytes.append(bytes);
  }

  next(): string | undefined {
    const length = this.#bytes.peekLength();
    if (length === undefined) return undefined;
    if (length > this.#most) throw tooLong(this.#most);
    if (this.#bytes.length < 4 + length) return undefined;
    return decodeRequest(this.#bytes.take(4 + length).subarray(4));
  }

  last(): string | undefined {
    // Half a block is no request.
    this.#bytes.clear();
    return undefined;
  }
}

function line(bytes: Buffer): string {
  return decodeRequest(bytes.at(-1) === 0x0d ? bytes.subarray(0, -1) : bytes);
}

/** Bytes at the end that are the beginning of a character whose rest may still come (RFC 3629 §3). */
function unfinishedBytes(bytes: Buffer): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back] ?? 0;
    if (byte < 0x80) return 0;
    if (byte >= 0xc0) {
      if (byte > 0xf4) return 0;
      const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
      return back < length ? back : 0;
    }
  }
  return 0;
}

function tooLong(most: number): TetherError {
  return new TetherError("limit", `a request has at most ${most} bytes`);
}
