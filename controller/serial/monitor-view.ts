import type { Writable } from "node:stream";
import { type JsonObject, writeJson } from "../../protocol/index.ts";
import { plain } from "../render/table.ts";
import { contentOf } from "./recording-file.ts";

/** Bytes on one line of `--hex`. */
const HEX_LINE = 16;

/** How a monitor shows what passes. */
export type MonitorFormat = "bytes" | "hex" | "json";

/** Shows what a device says on stdout, and all else on stderr. */
export class MonitorView {
  readonly #stdout: Writable;
  readonly #stderr: Writable;
  readonly #format: MonitorFormat;
  /** What begins and ends a line on a terminal whose lines are the device's. */
  readonly #isRaw: boolean;
  #shown = 0;

  constructor(ends: {
    readonly stdout: Writable;
    readonly stderr: Writable;
    readonly format: MonitorFormat;
    readonly isRaw: boolean;
  }) {
    this.#stdout = ends.stdout;
    this.#stderr = ends.stderr;
    this.#format = ends.format;
    this.#isRaw = ends.isRaw;
  }

  /** Shows a piece of what passes; a promise says when there may be more. */
  show(direction: "device" | "host", time: string, data: Buffer): void | Promise<void> {
    if (this.#format === "json")
      return this.#write(`${writeJson({ time, from: direction, ...contentOf(data) })}\n`);
    if (direction === "host") return;
    if (this.#format === "bytes") return this.#write(data);
    const lines: string[] = [];
    for (let at = 0; at < data.length; at += HEX_LINE) {
      const line = data.subarray(at, at + HEX_LINE);
      lines.push(`${hexLine(this.#shown, line)}\n`);
      this.#shown += line.length;
    }
    return this.#write(lines.join(""));
  }

  /** Tells something that did not come from the device. */
  note(text: string, facts: JsonObject): void {
    const clean = plain(text);
    if (this.#format === "json") this.#stderr.write(`${writeJson(facts)}\n`);
    else this.#stderr.write(this.#isRaw ? `\r\n--- ${clean} ---\r\n` : `tether: ${clean}\n`);
  }

  /** Shows a text as it is, in the middle of a line. */
  prompt(text: string): void {
    this.#stderr.write(text);
  }

  #write(content: Buffer | string): void | Promise<void> {
    if (this.#stdout.write(content)) return;
    return new Promise((resolve) => this.#stdout.once("drain", resolve));
  }
}

/** As hexdump -C has it. */
function hexLine(offset: number, bytes: Buffer): string {
  const digits = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
  const shown = [...bytes]
    .map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : "."))
    .join("");
  return `${offset.toString(16).padStart(8, "0")}  ${digits.padEnd(3 * HEX_LINE - 1)}  |${shown}|`;
}
