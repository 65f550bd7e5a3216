import type { TetherError } from "../protocol/index.ts";
import { TRANSFER, WIRE } from "../protocol/index.ts";
import { BufferPool } from "./buffer-pool.ts";
import { DIGEST_BYTES } from "./digest.ts";
import { RECORD, RECORD_HEADER, writeRecordHeader } from "./record.ts";

/** Where the bytes go: `Stream.sendBulk`. */
export interface BulkOutput {
  sendBulk(buffer: Buffer, start: number, end: number, written: () => void): void;
}

/** Where the content lies in a buffer that holds nothing else: aligned, with room for what comes before it. */
const CONTENT_AT = 64;
const START = CONTENT_AT - RECORD_HEADER;
/** Where a CHECK begins that comes before the content. */
const CHECK_AT = START - RECORD_HEADER - DIGEST_BYTES;

/** Bytes of content in one record of a large file: whole pages, and with its header within one frame. */
export const CONTENT_BYTES = WIRE.framePayload - 4 * 1024;

/** Bytes of a large file between two digests of it. */
export const PIECE_BYTES = 4 * CONTENT_BYTES;

/** Gathers records in pooled buffers, each of which becomes one frame. */
export class RecordWriter {
  readonly #output: BulkOutput;
  readonly #pool = new BufferPool(TRANSFER.buffers, START + WIRE.framePayload);
  #buffer: Buffer | undefined;
  #at = START;
  #sent = 0;

  constructor(output: BulkOutput) {
    this.#output = output;
  }

  /** Bytes handed to the output so far. */
  get sent(): number {
    return this.#sent;
  }

  /** Writes a record with a short body. */
  async write(type: number, body: Buffer): Promise<void> {
    const buffer = this.#roomFor(RECORD_HEADER + body.length) ?? (await this.#fresh());
    const at = writeRecordHeader(buffer, this.#at, type, body.length);
    body.copy(buffer, at);
    this.#at = at + body.length;
  }

  /**
   * Writes one CONTENT record of up to `length` bytes, at most {@link CONTENT_BYTES}, that `fill` reads straight
   * into place; gives what `fill` gave, the bytes that there were.
   */
  async writeContent(length: number, fill: (target: Buffer) => number): Promise<number> {
    const buffer = this.#roomFor(RECORD_HEADER + length) ?? (await this.#fresh());
    const body = this.#at + RECORD_HEADER;
    const filled = fill(buffer.subarray(body, body + length));
    writeRecordHeader(buffer, this.#at, RECORD.CONTENT, filled);
    this.#at = body + filled;
    return filled;
  }

  /** True when a buffer for {@link takeContent} is to be had without waiting. */
  get hasFree(): boolean {
    return this.#pool.hasFree;
  }

  /** A buffer whose {@link CONTENT_BYTES} from `contentAt` on a thread may fill. */
  takeContent(): Promise<Buffer> {
    return this.#pool.take();
  }

  /** Where {@link takeContent}'s buffers are to be filled. */
  get contentAt(): number {
    return CONTENT_AT;
  }

  /**
   * Sends a buffer of {@link takeContent} with `length` bytes as one CONTENT record, after all that was written,
   * and before it `check`, the digest of the piece that came before.
   */
  sendContent(buffer: Buffer, length: number, check?: Buffer): void {
    this.flush();
    writeRecordHeader(buffer, START, RECORD.CONTENT, length);
    if (check === undefined) {
      this.#send(buffer, START, CONTENT_AT + length);
      return;
    }
    writeRecordHeader(buffer, CHECK_AT, RECORD.CHECK, check.length);
    check.copy(buffer, CHECK_AT + RECORD_HEADER);
    this.#send(buffer, CHECK_AT, CONTENT_AT + length);
  }

  /** Gives a buffer of {@link takeContent} back unused. */
  release(buffer: Buffer): void {
    this.#pool.release(buffer);
  }

  /** Hands what is gathered to the output. */
  flush(): void {
    if (this.#buffer === undefined || this.#at === START) return;
    const buffer = this.#buffer;
    const end = this.#at;
    this.#buffer = undefined;
    this.#at = START;
    this.#send(buffer, START, end);
  }

  /** Ends everybody's waiting for buffers. */
  fail(error: TetherError): void {
    this.#pool.fail(error);
  }

  #roomFor(bytes: number): Buffer | undefined {
    return this.#buffer !== undefined && this.#at + bytes <= this.#buffer.length ? this.#buffer : undefined;
  }

  async #fresh(): Promise<Buffer> {
    this.flush();
    this.#buffer ??= await this.#pool.take();
    return this.#buffer;
  }

  #send(buffer: Buffer, start: number, end: number): void {
    this.#sent += end - start;
    this.#output.sendBulk(buffer, start, end, () => this.#pool.release(buffer));
  }
}
