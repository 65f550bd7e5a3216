import type { MemoryEnd } from "../link/memory.ts";
import { BenchBoard } from "./bench.ts";

const BOARDS: ReadonlyMap<string, () => MemoryEnd> = new Map([["bench", () => new BenchBoard()]]);

/** What `simulate` in a configuration may name. */
export const SIMULATIONS: readonly string[] = [...BOARDS.keys()];

/** A fresh board in memory, undefined when there is none of that name. */
export function createSimulation(what: string): MemoryEnd | undefined {
  return BOARDS.get(what)?.();
}
