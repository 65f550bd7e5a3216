import { Readable } from "node:stream";
import { FAN_OUT, TetherError } from "../../protocol/index.ts";

/**
 * The input of this process, given whole to each of several programs, whenever each of them begins. What is read is
 * kept, so it is bounded; nobody is asked to type it.
 */
export class CopiedInput {
  readonly #pieces: Buffer[] = [];
  readonly #readers = new Set<() => void>();
  readonly #source: NodeJS.ReadStream;
  readonly #onOverrun: (error: TetherError) => void;
  #bytes = 0;
  #ended = false;

  /** `onOverrun` is told when there is more than can be kept. */
  constructor(source: NodeJS.ReadStream, onOverrun: (error: TetherError) => void) {
    this.#source = source;
    this.#onOverrun = onOverrun;
  }

  /** Begins to read; a terminal is nobody's input. */
  start(): void {
    if (this.#source.isTTY) {
      this.#end();
      return;
    }
    this.#source.on("data", (bytes: Buffer) => this.#take(bytes));
    this.#source.once("end", () => this.#end());
    // One that cannot be read, as of a process in the background, has nothing to say.
    this.#source.once("error", () => this.#end());
  }

  /** All of it, from its beginning. */
  reader(): Readable {
    let next = 0;
    let wanted = false;
    const give = () => {
      while (wanted && next < this.#pieces.length) wanted = reader.push(this.#pieces[next++]);
      if (!wanted || !this.#ended) return;
      wanted = false;
      reader.push(null);
    };
    const reader = new Readable({
      read() {
        wanted = true;
        give();
      },
      destroy: (error, done) => {
        this.#readers.delete(give);
        done(error);
      },
    });
    this.#readers.add(give);
    return reader;
  }

  /** Reads no more. */
  stop(): void {
    this.#source.destroy();
  }

  #take(bytes: Buffer): void {
    this.#bytes += bytes.length;
    if (this.#bytes > FAN_OUT.input) {
      this.stop();
      const hint = "send a file by `tether put` first";
      this.#onOverrun(
        new TetherError("limit", `the input for several agents has more than ${FAN_OUT.input} bytes`, {
          hint,
        }),
      );
      return;
    }
    this.#pieces.push(bytes);
    for (const give of [...this.#readers]) give();
  }

  #end(): void {
    this.#ended = true;
    for (const give of [...this.#readers]) give();
  }
}
