import { closeSync, constants, fstatSync, openSync, read } from "node:fs";
import { TetherError } from "../../protocol/index.ts";
import type { Files } from "./files.ts";

const READ_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** A file under the root, open for reading. */
export class OpenedFile {
  /** Bytes when it was opened. */
  readonly size: number;
  readonly #descriptor: number;

  private constructor(descriptor: number) {
    this.#descriptor = descriptor;
    const facts = fstatSync(descriptor);
    if (!facts.isFile()) throw new TetherError("invalid", "it is not a file");
    this.size = facts.size;
  }

  /** Opens a file, following links within the root. Throws what stands in the way. */
  static open(files: Files, path: string): OpenedFile {
    const { folder, name } = files.source(path).open();
    try {
      if (name === "") throw new TetherError("invalid", "it is a folder");
      const descriptor = openSync(folder.path(name), READ_FLAGS);
      try {
        return new OpenedFile(descriptor);
      } catch (error) {
        closeSync(descriptor);
        throw error;
      }
    } finally {
      folder.close();
    }
  }

  /** Reads from byte `position` on into the buffer; gives how many bytes, none at the end. */
  read(buffer: Buffer, position: number): Promise<number> {
    return new Promise((resolve, reject) => {
      read(this.#descriptor, buffer, 0, buffer.length, position, (error, count) => {
        if (error === null) resolve(count);
        else reject(error);
      });
    });
  }

  /** No read may be under way. */
  close(): void {
    closeSync(this.#descriptor);
  }
}
