import { readdirSync, readFileSync } from "node:fs";
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
        if (this.#signal(signal) && this.#isAlive()) return;
        clearInterval(timer);
        resolve();
      }, PROGRAMS.groupLooks);
    });
    return this.#ending;
  }

  /** False when all that is left are zombies, which pid 1 may take its time to reap. */
  #isAlive(): boolean {
    try {
      return readdirSync("/proc").some((name) => /^\d/.test(name) && isLivingMember(name, this.#leader));
    } catch {
      // Without /proc the group's being there has to do.
      return true;
    }
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

/** proc(5): `/proc/PID/stat` is "pid (comm) state ppid pgrp …"; comm may hold ") ". */
function isLivingMember(pid: string, group: number): boolean {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "latin1");
    const [state, , member] = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return Number(member) === group && state !== "Z" && state !== "X";
  } catch {
    return false;
  }
}
