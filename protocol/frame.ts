import { TetherError } from "./errors.ts";
import { WIRE } from "./limits.ts";
import { FLAG, FRAME } from "./messages.ts";

/** Bytes before a frame's payload: u32 length of the payload, u8 type, u8 flags, u32 stream; big-endian. */
export const HEADER_BYTES = 10;

/** One frame, or for DATA a piece of one: only the last piece keeps END. */
export interface Frame {
  readonly type: number;
  readonly flags: number;
  /** 0 stands for the connection itself. */
  readonly stream: number;
  readonly payload: Buffer;
}

/** Writes a frame's header into `target` at `offset`. */
export function writeHeader(
  target: Buffer,
  offset: number,
  length: number,
  type: number,
  flags: number,
  stream: number,
): void {
  target.writeUInt32BE(length, offset);
  target[offset + 4] = type;
  target[offset + 5] = flags;
  target.writeUInt32BE(stream, offset + 6);
}

/** One whole frame as bytes. */
export function encodeFrame(
  type: number,
  flags: number,
  stream: number,
  payload: Uint8Array | string,
): Buffer {
  const body = typeof payload === "string" ? Buffer.from(payload, "utf8") : payload;
  const frame = Buffer.allocUnsafe(HEADER_BYTES + body.length);
  writeHeader(frame, 0, body.length, type, flags, stream);
  frame.set(body, HEADER_BYTES);
  return frame;
}

interface Passing {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  remaining: number;
}

/** The beginning of a header or of a gathered frame, in a buffer as large as what is awaited. */
interface Gathering {
  buffer: Buffer;
  filled: number;
}

/**
 * Turns the bytes of a connection into frames, however they were cut.
 *
 * DATA passes in the pieces in which it arrives, without a copy; frames of unknown types are skipped the same
 * way; all else is gathered, never beyond {@link WIRE.documentFrame}.
 */
export class FrameDecoder {
  #gathering: Gathering | undefined;
  #passing: Passing | undefined;

  /** Gives the frames that `chunk` completes. Throws `limit` when a length is over its bound. */
  push(chunk: Buffer): Frame[] {
    const frames: Frame[] = [];
    let at = 0;
    while (at < chunk.length) {
      if (this.#passing !== undefined) at = this.#pass(this.#passing, chunk, at, frames);
      else if (this.#gathering !== undefined) at = this.#gather(this.#gathering, chunk, at, frames);
      else at = this.#begin(chunk, at, frames);
    }
    return frames;
  }

  /** Reads a frame that starts at `at`; gives where to go on. */
  #begin(bytes: Buffer, at: number, frames: Frame[]): number {
    if (bytes.length - at < HEADER_BYTES) return this.#keep(bytes, at, HEADER_BYTES);
    const length = bytes.readUInt32BE(at);
    const type = bytes[at + 4] as number;
    checkLength(type, length);
    const flags = bytes[at + 5] as number;
    const stream = bytes.readUInt32BE(at + 6);
    const body = at + HEADER_BYTES;
    if (!isGathered(type) && length > 0) {
      this.#passing = { type, flags, stream, remaining: length };
      return body;
    }
    if (body + length > bytes.length) return this.#keep(bytes, at, HEADER_BYTES + length);
    frames.push({ type, flags, stream, payload: bytes.subarray(body, body + length) });
    return body + length;
  }

  #keep(bytes: Buffer, at: number, wanted: number): number {
    const buffer = Buffer.allocUnsafe(wanted);
    this.#gathering = { buffer, filled: bytes.copy(buffer, 0, at) };
    return bytes.length;
  }

  #gather(gathering: Gathering, bytes: Buffer, at: number, frames: Frame[]): number {
    const copied = bytes.copy(gathering.buffer, gathering.filled, at);
    gathering.filled += copied;
    if (gathering.filled === gathering.buffer.length) {
      this.#gathering = undefined;
      // A header alone asks for its body here; it can neither be gathered again nor end up short.
      this.#begin(gathering.buffer, 0, frames);
    }
    return at + copied;
  }

  #pass(passing: Passing, bytes: Buffer, at: number, frames: Frame[]): number {
    const end = Math.min(bytes.length, at + passing.remaining);
    passing.remaining -= end - at;
    const last = passing.remaining === 0;
    if (last) this.#passing = undefined;
    if (passing.type === FRAME.DATA) {
      const flags = last ? passing.flags : passing.flags & ~FLAG.END;
      frames.push({ type: passing.type, flags, stream: passing.stream, payload: bytes.subarray(at, end) });
    }
    return end;
  }
}

function isGathered(type: number): boolean {
  switch (type) {
    case FRAME.HELLO:
    case FRAME.CLOSE:
    case FRAME.PING:
    case FRAME.PONG:
    case FRAME.OPEN:
    case FRAME.DOCUMENT:
    case FRAME.CREDIT:
    case FRAME.RESET:
      return true;
    default:
      return false;
  }
}

function checkLength(type: number, length: number): void {
  const allowed = isGathered(type) ? WIRE.documentFrame : WIRE.framePayload;
  if (length > allowed) {
    throw new TetherError(
      "limit",
      `a frame of type ${type} with ${length} bytes; allowed: at most ${allowed}`,
    );
  }
}
