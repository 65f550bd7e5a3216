import { DISCOVERY } from "../../protocol/index.ts";

/** Milliseconds between one question and the next, without end: growing, and jittered so that controllers drift apart. */
export function* askPauses(random: () => number): Generator<number, never> {
  for (
    let pause: number = DISCOVERY.firstPause;
    ;
    pause = Math.min(pause * DISCOVERY.pauseGrowth, DISCOVERY.longestPause)
  ) {
    yield pause * (0.85 + 0.3 * random());
  }
}
