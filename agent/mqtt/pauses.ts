import { MQTT } from "../../protocol/index.ts";

/** Growing, capped and jittered pauses between tries, so that many agents do not come back at one moment. */
export class Pauses {
  #next: number = MQTT.firstPause;

  /** Milliseconds to wait now: between half of the pause and all of it. `random` is from 0 to 1. */
  next(random: number): number {
    const pause = this.#next;
    this.#next = Math.min(pause * MQTT.pauseGrowth, MQTT.longestPause);
    return Math.round(pause * (0.5 + random / 2));
  }

  /** Begins from the first again. */
  reset(): void {
    this.#next = MQTT.firstPause;
  }
}
