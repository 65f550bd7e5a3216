import { randomBytes } from "node:crypto";
import { promises } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { dirname, join } from "node:path";
import { PROGRAMS, type ProgramReport, TetherError } from "../../protocol/index.ts";
import { checkName, partialName, shown } from "../../transfer/index.ts";

type Announced = Extract<ProgramReport, { report: "file" }>;

/**
 * Puts what a script has left into a folder: a file gets its name when it is whole, and none leads out of the
 * folder, whatever the agent says.
 */
export class FetchedFiles {
  readonly #folder: string;
  readonly #wanted: (path: string) => boolean;
  /** One after the other, in the order in which they came. */
  #work: Promise<void> = Promise.resolve();
  #files = 0;
  #bytes = 0;
  #open: { handle: FileHandle; partial: string; file: Announced; left: number } | undefined;

  /** `wanted` says which paths were asked for. */
  constructor(folder: string, wanted: (path: string) => boolean) {
    this.#folder = folder;
    this.#wanted = wanted;
  }

  /** A file begins, and the one before is whole. */
  begin(file: Announced): Promise<void> {
    return this.#next(async () => {
      await this.#close();
      const names = file.path.split("/");
      if (!this.#wanted(file.path))
        throw new TetherError("forbidden", `${shown(file.path)} was not asked for`);
      for (const name of names) checkName(name);
      this.#bytes += file.size;
      if (++this.#files > PROGRAMS.fetchedFiles || this.#bytes > PROGRAMS.fetchedBytes) {
        throw new TetherError(
          "limit",
          `more than ${PROGRAMS.fetchedFiles} files or ${PROGRAMS.fetchedBytes} bytes`,
        );
      }
      await this.#makeFolders(names.slice(0, -1));
      const partial = join(this.#folder, ...names.slice(0, -1), partialName(randomBytes(8).toString("hex")));
      const handle = await promises.open(partial, "wx", file.mode | 0o600);
      this.#open = { handle, partial, file, left: file.size };
    });
  }

  /** A piece of the file that began last. */
  write(bytes: Buffer): Promise<void> {
    return this.#next(async () => {
      if (this.#open === undefined || bytes.length > this.#open.left) {
        throw new TetherError("integrity", "a file is longer than the agent said");
      }
      this.#open.left -= bytes.length;
      await this.#open.handle.writeFile(bytes);
    });
  }

  /** All have come. */
  finish(): Promise<void> {
    return this.#next(() => this.#close());
  }

  /** Removes what is not whole. */
  abandon(): void {
    const open = this.#open;
    this.#open = undefined;
    if (open === undefined) return;
    void open.handle.close().catch(() => undefined);
    void promises.rm(open.partial, { force: true }).catch(() => undefined);
  }

  async #close(): Promise<void> {
    const open = this.#open;
    if (open === undefined) return;
    const { handle, partial, file, left } = open;
    if (left > 0) throw new TetherError("integrity", `${shown(file.path)} is shorter than the agent said`);
    this.#open = undefined;
    await handle.close();
    await promises.rename(partial, join(dirname(partial), file.path.split("/").at(-1) ?? ""));
  }

  /** Makes what folders are missing; a link is none, wherever it leads. */
  async #makeFolders(names: readonly string[]): Promise<void> {
    let path = this.#folder;
    for (const name of names) {
      path = join(path, name);
      await promises.mkdir(path).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== "EEXIST") throw error;
      });
      if ((await promises.lstat(path)).isDirectory()) continue;
      throw new TetherError("forbidden", `${path} is not a folder, and nothing is written through it`);
    }
  }

  #next(work: () => Promise<void>): Promise<void> {
    this.#work = this.#work.then(work);
    return this.#work;
  }
}
