import { PROGRAMS } from "../../protocol/index.ts";

/** The processes of one program: its own and those that it started, unless they left the group themselves. */
export class ProcessGroup {
  readonly #leader: number;
  #ending: Promise<void> | undefined;

  /** `leader` is the process whose number is also the group's. */
  constructor(leader: number) {
    this.#leader = leader;
  }

  /** True once {@link end} was called. */
  get isEnding(): boolean {
    return this.#ending !== undefined;
  }

  /** SIGTERM now, SIGKILL to what is left after `PROGRAMS.killAfter`; settles when none is left. */
  end(): Promise<void> {
    this.#ending ??= new Promise((resolve) => {
      if (!this.#signal("SIGTERM")) {
        resolve();
        return;
      }
      const since = performance.now();
      const timer = setInterval(() => {
        const signal = performance.now() - since < PROGRAMS.killAfter ? 0 : "SIGKILL";
        if (this.#signal(signal)) return;
        clearInterval(timer);
        resolve();
      }, PROGRAMS.groupLooks);
    });
    return this.#ending;
  }

  /** False when there is nobody. */
  #signal(signal: NodeJS.Signals | 0): boolean {
    try {
      process.kill(-this.#leader, signal);
      return true;
    } catch {
      return false;
    }
  }
}
