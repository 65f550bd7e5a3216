import type { Readable } from "node:stream";
import { StringDecoder } from "node:string_decoder";
import { FLASH } from "../../protocol/index.ts";

/** Where what a tool prints goes. */
export interface OutputReader {
  /** Text, in pieces as they come. */
  text(text: string): void;
  /** A line without its end. */
  line(line: string): void;
}

/** Bars and percentages, and words that say nothing. */
const NO_NEWS = /ioctl\("TIOCM|#{5}|\d ?%|^avrdude(?:: | )?done|^Thank you|^[\s.=-]*$/;

/** What a tool prints: told as it comes, and the last of it kept. */
export class ToolOutput {
  readonly #reader: OutputReader;
  readonly #lines: string[] = [];

  constructor(reader: OutputReader) {
    this.#reader = reader;
  }

  /** Reads one output to its end. */
  read(output: Readable): void {
    const decoder = new StringDecoder("utf8");
    let rest = "";
    output.on("data", (bytes: Buffer) => {
      const text = decoder.write(bytes);
      this.#reader.text(text);
      const lines = (rest + text).split(/[\r\n]+/);
      rest = (lines.pop() ?? "").slice(0, FLASH.line);
      for (const line of lines) this.#line(line);
    });
    output.once("close", () => this.#line(rest));
  }

  /** What it said at last that tells why it failed, on one line. */
  get lastWords(): string {
    const telling = [...new Set(this.#lines.filter((line) => !NO_NEWS.test(line)))].slice(-4);
    const words = telling.join("; ");
    return words.length > FLASH.lastWords ? `…${words.slice(-FLASH.lastWords)}` : words;
  }

  #line(text: string): void {
    const line = oneLine(text);
    if (line === "") return;
    this.#lines.push(line);
    if (this.#lines.length > FLASH.lastLines) this.#lines.shift();
    this.#reader.line(line);
  }
}

/** A text of a stranger's without colours and other commands to a terminal (ECMA-48 §5.4), of bounded length. */
export function oneLine(text: string): string {
  const bare = text.slice(0, FLASH.line).replace(/\x1b\[[0-?]*[ -/]*[@-~]/g, "");
  return bare.replace(/[\x00-\x1f\x7f-\x9f]+/g, " ").trim();
}
