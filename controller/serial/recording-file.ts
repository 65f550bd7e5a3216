import { isUtf8 } from "node:buffer";
import { appendFileSync, closeSync, openSync } from "node:fs";
import { asTetherError, type JsonObject, TetherError, writeJson } from "../../protocol/index.ts";

/** A file that what passes on a port is written to: a JSON object a line, which has reached it when a call returns. */
export class RecordingFile {
  readonly #path: string;
  readonly #file: number;

  /** Opens the file: a new one, or with `append` also the end of an old one. Throws TetherError. */
  constructor(path: string, options: { readonly append: boolean }) {
    this.#path = path;
    this.#file = this.#attempt(() => openSync(path, options.append ? "a" : "wx"));
  }

  /** What came from the device, or was written to it. Throws TetherError. */
  passed(direction: "device" | "host", time: string, data: Buffer): void {
    this.#write({ time, from: direction, ...contentOf(data) });
  }

  /** Anything else that belongs there. Throws TetherError. */
  note(facts: JsonObject, time = new Date().toISOString()): void {
    this.#write({ time, ...facts });
  }

  close(): void {
    closeSync(this.#file);
  }

  #write(line: JsonObject): void {
    this.#attempt(() => appendFileSync(this.#file, `${writeJson(line)}\n`));
  }

  #attempt<T>(action: () => T): T {
    try {
      return action();
    } catch (thrown) {
      const { code, message } = asTetherError(thrown);
      throw new TetherError(code, `cannot write ${this.#path}: ${message}`, { cause: thrown });
    }
  }
}

/** Bytes as a text where they are one, else in base64. */
export function contentOf(data: Buffer): { text: string } | { base64: string } {
  return isUtf8(data) ? { text: data.toString() } : { base64: data.toString("base64") };
}
