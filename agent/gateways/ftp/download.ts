import { FTP } from "../../../protocol/index.ts";
import { type Files, OpenedFile } from "../../files/index.ts";
import type { Outgoing } from "./outgoing.ts";
import type { Conversion } from "./text-type.ts";

/** A file that a client reads. */
export class Download {
  readonly #file: OpenedFile;

  private constructor(file: OpenedFile) {
    this.#file = file;
  }

  /** Opens a file. Throws as {@link OpenedFile.open}. */
  static open(files: Files, path: string): Download {
    return new Download(OpenedFile.open(files, path));
  }

  /** Bytes when it was opened. */
  get size(): number {
    return this.#file.size;
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
    this.#file.close();
  }

  #read(buffer: Buffer, position: number): Promise<number> {
    const reading = this.#file.read(buffer, position);
    // Whoever waits for it is told; if nobody will, its failure is nobody's concern.
    reading.catch(() => undefined);
    return reading;
  }
}
