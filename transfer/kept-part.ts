import { closeSync, constants, fstatSync, lstatSync, openSync, renameSync, unlinkSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { TetherError, TRANSFER } from "../protocol/index.ts";
import { ContentDigest } from "./digest.ts";
import { readChunks } from "./file-reading.ts";
import type { Folder } from "./folder.ts";
import { isPartial, journalName, partOfJournal } from "./names.ts";
import { PartJournal, type PartRecord, type Piece, readPartJournal } from "./part-journal.ts";
import { PrefixDigests, type PrefixProof } from "./prefix-proof.ts";
import { systemCode } from "./private-files.ts";
import { isRunning, thisProcess } from "./process-mark.ts";
import type { Writers } from "./writers.ts";

const OPEN_FLAGS = constants.O_RDWR | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);

/** A part that a broken transfer has left, and that nobody writes. */
export interface KeptPart {
  readonly partial: string;
  readonly record: PartRecord;
}

/** A part that is gone on with. */
export interface TakenPart {
  readonly partial: string;
  readonly descriptor: number;
  readonly journal: PartJournal;
  /** Those that the file is long enough for; whether they are right is another question. */
  readonly pieces: readonly Piece[];
  readonly source: string;
  /** True when no power was lost since it was written: what the journal says of is there then. */
  readonly isOfThisBoot: boolean;
}

/** The parts that broken transfers have left. */
export class KeptParts {
  readonly #writers: Writers;

  constructor(writers: Writers) {
    this.#writers = writers;
  }

  /**
   * The part of a file of this name, whatever is in it.
   *
   * @throws TetherError `busy` when another process is writing one, or what the system says
   */
  async find(folder: Folder, name: string): Promise<KeptPart | undefined> {
    for (const partial of await partsIn(folder)) {
      if (this.#writers.isLive(partial)) continue;
      const record = readPartJournal(folder, partial);
      if (record?.facts.name !== name) continue;
      if (record.writer.pid !== process.pid && isRunning(record.writer)) {
        throw new TetherError("busy", `process ${record.writer.pid} is writing it right now`, {
          hint: "try again later",
        });
      }
      return { partial, record };
    }
    return undefined;
  }
}

/** The names of the partial files in a folder that have a journal. */
async function partsIn(folder: Folder): Promise<string[]> {
  const names = await readdir(folder.self);
  return names.flatMap((name) => partOfJournal(name) ?? []);
}

/**
 * Removes the parts and journals in a folder that nobody has come back for in time, and that no running process
 * writes. Rejects with what the system says of the folder.
 */
export async function removeOldParts(folder: Folder): Promise<void> {
  const oldest = Date.now() - TRANSFER.leftoverAge;
  for (const name of await readdir(folder.self)) {
    if (!isPartial(name)) continue;
    const partial = partOfJournal(name) ?? name;
    try {
      if (lstatSync(folder.path(name)).mtimeMs >= oldest) continue;
      const writer = readPartJournal(folder, partial)?.writer;
      if (writer === undefined || !isRunning(writer)) removePart(folder, partial);
    } catch {
      // Gone by now, or not this user's to remove.
    }
  }
}

/** True when a part is of that file, as far as can be told without its content. */
export function isPartOf({ record: { facts } }: KeptPart, size: number, modified: number): boolean {
  return facts.size === size && facts.modified === modified;
}

/** Removes a part and its journal, as far as they are there. Throws what the system says. */
export function removePart(folder: Folder, partial: string): void {
  for (const name of [partial, journalName(partial)]) {
    try {
      unlinkSync(folder.path(name));
    } catch (error) {
      if (systemCode(error) !== "ENOENT") throw error;
    }
  }
}

/**
 * Takes a part over, as the partial file of the name `fresh`; undefined when it is gone, or another process was
 * faster. Throws what the system says.
 *
 * Renaming it is what only one can do. Its journal is there under the new name before.
 */
export function takePart(
  folder: Folder,
  { partial, record }: KeptPart,
  fresh: string,
): TakenPart | undefined {
  const { facts } = record;
  const journal = PartJournal.create(folder, fresh, facts, record.pieces);
  let descriptor: number | undefined;
  try {
    renameSync(folder.path(partial), folder.path(fresh));
    descriptor = openSync(folder.path(fresh), OPEN_FLAGS);
    const stats = fstatSync(descriptor);
    if (!stats.isFile() || stats.size > facts.size) throw new TetherError("invalid", "no part of it");
    unlinkSync(folder.path(journalName(partial)));
    const boot = thisProcess().boot;
    return {
      partial: fresh,
      descriptor,
      journal,
      pieces: piecesWithin(record.pieces, stats.size),
      source: facts.source,
      isOfThisBoot: boot !== null && record.writer.boot === boot,
    };
  } catch (error) {
    if (descriptor !== undefined) closeSync(descriptor);
    journal.remove();
    removePart(folder, fresh);
    // Gone, a link that somebody has put there, or something else.
    if (["ENOENT", "ELOOP"].includes(systemCode(error) ?? "") || error instanceof TetherError)
      return undefined;
    throw error;
  }
}

function piecesWithin(pieces: readonly Piece[], size: number): Piece[] {
  let end = 0;
  const within: Piece[] = [];
  for (const piece of pieces) {
    end += piece.length;
    if (piece.length === 0 || end > size) break;
    within.push(piece);
  }
  return within;
}

/** What of a part has been found to be right. */
export interface ProvenPart {
  /** How many of its pieces. */
  readonly pieces: number;
  /** Digests of those pieces, or of some together, for the transfer's sender. */
  readonly proof: PrefixProof;
}

/**
 * Compares a part with its journal, as far as they agree. `isOver` ends that early.
 *
 * @param key the transfer's
 * @param entry the file's number in the transfer
 */
export async function provePart(
  descriptor: number,
  pieces: readonly Piece[],
  key: Buffer,
  entry: number,
  isOver: () => boolean,
): Promise<ProvenPart> {
  const ends = endsOf(pieces);
  const together = Math.ceil(pieces.length / TRANSFER.proofs);
  const proofEnds: number[] = [];
  const proofs = new PrefixDigests(key, entry);
  let proven = 0;
  let position = 0;
  let digest = digestOf(pieces[0]);
  for await (const chunk of readChunks(descriptor, 0, ends.at(-1) ?? 0, ends)) {
    if (isOver()) break;
    digest?.update(chunk);
    proofs.update(chunk);
    position += chunk.length;
    if (position !== ends[proven]) continue;
    if (digest?.matches((pieces[proven] as Piece).digest) !== true) break;
    proven++;
    digest = digestOf(pieces[proven]);
    if (proven % together !== 0 && proven !== pieces.length) continue;
    proofs.end();
    proofEnds.push(position);
  }
  // Of pieces that are proven together all have to be right.
  const agreed = proven === pieces.length ? proven : proven - (proven % together);
  return { pieces: agreed, proof: { ends: proofEnds, digests: proofs.digests } };
}

/** Where each piece ends. */
export function endsOf(pieces: readonly Piece[]): number[] {
  let end = 0;
  return pieces.map(({ length }) => {
    end += length;
    return end;
  });
}

function digestOf(piece: Piece | undefined): ContentDigest | undefined {
  return piece === undefined ? undefined : new ContentDigest(piece.key, piece.entry, "entry", piece.number);
}
