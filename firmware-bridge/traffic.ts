import { SERIAL } from "../protocol/limits.ts";

/** A piece of what a device said. */
export interface HeardPiece {
  /** Nobody writes into it any more. */
  readonly bytes: Buffer;
  /** Bytes that the port had brought before it. */
  readonly offset: number;
  /** Bytes right before it that this follower was too late for. */
  readonly lost: number;
}

/** Takes bytes in one direction; they are valid until it returns. */
export type Tap = (direction: Direction, bytes: Uint8Array) => void;

/** Where bytes come from: the device, or somebody here. */
export type Direction = "device" | "host";

/**
 * What passes on one port. The last of what came from the device is kept, counted from the port's first byte, so
 * that any number may follow it, each at his own pace, and come back to where he was.
 *
 * All share one ring: a follower costs a number, and one who stands still only what he loses.
 */
export class Traffic {
  readonly #followers = new Set<Follower>();
  readonly #taps = new Set<Tap>();
  #ring: Buffer | undefined;
  #end = 0;
  /** What was last read, for those who are at the same place. */
  #latest: { readonly from: number; readonly bytes: Buffer } | undefined;

  /** Bytes that have come since the port was first opened. */
  get end(): number {
    return this.#end;
  }

  /** The first byte that is still kept. */
  get start(): number {
    return this.#end - Math.min(this.#end, this.#ring?.length ?? 0);
  }

  get followers(): number {
    return this.#followers.size;
  }

  /** Takes what the device says. */
  heard(bytes: Uint8Array): void {
    this.#keep(bytes);
    for (const tap of this.#taps) tap("device", bytes);
    for (const follower of this.#followers) follower.onMore();
  }

  /** Takes what is written to the device. */
  said(bytes: Uint8Array): void {
    for (const tap of this.#taps) tap("host", bytes);
  }

  /** Hands over every piece in both directions as it passes; what it gives ends that. */
  tap(tap: Tap): () => void {
    const own: Tap = (direction, bytes) => tap(direction, bytes);
    this.#taps.add(own);
    return () => {
      this.#taps.delete(own);
    };
  }

  /**
   * Follows what the device says, from an offset, or from now on. `onMore` is called when there is more to take,
   * from within the port's own call.
   */
  follow(onMore: () => void, from = this.#end): Follower {
    const follower = new Follower(this, onMore, Math.min(from, this.#end), () =>
      this.#followers.delete(follower),
    );
    this.#followers.add(follower);
    return follower;
  }

  /** Up to `most` bytes from an offset that is kept. */
  read(from: number, most: number): Buffer {
    const ring = this.#ring;
    const length = Math.min(this.#end - from, most);
    if (ring === undefined || length <= 0) return Buffer.alloc(0);
    if (this.#latest?.from === from && this.#latest.bytes.length === length) return this.#latest.bytes;
    const bytes = Buffer.allocUnsafeSlow(length);
    const at = from % ring.length;
    const first = ring.copy(bytes, 0, at, Math.min(at + length, ring.length));
    if (first < length) ring.copy(bytes, first, 0, length - first);
    this.#latest = { from, bytes };
    return bytes;
  }

  #keep(bytes: Uint8Array): void {
    const ring = this.#roomFor(bytes.length);
    const kept = bytes.length > ring.length ? bytes.subarray(bytes.length - ring.length) : bytes;
    const at = (this.#end + bytes.length - kept.length) % ring.length;
    const first = Math.min(kept.length, ring.length - at);
    ring.set(kept.subarray(0, first), at);
    if (first < kept.length) ring.set(kept.subarray(first), 0);
    this.#end += bytes.length;
    this.#latest = undefined;
  }

  /** The ring, made larger while somebody would lose bytes otherwise, and small again when nobody follows. */
  #roomFor(length: number): Buffer {
    const old = this.#ring;
    const capacity = old?.length ?? SERIAL.kept;
    let wanted = capacity;
    if (this.#followers.size === 0) wanted = SERIAL.kept;
    else if (capacity < SERIAL.keptBehind) {
      let slowest = this.#end;
      for (const { offset } of this.#followers) slowest = Math.min(slowest, offset);
      while (wanted < SERIAL.keptBehind && this.#end + length - slowest > wanted) wanted *= 2;
    }
    if (old !== undefined && wanted === capacity) return old;
    const next = Buffer.allocUnsafeSlow(wanted);
    const start = Math.max(this.start, this.#end - wanted);
    const kept = this.read(start, wanted);
    const at = start % wanted;
    const first = kept.copy(next, at);
    if (first < kept.length) kept.copy(next, 0, first);
    this.#ring = next;
    return next;
  }
}

/** One who follows what a device says. */
export class Follower {
  readonly onMore: () => void;
  readonly #traffic: Traffic;
  readonly #leave: () => void;
  #offset: number;

  constructor(traffic: Traffic, onMore: () => void, offset: number, leave: () => void) {
    this.#traffic = traffic;
    this.onMore = onMore;
    this.#offset = offset;
    this.#leave = leave;
  }

  /** Where he is: the bytes before that have been taken, or are lost to him. */
  get offset(): number {
    return this.#offset;
  }

  /** Takes the next bytes, `most` at most; undefined when there are none. */
  take(most: number): HeardPiece | undefined {
    const traffic = this.#traffic;
    if (this.#offset >= traffic.end) return undefined;
    const offset = Math.max(this.#offset, traffic.start);
    const bytes = traffic.read(offset, most);
    const lost = offset - this.#offset;
    this.#offset = offset + bytes.length;
    return { bytes, offset, lost };
  }

  /** Passes over all that has come. */
  skip(): void {
    this.#offset = this.#traffic.end;
  }

  stop(): void {
    this.#leave();
  }
}
