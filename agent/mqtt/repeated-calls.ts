import { MQTT } from "../../protocol/index.ts";

/** Remembers calls for a while, to tell one that comes again. */
export class RepeatedCalls {
  /** When each is forgotten, the soonest first. */
  readonly #forgetAt = new Map<string, number>();

  /** True when a call of this key came within `MQTT.repeatMemory`; else remembers it. `now` in milliseconds. */
  isRepeated(key: string, now: number): boolean {
    for (const [old, at] of this.#forgetAt) {
      if (at > now && this.#forgetAt.size < MQTT.repeatsTracked) break;
      this.#forgetAt.delete(old);
    }
    if (this.#forgetAt.has(key)) return true;
    this.#forgetAt.set(key, now + MQTT.repeatMemory);
    return false;
  }
}
