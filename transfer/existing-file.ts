import { closeSync, constants, fchmodSync, fstatSync, lstatSync, openSync, type Stats } from "node:fs";
import { TetherError } from "../protocol/index.ts";
import { readChunks } from "./file-reading.ts";
import type { Folder } from "./folder.ts";
import { type PartOffer, PrefixDigests } from "./prefix-proof.ts";
import type { FileHeader } from "./record.ts";

const OPEN_FLAGS = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);
/** Milliseconds by which times may differ that are the same: what a number of them loses. */
const SAME_TIME = 0.002;

/** A file under its name that looks like the one that is coming: an earlier transfer may have brought all of it. */
export class ExistingFile {
  readonly #folder: Folder;
  readonly #name: string;
  readonly #descriptor: number;
  readonly #facts: Stats;

  private constructor(folder: Folder, name: string, descriptor: number, facts: Stats) {
    this.#folder = folder;
    this.#name = name;
    this.#descriptor = descriptor;
    this.#facts = facts;
  }

  /** Opens it; undefined where nothing of that name has that size and time, or may be read. */
  static open(folder: Folder, name: string, { size, modified }: FileHeader): ExistingFile | undefined {
    let descriptor: number | undefined;
    try {
      const looks = (facts: Stats | undefined) =>
        facts?.isFile() === true && facts.size === size && Math.abs(facts.mtimeMs - modified) < SAME_TIME;
      if (!looks(lstatSync(folder.path(name), { throwIfNoEntry: false }))) return undefined;
      descriptor = openSync(folder.path(name), OPEN_FLAGS);
      const facts = fstatSync(descriptor);
      if (looks(facts)) return new ExistingFile(folder, name, descriptor, facts);
    } catch {
      // Then it is of no use, and the new one is received as if there were none.
    }
    if (descriptor !== undefined) closeSync(descriptor);
    return undefined;
  }

  /** What there is, all or nothing, for its sender. Rejects with what the system says. */
  async offer(key: Buffer, entry: number): Promise<PartOffer> {
    const { size } = this.#facts;
    const digests = new PrefixDigests(key, entry);
    for await (const chunk of readChunks(this.#descriptor, 0, size)) digests.update(chunk);
    digests.end();
    return { bytes: size, proof: { ends: [size], digests: digests.digests } };
  }

  /** Makes sure that it is still there as it was offered, and gives it a mode. Throws `integrity` when it is not. */
  confirm(mode: number): void {
    const { dev, ino, size, mtimeMs } = lstatSync(this.#folder.path(this.#name));
    const { dev: ownDev, ino: ownIno, size: ownSize, mtimeMs: ownTime } = this.#facts;
    if (dev !== ownDev || ino !== ownIno || size !== ownSize || mtimeMs !== ownTime) {
      throw new TetherError("integrity", "it was changed while it was compared", { hint: "try again" });
    }
    if (process.platform !== "win32" && (this.#facts.mode & 0o777) !== mode) {
      fchmodSync(this.#descriptor, mode);
    }
  }

  close(): void {
    closeSync(this.#descriptor);
  }
}
