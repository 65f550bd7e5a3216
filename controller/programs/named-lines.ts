import { FAN_OUT } from "../../protocol/index.ts";
import type { ProgramOutput } from "./output-file.ts";

const NEWLINE = 0x0a;

/**
 * An output of one of several programs that share one: whole lines, each behind the agent's name, so that those of
 * two never mix. A line beyond the bound is broken in two.
 */
export class NamedLines implements ProgramOutput {
  readonly #prefix: Buffer;
  readonly #write: (bytes: Buffer) => Promise<void>;
  readonly #onLine: (line: string) => void;
  #rest: Buffer = Buffer.alloc(0);

  constructor(name: string, write: (bytes: Buffer) => Promise<void>, onLine: (line: string) => void) {
    this.#prefix = Buffer.from(`${name}: `);
    this.#write = write;
    this.#onLine = onLine;
  }

  async write(bytes: Buffer): Promise<void> {
    const all = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    const pieces: Buffer[] = [];
    let at = 0;
    for (let end = all.indexOf(NEWLINE); end !== -1; end = all.indexOf(NEWLINE, at)) {
      pieces.push(this.#prefix, all.subarray(at, end + 1));
      this.#onLine(all.toString("utf8", at, Math.min(end, at + 200)));
      at = end + 1;
    }
    if (all.length - at > FAN_OUT.line) {
      pieces.push(this.#prefix, all.subarray(at), Buffer.from("\n"));
      at = all.length;
    }
    this.#rest = Buffer.from(all.subarray(at));
    if (pieces.length > 0) await this.#write(Buffer.concat(pieces));
  }

  /** The last line, which nothing ended. */
  async end(): Promise<void> {
    if (this.#rest.length > 0) await this.write(Buffer.from("\n"));
  }
}
