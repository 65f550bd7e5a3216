import { closeSync, constants, fstatSync, openSync, read } from "node:fs";
import { FTP, TetherError } from "../../../protocol/index.ts";
import type { Files } from "../../files/index.ts";
import type { Outgoing } from "./outgoing.ts";
import type { Conversion } from "./text-type.ts";

const READ_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** A file that a client reads. */
export class Download {
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
  static open(files: Files, path: string): Download {
    const { folder, name } = files.source(path).open();
    try {
      if (name === "") throw new TetherError("invalid", "it is a folder");
      const descriptor = openSync(folder.path(name), READ_FLAGS);
      try {
        return new Download(descriptor);
      } catch (error) {
        closeSync(descriptor);
        throw error;
      }
    } finally {
      folder.close();
    }
  }

  /** Sends what stands from byte `from` on; reads the next piece while one is being sent. */
  async send(from: number, target: Outgoing, conversion: Conversion): Promise<void> {
    const spare = [Buffer.allocUnsafeSlow(FTP.piece), Buffer.allocUnsafeSlow(FTP.piece)];
    let at = from;
    let reading = this.#read(spare[0] as Buffer, at);
    try {
      for (let turn = 0; ; turn++) {
        const count = await reading;
        if (count === 0) break;
        at += count;
        reading = this.#read(spare[(turn + 1) % 2] as Buffer, at);
        await target.write(conversion.push((spare[turn % 2] as Buffer).subarray(0, count)));
      }
      await target.write(conversion.end());
    } finally {
      // The descriptor is closed next: no thread may still read from its number.
      await reading.catch(() => undefined);
    }
  }

  close(): void {
    closeSync(this.#descriptor);
  }

  #read(buffer: Buffer, position: number): Promise<number> {
    const reading = new Promise<number>((resolve, reject) => {
      read(this.#descriptor, buffer, 0, buffer.length, position, (error, count) => {
        if (error === null) resolve(count);
        else reject(error);
      });
    });
    // Whoever waits for it is told; if nobody will, its failure is nobody's concern.
    reading.catch(() => undefined);
    return reading;
  }
}
