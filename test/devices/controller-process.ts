import { type ChildProcess, spawn } from "node:child_process";
import { type Owner, programArguments } from "../agent-process.ts";
import { until } from "../firmware-bridge/until.ts";

/** A running `tether`, with pipes for a terminal. */
export class ControllerProcess {
  stdout = "";
  stderr = "";
  /** Settles with the exit code; -1 when a signal ended it. */
  readonly exited: Promise<number>;
  readonly #child: ChildProcess;

  constructor(owner: Owner, home: string, args: readonly string[], options: { readonly cwd?: string } = {}) {
    const child = spawn(process.execPath, [...programArguments("tether"), ...args], {
      env: { ...process.env, TETHER_HOME: home },
      stdio: ["pipe", "pipe", "pipe"],
      ...options,
    });
    this.#child = child;
    owner.after(() => void child.kill("SIGKILL"));
    child.stdin.on("error", () => undefined);
    child.stdout.setEncoding("latin1").on("data", (text: string) => {
      this.stdout += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      this.stderr += text;
    });
    this.exited = new Promise((resolve) => child.once("close", (code) => resolve(code ?? -1)));
  }

  write(text: string): void {
    this.#child.stdin?.write(text);
  }

  /** Ends its input. */
  end(): void {
    this.#child.stdin?.end();
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Waits for a condition; says what it had when it is in vain. */
  async until(condition: (process: ControllerProcess) => boolean, what: string): Promise<void> {
    await until(() => condition(this), what, 20_000).catch((error: Error) => {
      throw new Error(`${error.message}: ${JSON.stringify(this.stdout.slice(-500))}; ${this.stderr}`);
    });
  }
}
