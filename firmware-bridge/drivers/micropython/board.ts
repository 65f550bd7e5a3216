import { createHash } from "node:crypto";
import { TetherError } from "../../../protocol/errors.ts";
import { MICROPYTHON, SERIAL } from "../../../protocol/limits.ts";
import type { RawRepl } from "./raw-repl.ts";
import * as scripts from "./scripts.ts";

/** One entry of a folder on the board. */
export type BoardEntry = { name: string; type: "file" | "directory"; size: number };

/** How far a copy is, in bytes. */
export type CopyProgress = (done: number, total: number) => void;

/** What a MicroPython board can be asked once its raw REPL has been entered. */
export class Board {
  readonly #repl: RawRepl;
  readonly #signal: AbortSignal;
  readonly #silence: number;

  /** `silence`: milliseconds that the board may be silent over one step. */
  constructor(repl: RawRepl, signal: AbortSignal, silence: number) {
    this.#repl = repl;
    this.#signal = signal;
    this.#silence = silence;
  }

  /**
   * Runs code and gives what it printed.
   *
   * @param silence milliseconds that it may be silent
   * @throws TetherError `device-failed` what Python raised; `limit` for too much output
   */
  async run(
    code: string | Uint8Array,
    silence = this.#silence,
    heard?: (text: string) => void,
  ): Promise<string> {
    const pieces: Buffer[] = [];
    let bytes = 0;
    const printed = (piece: Buffer) => {
      bytes += piece.length;
      if (bytes > SERIAL.answerBytes) return;
      pieces.push(Buffer.from(piece));
      heard?.(piece.toString("utf8"));
    };
    const source = typeof code === "string" ? Buffer.from(code, "utf8") : code;
    await this.#repl.run(source, { signal: this.#signal, silence, printed });
    if (bytes > SERIAL.answerBytes) {
      throw new TetherError("limit", `it printed ${bytes} bytes; up to ${SERIAL.answerBytes} are kept`);
    }
    return Buffer.concat(pieces).toString("utf8");
  }

  /** The value of an expression as JSON where it has that form, else as Python shows it. */
  async evaluate(expression: string): Promise<unknown> {
    const said = await this.run(scripts.evaluation(expression));
    const [, json = "", shown = ""] = said.split(scripts.MARK);
    if (/^-?[0-9]+$/.test(json)) {
      const value = Number(json);
      return Number.isSafeInteger(value) ? value : BigInt(json);
    }
    try {
      return JSON.parse(json);
    } catch {
      return shown.replace(/\r?\n$/, "");
    }
  }

  async list(path: string): Promise<BoardEntry[]> {
    return (await this.#said(scripts.listing(path))).map((line) => {
      const [name, isFolder, size] = JSON.parse(line) as [string, boolean, number];
      return { name, type: isFolder ? "directory" : "file", size };
    });
  }

  async describe(): Promise<{ [name: string]: string | number }> {
    const [line = "{}"] = await this.#said(scripts.description());
    return JSON.parse(line) as { [name: string]: string | number };
  }

  async makeFolder(path: string): Promise<void> {
    await this.run(scripts.makingFolder(path));
  }

  async remove(path: string): Promise<void> {
    await this.run(scripts.removing(path));
  }

  /**
   * A file of the board, whole.
   *
   * @throws TetherError `not-found`, `limit` for a larger one than is taken, `integrity`
   */
  async readFile(path: string, onProgress: CopyProgress): Promise<Buffer> {
    const hash = createHash("sha256");
    const pieces: Buffer[] = [];
    let size: number | undefined;
    let bytes = 0;
    let digest = "";
    const take = (line: string) => {
      if (size === undefined) size = fileSize(line, path);
      else if (bytes >= size) digest = line;
      else {
        const piece = Buffer.from(line, "base64");
        hash.update(piece);
        pieces.push(piece);
        bytes += piece.length;
        onProgress(bytes, size);
      }
    };
    const lines = new MarkedLines(take);
    await this.#repl.run(Buffer.from(scripts.reading(path, MICROPYTHON.fileRead)), {
      signal: this.#signal,
      silence: this.#silence,
      printed: (piece) => lines.push(piece),
    });
    if (size === undefined || bytes !== size || (digest !== "-" && digest !== hash.digest("hex"))) {
      throw new TetherError("integrity", `${path} came otherwise than it is on the board: ${bytes} bytes`);
    }
    return Buffer.concat(pieces);
  }

  /**
   * Writes a file: beside its name first, and under it once what the board has is what was sent.
   *
   * @throws TetherError `limit`, `not-found` for a folder that is not there, `integrity`
   */
  async writeFile(
    path: string,
    size: number,
    pieces: AsyncIterable<Uint8Array>,
    onProgress: CopyProgress,
  ): Promise<void> {
    fileSize(String(size), path);
    const partial = `${path}.part`;
    const hash = createHash("sha256");
    let bytes = 0;
    await this.run(scripts.beginning(partial));
    try {
      for await (const piece of pieces) {
        for (let at = 0; at < piece.length; at += MICROPYTHON.fileWrite) {
          const part = piece.subarray(at, at + MICROPYTHON.fileWrite);
          hash.update(part);
          await this.run(scripts.writing(part));
          bytes += part.length;
          onProgress(bytes, size);
        }
      }
      const [length, digest] = await this.#said(scripts.closing(partial, MICROPYTHON.fileRead));
      if (length !== String(bytes) || (digest !== "-" && digest !== hash.digest("hex"))) {
        throw new TetherError(
          "integrity",
          `the board has ${path} otherwise than it was sent: ${length} of ${bytes} bytes`,
        );
      }
      await this.run(scripts.renaming(partial, path));
    } catch (thrown) {
      await this.#forget(partial);
      throw thrown;
    }
  }

  /** Removes what is left of a file that did not become whole, though the caller may be gone. */
  async #forget(partial: string): Promise<void> {
    const own = new Board(this.#repl, AbortSignal.timeout(MICROPYTHON.farewell), this.#silence);
    await own.run(`_w.close()\n${scripts.removing(partial)}`).catch(() => {});
  }

  async #said(code: string): Promise<string[]> {
    const lines: string[] = [];
    const marked = new MarkedLines((line) => lines.push(line));
    marked.push(Buffer.from(await this.run(code), "utf8"));
    return lines;
  }
}

/** The lines among what is printed that begin with our mark. */
class MarkedLines {
  readonly #take: (line: string) => void;
  #rest = "";

  constructor(take: (line: string) => void) {
    this.#take = take;
  }

  push(bytes: Buffer): void {
    const lines = (this.#rest + bytes.toString("latin1")).split("\n");
    this.#rest = (lines.pop() ?? "").slice(-SERIAL.unit);
    for (const line of lines) {
      const at = line.indexOf(scripts.MARK);
      if (at >= 0) this.#take(Buffer.from(line.slice(at + 1).trimEnd(), "latin1").toString("utf8"));
    }
  }
}

function fileSize(text: string, path: string): number {
  const size = Number(text);
  if (size <= MICROPYTHON.fileBytes) return size;
  throw new TetherError("limit", `${path} has ${text} bytes; allowed: up to ${MICROPYTHON.fileBytes}`);
}
