import type { MemoryEnd } from "../link/memory.ts";
import { BenchBoard } from "./bench.ts";
import type { Note } from "./recorded-board.ts";

export type { Note } from "./recorded-board.ts";

const BOARDS: ReadonlyMap<string, () => MemoryEnd> = new Map([["bench", () => new BenchBoard()]]);

/** What `simulate` in a configuration may name. */
export const SIMULATIONS: readonly string[] = [...BOARDS.keys()];

/** A fresh board in memory, undefined when there is none of that name. */
export function createSimulation(what: string): MemoryEnd | undefined {
  return BOARDS.get(what)?.();
}

/** The board in the recording at a path. Throws TetherError `device-missing` or `device-failed`. */
export async function openRecording(path: string, note: Note): Promise<MemoryEnd> {
  const { RecordedBoard } = await import("./recorded-board.ts");
  return await RecordedBoard.load(path, note);
}
