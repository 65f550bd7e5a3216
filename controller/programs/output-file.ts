import { write } from "node:fs";
import { setTimeout as wait } from "node:timers/promises";

/** Milliseconds between two tries on an output that somebody else has set not to block. */
const RETRY = 5;

/** Where a program's output goes. */
export interface ProgramOutput {
  /** Writes a piece; settles when it has left, rejects when nobody takes it any more. */
  write(bytes: Buffer): Promise<void>;
}

/**
 * An output of this process, written by a thread: Node itself writes to pipes and terminals in the event loop,
 * where a reader that pauses, as a pager does, would hold up the connection until the agent gives it up.
 */
class OutputFile implements ProgramOutput {
  readonly #descriptor: number;
  #last: Promise<void> = Promise.resolve();

  constructor(descriptor: number) {
    this.#descriptor = descriptor;
  }

  write(bytes: Buffer): Promise<void> {
    const written = this.#last.then(() => this.#write(bytes));
    this.#last = written.catch(() => undefined);
    return written;
  }

  async #write(bytes: Buffer): Promise<void> {
    for (let at = 0; at < bytes.length; ) {
      try {
        at += await writeOnce(this.#descriptor, bytes, at);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
        await wait(RETRY);
      }
    }
  }
}

/** Collects output up to a bound; what is beyond it is refused. */
export class CollectedOutput implements ProgramOutput {
  readonly #most: number;
  readonly #pieces: Buffer[] = [];
  #bytes = 0;

  constructor(most: number) {
    this.#most = most;
  }

  get text(): string {
    return Buffer.concat(this.#pieces).toString("utf8");
  }

  async write(bytes: Buffer): Promise<void> {
    this.#bytes += bytes.length;
    if (this.#bytes > this.#most) throw new RangeError(`more than ${this.#most} bytes of output`);
    this.#pieces.push(bytes);
  }
}

function writeOnce(descriptor: number, bytes: Buffer, at: number): Promise<number> {
  return new Promise((resolve, reject) => {
    write(descriptor, bytes, at, bytes.length - at, null, (error, count) =>
      error ? reject(error) : resolve(count),
    );
  });
}

/** The two outputs of this process. */
export function ownOutputs(): { readonly stdout: ProgramOutput; readonly stderr: ProgramOutput } {
  return { stdout: new OutputFile(1), stderr: new OutputFile(2) };
}
