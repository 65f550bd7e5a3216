import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as wait } from "node:timers/promises";
import { type AgentProcess, type Owner, programArguments, startAgent } from "../agent-process.ts";

/** A real agent, with a controller paired as admin. */
export async function startProgramAgent(
  owner: Owner,
  configuration: { readonly [key: string]: unknown } = {},
): Promise<{ readonly agent: AgentProcess; readonly home: string }> {
  const agent = await startAgent(owner, { configuration, env: { TETHER_TEST_SECRET: "hidden" } });
  return { agent, home: await agent.pair() };
}

/** `tether`, still running; its output so far. */
export class RunningTether {
  readonly child;
  stdout = "";
  stderr = "";

  constructor(owner: Owner, home: string, args: readonly string[], stdin: "pipe" | "ignore" = "ignore") {
    this.child = spawn(process.execPath, [...programArguments("tether"), ...args], {
      env: { ...process.env, TETHER_HOME: home, TETHER_AGENT: undefined },
      stdio: [stdin, "pipe", "pipe"],
    });
    owner.after(() => this.child.kill("SIGKILL"));
    this.child.stdin?.on("error", () => undefined);
    this.child.stdout?.on("data", (more: Buffer) => {
      this.stdout += more;
    });
    this.child.stderr?.on("data", (more: Buffer) => {
      this.stderr += more;
    });
  }

  /** Settles with the exit code. */
  async ended(): Promise<number | null> {
    if (this.child.exitCode === null) await once(this.child, "close");
    return this.child.exitCode;
  }

  /** Waits until stdout fits. */
  async said(pattern: RegExp): Promise<RegExpExecArray> {
    let found: RegExpExecArray | null = null;
    await until(() => {
      found = pattern.exec(this.stdout);
      return found !== null;
    }, `${pattern} in ${this.stdout}${this.stderr}`);
    return found as unknown as RegExpExecArray;
  }
}

/** Waits for a condition, looking often. */
export async function until(condition: () => boolean, what: string, bound = 20_000): Promise<void> {
  const since = performance.now();
  while (!condition()) {
    if (performance.now() - since > bound) throw new Error(`waited in vain for ${what}`);
    await wait(5);
  }
}

/** Processes whose environment has this variable with this value; zombies have none. */
export function processesMarked(name: string, value: string): number[] {
  return readdirSync("/proc").flatMap((entry) => {
    if (!/^\d+$/.test(entry)) return [];
    try {
      const marked = `\0${readFileSync(`/proc/${entry}/environ`, "latin1")}`.includes(`\0${name}=${value}\0`);
      return marked ? [Number(entry)] : [];
    } catch {
      return [];
    }
  });
}
