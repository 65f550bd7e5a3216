import { type ChildProcess, spawn } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { createInterface, type Interface } from "node:readline";
import { fileURLToPath } from "node:url";
import { bundleProgram } from "../build/program.ts";

const root = fileURLToPath(new URL("..", import.meta.url));

/** What is undone, last to first, when a subject is done, whether or not it succeeded. */
export class Cleanup {
  readonly #actions: (() => unknown)[] = [];

  /** Has an action run at the end. */
  after(action: () => unknown): void {
    this.#actions.push(action);
  }

  /** Runs them all. */
  async run(): Promise<void> {
    for (let action = this.#actions.pop(); action !== undefined; action = this.#actions.pop()) await action();
  }
}

/** Runs `work` with a cleanup that is over when it is. */
export async function withCleanup<T>(work: (cleanup: Cleanup) => Promise<T>): Promise<T> {
  const cleanup = new Cleanup();
  try {
    return await work(cleanup);
  } finally {
    await cleanup.run();
  }
}

/**
 * Bundles a program of `bench/peers/` as the product is bundled, so that neither has an advantage; gives the path
 * of what plain Node can run.
 */
export async function peerProgram(name: string): Promise<string> {
  const folder = join(root, "node_modules/.cache/tether/bench");
  await mkdir(folder, { recursive: true });
  const outfile = join(folder, `${basename(name, ".ts")}.cjs`);
  await bundleProgram({ entry: join(root, "bench/peers", name), outfile, readableStacks: true });
  return outfile;
}

/**
 * What a contestant's environment is to lack: settings of this machine that cost every Node that starts (30 ms and
 * 3 MiB for a list of certificates), and names of agents.
 */
export const PLAIN_ENVIRONMENT: NodeJS.ProcessEnv = {
  NODE_EXTRA_CA_CERTS: undefined,
  NODE_OPTIONS: undefined,
  TETHER_AGENT: undefined,
};

/** A process of one contestant that answers a JSON line with a JSON line, and says one when it is ready. */
export class Worker {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #reader: Interface;
  readonly #what: string;

  constructor(cleanup: Cleanup, command: readonly string[]) {
    const [program = "", ...args] = command;
    this.#what = command.join(" ");
    this.#child = spawn(program, args, {
      stdio: ["pipe", "pipe", "inherit"],
      env: { ...process.env, ...PLAIN_ENVIRONMENT },
    });
    this.#reader = createInterface({ input: this.#child.stdout as NodeJS.ReadableStream });
    this.#lines = this.#reader[Symbol.asyncIterator]();
    // A worker that has ended is noticed by the answer that does not come.
    this.#child.stdin?.on("error", () => undefined);
    cleanup.after(() => this.stop());
  }

  get pid(): number {
    return this.#child.pid ?? -1;
  }

  /** The next line that it says. */
  async answer<T>(): Promise<T> {
    const { value, done } = await this.#lines.next();
    if (done) throw new Error(`${this.#what} ended`);
    return JSON.parse(value as string) as T;
  }

  /** Asks it, and waits for the answer. */
  async ask<T>(question: unknown): Promise<T> {
    this.#child.stdin?.write(`${JSON.stringify(question)}\n`);
    return this.answer();
  }

  /** Kills it and waits until it is gone. */
  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = new Promise((resolve) => this.#child.once("close", resolve));
    this.#child.kill("SIGKILL");
    await gone;
  }
}
