import { readdirSync, readFileSync } from "node:fs";

/** The processes that one has started and that have not ended, all in their turn included. */
export function descendants(pid: number): number[] {
  const parents = new Map<number, number>();
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      // proc(5): the name in brackets may hold anything, so what counts comes after the last one.
      const [state, parent] =
        readFileSync(`/proc/${name}/stat`, "latin1").split(") ").at(-1)?.split(" ") ?? [];
      if (state !== "Z") parents.set(Number(name), Number(parent));
    } catch {
      // Ended in the meantime.
    }
  }
  const found = [pid];
  for (const one of found) for (const [child, parent] of parents) if (parent === one) found.push(child);
  return found.slice(1);
}
