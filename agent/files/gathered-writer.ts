import { writev } from "node:fs";
import { TRANSFER } from "../../protocol/index.ts";

/** Pieces of one write: Linux's IOV_MAX. Many small ones hold far more memory than their bytes. */
const PIECES = 1_024;

/** Writes pieces to a file in the order in which they come, many at a time on another thread. */
export class GatheredWriter {
  readonly #descriptor: number;
  #position: number;
  #end: number;
  #gathered: Buffer[] = [];
  #bytes = 0;
  #writing: Promise<void> | undefined;
  #failure: unknown;

  /** Begins to write at byte `position`. */
  constructor(descriptor: number, position: number) {
    this.#descriptor = descriptor;
    this.#position = position;
    this.#end = position;
  }

  /** Where the file ends once all that was pushed is written. */
  get end(): number {
    return this.#end;
  }

  /** Bytes that are in the file, without gaps. */
  get written(): number {
    return this.#position;
  }

  /** True while no more should be pushed. */
  get isFull(): boolean {
    return this.#isMuch && this.#writing !== undefined;
  }

  /** Takes the next bytes, which must not change afterwards. Throws what the system said to an earlier write. */
  push(bytes: Buffer): void {
    if (this.#failure !== undefined) throw this.#failure;
    this.#gathered.push(bytes);
    this.#bytes += bytes.length;
    this.#end += bytes.length;
    if (this.#isMuch) this.#start();
  }

  /** Resolves when more may be pushed. Rejects with what the system said. */
  async emptied(): Promise<void> {
    while (this.isFull) await this.#writing;
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Writes what is left. Rejects with what the system said; nothing is being written afterwards either way. */
  async finish(): Promise<void> {
    while (this.#writing !== undefined || (this.#bytes > 0 && this.#failure === undefined)) {
      this.#start();
      await this.#writing;
    }
    if (this.#failure !== undefined) throw this.#failure;
  }

  get #isMuch(): boolean {
    return this.#bytes >= TRANSFER.writeBytes || this.#gathered.length >= PIECES;
  }

  #start(): void {
    if (this.#writing !== undefined || this.#bytes === 0 || this.#failure !== undefined) return;
    const buffers = this.#gathered;
    this.#gathered = [];
    this.#bytes = 0;
    this.#writing = this.#write(buffers).then(
      () => {
        this.#writing = undefined;
        if (this.#isMuch) this.#start();
      },
      (error: unknown) => {
        this.#writing = undefined;
        this.#failure ??= error;
      },
    );
  }

  async #write(buffers: Buffer[]): Promise<void> {
    let rest = buffers;
    while (rest.length > 0) {
      const count = await new Promise<number>((resolve, reject) => {
        writev(this.#descriptor, rest, this.#position, (error, written) => {
          if (error === null) resolve(written);
          else reject(error);
        });
      });
      this.#position += count;
      // A full disk takes a part, and says why at the next try.
      rest = withoutFront(rest, count);
    }
  }
}

function withoutFront(buffers: readonly Buffer[], bytes: number): Buffer[] {
  let left = bytes;
  return buffers.flatMap((buffer) => {
    const rest = left < buffer.length ? buffer.subarray(left) : undefined;
    left = Math.max(0, left - buffer.length);
    return rest === undefined ? [] : [rest];
  });
}
