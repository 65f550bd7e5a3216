import type { TetherError } from "../protocol/index.ts";
import { PackingOutput } from "./packing-output.ts";
import type { BulkOutput } from "./record-writer.ts";
import type { Packed } from "./requests.ts";
import { Unpacker } from "./unpacker.ts";

/** What a sender writes to: chunks where that was agreed on, else the bytes as they are. */
export interface SenderOutput extends BulkOutput {
  /** Bytes handed on so far, as they went out. */
  readonly sent: number;
  /** Resolves when all has been handed on, so that the stream may end. */
  finish(): Promise<void>;
  /** Nothing more goes out. */
  abandon(): void;
}

/** The way from a sender to its stream. */
export function senderOutput(stream: BulkOutput, packed: Packed | undefined): SenderOutput {
  return packed === undefined ? new PlainOutput(stream) : new PackingOutput({ output: stream, ...packed });
}

class PlainOutput implements SenderOutput {
  sent = 0;
  readonly #stream: BulkOutput;

  constructor(stream: BulkOutput) {
    this.#stream = stream;
  }

  sendBulk(buffer: Buffer, start: number, end: number, written: () => void): void {
    this.sent += end - start;
    this.#stream.sendBulk(buffer, start, end, written);
  }

  async finish(): Promise<void> {}

  abandon(): void {}
}

/** A receiver, as far as bytes come to it. */
export interface ByteTaker {
  push(bytes: Buffer): void;
  end(): void;
}

/** What comes between a stream and its receiver. */
export interface ReceiverInput extends ByteTaker {
  /** The receiver has dealt with so many bytes. */
  consumed(bytes: number): void;
}

/**
 * The way from a stream to its receiver.
 *
 * @param taker the receiver; asked for when the first bytes come
 * @param consumed lets the sender send so many bytes more
 * @param broken told when what comes is nothing that a sender sends
 */
export function receiverInput(
  packed: Packed | undefined,
  taker: () => ByteTaker,
  consumed: (bytes: number) => void,
  broken: (error: TetherError) => void,
): ReceiverInput {
  if (packed === undefined) {
    return { push: (bytes) => taker().push(bytes), end: () => taker().end(), consumed };
  }
  return new Unpacker({
    packing: packed.packing,
    push: (bytes) => taker().push(bytes),
    end: () => taker().end(),
    broken,
    consumed,
  });
}
