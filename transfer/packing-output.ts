import { availableParallelism } from "node:os";
import { HEADER_BYTES } from "../protocol/index.ts";
import { CHUNK, CHUNK_HEADER, codecOf, type Packing, type PackingMode, writeChunkHeader } from "./packing.ts";
import { PackingChoice } from "./packing-choice.ts";
import type { BulkOutput } from "./record-writer.ts";

/** Bytes packed at once, in threads that also read the files. */
const THREADS = Math.max(1, Math.min(2, availableParallelism() - 1));

/** Bytes packed for a try: they are copied, so that what is sent does not wait for it. */
const SAMPLE_BYTES = 64 * 1024;

/** What is to be sent, in the order in which it came. */
interface Entry {
  readonly buffer: Buffer;
  readonly start: number;
  readonly end: number;
  readonly written: () => void;
  /** Settled once it is known how it goes out: packed, or as it is. */
  packed: Buffer | undefined;
  isTried: boolean;
  isReady: boolean;
}

export interface PackingOutputOptions {
  readonly output: BulkOutput;
  readonly packing: Packing;
  readonly mode: Exclude<PackingMode, "off">;
}

/** Sends bytes in chunks, packed where that is faster, in the order in which they came. */
export class PackingOutput implements BulkOutput {
  readonly #options: PackingOutputOptions;
  readonly #codec: ReturnType<typeof codecOf>;
  readonly #choice = new PackingChoice(THREADS);
  readonly #queue: Entry[] = [];
  #packing = 0;
  #unwritten = 0;
  /** Since when there has been nothing to write. */
  #idleSince: number | undefined;
  #sent = 0;
  #idle: (() => void) | undefined;

  /** @throws TetherError `invalid` for a packing that this Node has not */
  constructor(options: PackingOutputOptions) {
    this.#options = options;
    this.#codec = codecOf(options.packing);
  }

  /** Bytes handed to the output so far. */
  get sent(): number {
    return this.#sent;
  }

  sendBulk(buffer: Buffer, start: number, end: number, written: () => void): void {
    const entry: Entry = { buffer, start, end, written, packed: undefined, isTried: false, isReady: true };
    this.#queue.push(entry);
    if (this.#idleSince !== undefined) this.#choice.idled(performance.now() - this.#idleSince);
    this.#idleSince = undefined;
    if (this.#options.mode === "on" || this.#choice.packs) void this.#pack(entry);
    else if (this.#choice.takesSample()) void this.#sample(buffer.subarray(start, end));
    this.#drain();
  }

  /** Resolves when all that came has been handed to the output. */
  async finish(): Promise<void> {
    if (this.#queue.length === 0) return;
    await new Promise<void>((resolve) => {
      this.#idle = resolve;
    });
  }

  /** Nothing more goes out: the other side has gone. */
  abandon(): void {
    this.#queue.length = 0;
    this.#idle?.();
  }

  /** Packs in another thread. */
  async #pack(entry: Entry): Promise<void> {
    const bytes = entry.buffer.subarray(entry.start, entry.end);
    entry.isReady = false;
    entry.isTried = true;
    this.#packing++;
    // What cannot be packed goes out as it is.
    const packed = await this.#codec.pack(bytes).catch(() => undefined);
    this.#packing--;
    if (packed !== undefined && packed.length < bytes.length) entry.packed = packed;
    entry.isReady = true;
    this.#drain();
  }

  /** Sees how small bytes become, and how fast, in another thread. */
  async #sample(sent: Buffer): Promise<void> {
    const bytes = Buffer.from(sent.subarray(0, SAMPLE_BYTES));
    const begun = performance.now();
    const packed = await this.#codec.pack(bytes).catch(() => undefined);
    this.#choice.sampled(bytes.length, packed?.length ?? bytes.length, performance.now() - begun);
  }

  #drain(): void {
    while (this.#queue[0]?.isReady) this.#send(this.#queue.shift() as Entry);
    if (this.#queue.length === 0) this.#idle?.();
  }

  #send(entry: Entry): void {
    const { output } = this.#options;
    const { buffer, start, end, packed } = entry;
    const bytes = end - start;
    const [body, at] = packed === undefined ? [buffer, start] : packedBody(packed, bytes);
    const until = packed === undefined ? end : body.length;
    const kind = packed === undefined ? CHUNK.PLAIN : CHUNK.PACKED;
    writeChunkHeader(body, at - CHUNK_HEADER, kind, until - at);
    this.#sent += until - at + CHUNK_HEADER;
    this.#unwritten++;
    output.sendBulk(body, at - CHUNK_HEADER, until, () => {
      this.#unwritten--;
      const now = performance.now();
      // Often all is written at once, and more comes in a moment.
      if (this.#unwritten === 0 && this.#queue.length === 0) this.#idleSince = now;
      this.#choice.written(bytes, entry.isTried ? until - at : undefined, now);
      entry.written();
    });
  }
}

/** A packed chunk's own bytes in a buffer with room for the headers before them, and where they begin. */
function packedBody(packed: Buffer, bytes: number): [Buffer, number] {
  const at = HEADER_BYTES + CHUNK_HEADER;
  const body = Buffer.allocUnsafe(at + 4 + packed.length);
  body.writeUInt32BE(bytes, at);
  packed.copy(body, at + 4);
  return [body, at];
}
