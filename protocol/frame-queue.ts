import { HEADER_BYTES, writeHeader } from "./frame.ts";

interface QueuedFrame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Uint8Array | string;
  readonly length: number;
}

/** Stands for the type of a frame whose header is written already. */
const READY = 0;

/** Bytes from which a payload is handed on as it is instead of being copied beside its neighbours. */
const COPY_BELOW = 4_096;

/** Frames that wait to be written, and their encoding into as few buffers as pay. */
export class FrameQueue {
  #frames: QueuedFrame[] = [];
  #bytes = 0;
  /** Whom to tell when a buffer has been written. */
  readonly #written = new Map<Buffer, () => void>();

  /** Bytes that the queued frames take on the wire. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Queues a frame; `length` is the payload's length in bytes. */
  add(type: number, flags: number, stream: number, payload: Uint8Array | string, length: number): void {
    this.#frames.push({ type, flags, stream, payload, length });
    this.#bytes += HEADER_BYTES + length;
  }

  /** Queues a frame whose bytes are ready; see {@link takeWritten}. */
  addReady(frame: Buffer, written: () => void): void {
    this.#frames.push({ type: READY, flags: 0, stream: 0, payload: frame, length: frame.length });
    this.#bytes += frame.length;
    this.#written.set(frame, written);
  }

  /** What to call once a buffer that {@link take} gave has been written; gives it once. */
  takeWritten(buffer: Buffer): (() => void) | undefined {
    const written = this.#written.get(buffer);
    if (written !== undefined) this.#written.delete(buffer);
    return written;
  }

  /** Gives the first frames, in order, until they make `budget` bytes or there are no more; at least one. */
  take(budget: number): Buffer[] {
    const buffers: Buffer[] = [];
    const frames = this.#frames;
    let from = 0;
    let bytes = 0;
    let taken = 0;
    let i = 0;
    for (; i < frames.length && (taken < budget || i === 0); i++) {
      const frame = frames[i] as QueuedFrame;
      if (frame.type === READY) {
        if (bytes > 0) buffers.push(encode(frames, from, i - 1, bytes));
        buffers.push(frame.payload as Buffer);
        taken += frame.length;
        from = i + 1;
        bytes = 0;
        continue;
      }
      taken += HEADER_BYTES + frame.length;
      bytes += HEADER_BYTES;
      if (typeof frame.payload === "string" || frame.length < COPY_BELOW) {
        bytes += frame.length;
      } else {
        buffers.push(encode(frames, from, i, bytes));
        const { buffer, byteOffset } = frame.payload;
        buffers.push(Buffer.from(buffer, byteOffset, frame.length));
        from = i + 1;
        bytes = 0;
      }
    }
    if (bytes > 0) buffers.push(encode(frames, from, i - 1, bytes));
    this.#frames = i === frames.length ? [] : frames.slice(i);
    this.#bytes -= taken;
    return buffers;
  }
}

/** Frames `from` to `to` in one buffer of `bytes`; of the last one only the header when its body is not to be copied. */
function encode(frames: readonly QueuedFrame[], from: number, to: number, bytes: number): Buffer {
  const target = Buffer.allocUnsafe(bytes);
  let at = 0;
  for (let i = from; i <= to; i++) {
    const { type, flags, stream, payload, length } = frames[i] as QueuedFrame;
    writeHeader(target, at, length, type, flags, stream);
    at += HEADER_BYTES;
    if (at + length > bytes) break;
    if (typeof payload === "string") target.write(payload, at, length, "utf8");
    else target.set(payload, at);
    at += length;
  }
  return target;
}
