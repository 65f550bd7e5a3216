import { setTimeout as delay } from "node:timers/promises";

/** Waits for a condition, looking every 5 ms; throws naming it when it does not come true in `bound` ms. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  what: string,
  bound = 10_000,
): Promise<void> {
  const deadline = performance.now() + bound;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`waited ${bound} ms in vain for ${what}`);
    await delay(5);
  }
}
