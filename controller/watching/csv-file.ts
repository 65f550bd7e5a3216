import { appendFileSync, closeSync, fstatSync, openSync, readSync } from "node:fs";
import { asTetherError, TetherError } from "../../protocol/index.ts";
import { valueText } from "../render/value.ts";
import type { WatchedReading } from "./follow.ts";

const HEADER = "time,reading,value,unit";

/** A file of comma-separated values (RFC 4180, lines ended by a newline) that readings are appended to. */
export class CsvFile {
  readonly #path: string;
  readonly #file: number;

  /** Opens the file, or makes it with its header. Throws TetherError. */
  constructor(path: string) {
    this.#path = path;
    this.#file = this.#attempt(() => openSync(path, "a+"));
    this.#attempt(() => {
      const { size } = fstatSync(this.#file);
      const last = Buffer.alloc(1);
      if (size === 0) this.#write(HEADER);
      // A line that a full disk cut off must not run into the next one.
      else if (readSync(this.#file, last, 0, 1, size - 1) === 1 && last[0] !== 0x0a) this.#write("");
    });
  }

  /** Appends a line, which the file has when this returns. Throws TetherError. */
  append({ time, reading, value, unit }: WatchedReading): void {
    const line = [time, reading, valueText(value), unit ?? ""].map(field).join(",");
    this.#attempt(() => this.#write(line));
  }

  close(): void {
    closeSync(this.#file);
  }

  #write(line: string): void {
    appendFileSync(this.#file, `${line}\n`);
  }

  #attempt<T>(action: () => T): T {
    try {
      return action();
    } catch (thrown) {
      const error = asTetherError(thrown);
      throw new TetherError(error.code, `cannot write ${this.#path}: ${error.message}`, { cause: thrown });
    }
  }
}

/** RFC 4180 §2.6 and §2.7. */
function field(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
