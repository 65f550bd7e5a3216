import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { type AgentProcess, type Owner, programArguments } from "../agent-process.ts";
import { until } from "../firmware-bridge/until.ts";

/** A line of `tether device watch --json`. */
export interface WatchLine {
  readonly device: string;
  readonly reading: string;
  readonly value: unknown;
  readonly unit: string | null;
  readonly time: string;
}

/** A running `tether device watch`. */
export class WatchProcess {
  /** The lines of stdout so far. */
  readonly lines: string[] = [];
  stderr = "";
  /** Settles with the exit code; -1 when a signal ended it. */
  readonly exited: Promise<number>;
  readonly #child: ChildProcess;

  constructor(owner: Owner, agent: AgentProcess, home: string, args: readonly string[]) {
    const child = spawn(process.execPath, [...programArguments("tether"), "device", "watch", ...args], {
      env: { ...process.env, TETHER_HOME: home },
      cwd: agent.folder,
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#child = child;
    owner.after(() => void child.kill("SIGKILL"));
    createInterface({ input: child.stdout }).on("line", (line) => this.lines.push(line));
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      this.stderr += text;
    });
    this.exited = new Promise((resolve) => child.once("close", (code) => resolve(code ?? -1)));
  }

  /** The lines of stdout as readings. */
  get readings(): WatchLine[] {
    return this.lines.map((line) => JSON.parse(line) as WatchLine);
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Waits for a condition on this watch; says what it had when it is in vain. */
  async until(condition: (watch: WatchProcess) => boolean, what: string): Promise<void> {
    await until(() => condition(this), what, 20_000).catch((error: Error) => {
      throw new Error(
        `${error.message}: ${this.lines.length} lines, the last ${this.lines.at(-1)}; ${this.stderr}`,
      );
    });
  }
}
