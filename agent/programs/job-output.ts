import { promises } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { PROGRAMS } from "../../protocol/index.ts";

/** Where a piece of output was written to. */
export type OutputName = "stdout" | "stderr";

/** A piece of a job's output. */
export interface OutputPiece {
  readonly output: OutputName;
  readonly bytes: Buffer;
}

/** Output from a position on; positions count the bytes of both outputs since the job began. */
export interface OutputPart {
  readonly from: number;
  readonly next: number;
  readonly pieces: readonly OutputPiece[];
}

/** A file of it: records of a byte for the output, four for the length, and the bytes. */
interface Segment {
  readonly at: number;
  bytes: number;
  fileBytes: number;
}

const HEADER = 5;
const PREFIX = "output-";

/**
 * The output of one job on disk: files of about `PROGRAMS.segmentBytes`, of which the oldest goes when they hold
 * more than `PROGRAMS.outputBytes`.
 */
export class JobOutput {
  readonly #folder: string;
  readonly #segments: Segment[] = [];
  readonly #listeners = new Set<() => void>();
  #file: FileHandle | undefined;
  #writing: Promise<void> = Promise.resolve();

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Position of the first byte that is kept. */
  get start(): number {
    return this.#segments[0]?.at ?? 0;
  }

  /** Position after the last byte. */
  get end(): number {
    const last = this.#segments.at(-1);
    return last === undefined ? 0 : last.at + last.bytes;
  }

  /** Finds what an earlier agent has written; a last record that is not whole is left out. */
  async load(): Promise<void> {
    const starts = (await promises.readdir(this.#folder))
      .filter((name) => name.startsWith(PREFIX))
      .map((name) => Number(name.slice(PREFIX.length)))
      .sort((a, b) => a - b);
    for (const at of starts) {
      const pieces = readRecords(await promises.readFile(this.#path(at)));
      const bytes = pieces.reduce((sum, piece) => sum + piece.bytes.length, 0);
      this.#segments.push({ at, bytes, fileBytes: bytes + HEADER * pieces.length });
    }
  }

  /** Adds a piece; settles when it is in the file. */
  append(output: OutputName, bytes: Buffer): Promise<void> {
    this.#writing = this.#writing.then(() => this.#append(output, bytes));
    return this.#writing;
  }

  /** Waits for what is being written, and closes the file. */
  async close(): Promise<void> {
    await this.#writing.catch(() => undefined);
    await this.#file?.close();
    this.#file = undefined;
  }

  /** Calls `listener` after every piece; what it gives ends that. */
  onMore(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Output from a position on, or from the first that is kept after it; at most about `most` bytes. */
  async read(from: number, most: number): Promise<OutputPart> {
    const end = this.end;
    let at = Math.min(Math.max(from, this.start), end);
    const first = at;
    const pieces: OutputPiece[] = [];
    for (const segment of [...this.#segments]) {
      const last = Math.min(segment.at + segment.bytes, end);
      if (last <= at) continue;
      if (at - first >= most) break;
      let position = segment.at;
      for (const { output, bytes } of readRecords(await promises.readFile(this.#path(segment.at)))) {
        const skip = Math.max(0, at - position);
        const wanted = bytes.subarray(
          skip,
          Math.min(bytes.length, last - position, skip + most - (at - first)),
        );
        position += bytes.length;
        if (skip >= bytes.length || wanted.length === 0) continue;
        pieces.push({ output, bytes: wanted });
        at += wanted.length;
      }
    }
    return { from: first, next: at, pieces };
  }

  async #append(output: OutputName, bytes: Buffer): Promise<void> {
    let segment = this.#segments.at(-1);
    if (segment === undefined || this.#file === undefined || segment.fileBytes >= PROGRAMS.segmentBytes) {
      await this.#file?.close();
      segment = { at: this.end, bytes: 0, fileBytes: 0 };
      this.#file = await promises.open(this.#path(segment.at), "w", 0o600);
      this.#segments.push(segment);
      await this.#forget();
    }
    const header = Buffer.alloc(HEADER);
    header[0] = output === "stdout" ? 0 : 1;
    header.writeUInt32BE(bytes.length, 1);
    const record = Buffer.concat([header, bytes]);
    await this.#file.writeFile(record);
    segment.bytes += bytes.length;
    segment.fileBytes += record.length;
    for (const listener of [...this.#listeners]) listener();
  }

  async #forget(): Promise<void> {
    while (this.#segments.length > PROGRAMS.outputBytes / PROGRAMS.segmentBytes) {
      const oldest = this.#segments.shift();
      if (oldest !== undefined) await promises.rm(this.#path(oldest.at), { force: true });
    }
  }

  #path(at: number): string {
    return join(this.#folder, `${PREFIX}${at}`);
  }
}

function readRecords(file: Buffer): OutputPiece[] {
  const pieces: OutputPiece[] = [];
  for (let at = 0; at + HEADER <= file.length; ) {
    const end = at + HEADER + file.readUInt32BE(at + 1);
    if (end > file.length) break;
    pieces.push({ output: file[at] === 0 ? "stdout" : "stderr", bytes: file.subarray(at + HEADER, end) });
    at = end;
  }
  return pieces;
}
