import { readdir } from "node:fs/promises";
import { FILES } from "../../protocol/index.ts";
import { isPartial, Turn } from "../../transfer/index.ts";
import type { HeldFolder } from "./held-folder.ts";

/** Names sorted at once: a few milliseconds. */
const RUN = 4_096;
/** Milliseconds that the names of a long folder are kept for whoever asks for the next part. */
const MEMORY = 10_000;

/** The names of a folder, sorted in runs, so that nobody waits while a million are put in order. */
interface Listing {
  readonly key: string;
  readonly runs: readonly (readonly string[])[];
}

/** Lists folders by name, part by part; of one long folder the names are kept from part to part. */
export class Listings {
  #kept: Listing | undefined;
  #forgetting: NodeJS.Timeout | undefined;

  /** The next names after `after`, at most {@link FILES.listed}, without those of files that are not whole. */
  async namesOf(folder: HeldFolder, after: string): Promise<string[]> {
    const { dev, ino, mtimeMs, ctimeMs } = folder.stat();
    const key = [dev, ino, mtimeMs, ctimeMs].join(" ");
    const turn = new Turn();
    const listing = this.#kept?.key === key ? this.#kept : await this.#read(folder, key, turn);
    return next(listing.runs, after, turn);
  }

  /** Keeps nothing any more. */
  forget(): void {
    clearTimeout(this.#forgetting);
    this.#kept = undefined;
  }

  async #read(folder: HeldFolder, key: string, turn: Turn): Promise<Listing> {
    const names = await readdir(folder.self);
    const runs: string[][] = [];
    for (let at = 0; at < names.length; at += RUN) {
      if (turn.isOver) await turn.rest();
      runs.push(
        names
          .slice(at, at + RUN)
          .filter((name) => !isPartial(name))
          .sort((a, b) => (a < b ? -1 : 1)),
      );
    }
    const listing = { key, runs };
    if (names.length > FILES.listed) {
      clearTimeout(this.#forgetting);
      this.#kept = listing;
      this.#forgetting = setTimeout(() => this.forget(), MEMORY).unref();
    }
    return listing;
  }
}

/** Merges the runs' first names after `after`. */
async function next(runs: readonly (readonly string[])[], after: string, turn: Turn): Promise<string[]> {
  const places = runs.map((run) => firstAfter(run, after));
  const names: string[] = [];
  while (names.length < FILES.listed) {
    if (turn.isOver) await turn.rest();
    let first: string | undefined;
    let from = -1;
    for (let index = 0; index < runs.length; index++) {
      const name = runs[index]?.[places[index] as number];
      if (name !== undefined && (first === undefined || name < first)) [first, from] = [name, index];
    }
    if (first === undefined) break;
    names.push(first);
    places[from] = (places[from] as number) + 1;
  }
  return names;
}

/** Where the first name after `after` stands in a sorted run. */
function firstAfter(run: readonly string[], after: string): number {
  let [low, high] = [0, run.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((run[middle] as string) <= after) low = middle + 1;
    else high = middle;
  }
  return low;
}
