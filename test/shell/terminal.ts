/** A terminal with a person at it, by tmux. */
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import type { Owner } from "../agent-process.ts";
import { until } from "../firmware-bridge/until.ts";

/** What runs in the terminal. */
export interface TerminalOptions {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** One terminal, in which a shell of the system runs first. Takes the peer `tmux`. */
export class Terminal {
  readonly #socket = `tether-test-${randomBytes(6).toString("hex")}`;

  /** Opens a terminal; `owner` closes it. */
  constructor(owner: Owner, { cwd, env = {} }: TerminalOptions) {
    const variables = Object.entries(env).flatMap(([name, value]) => ["-e", `${name}=${value}`]);
    const shell = ["env", "PS1=system> ", "HISTFILE=", "bash", "--norc", "--noprofile"];
    // So high that a small test needs no scrolling.
    this.#tmux(
      "-f",
      "/dev/null",
      "new-session",
      "-d",
      "-x",
      "150",
      "-y",
      "60",
      "-c",
      cwd,
      ...variables,
      ...shell,
    );
    owner.after(() => this.#tmux("kill-server"));
  }

  /** What the terminal shows, without empty lines at the end. */
  get screen(): string {
    return this.#tmux("capture-pane", "-p", "-J").trimEnd();
  }

  /** What its last line shows. */
  get line(): string {
    return this.screen.split("\n").at(-1) ?? "";
  }

  /** Types a text as it is. */
  type(text: string): void {
    this.#tmux("send-keys", "-l", text);
  }

  /** Presses keys by tmux's names: `Tab`, `Enter`, `Up`, `C-c`, `C-d`. */
  press(...keys: readonly string[]): void {
    this.#tmux("send-keys", ...keys);
  }

  /** Types a line and presses Enter. */
  enter(line: string): void {
    this.type(line);
    this.press("Enter");
  }

  /** Empties the screen of what was before, as Ctrl-L does. */
  async clear(prompt: RegExp): Promise<void> {
    this.press("C-l");
    await this.see((screen) => prompt.test(screen) && !screen.includes("\n"), "an empty screen");
  }

  /** Waits until the screen, or where a pattern has `$` its end, fits. */
  async see(what: RegExp | ((screen: string) => boolean), name = String(what)): Promise<string> {
    let screen = "";
    const fits = typeof what === "function" ? what : (text: string) => what.test(text);
    try {
      await until(
        () => {
          screen = this.screen;
          return fits(screen);
        },
        name,
        20_000,
      );
    } catch (error) {
      throw new Error(`${String(error)}; the screen:\n${screen}`);
    }
    return screen;
  }

  #tmux(...args: string[]): string {
    return execFileSync("tmux", ["-L", this.#socket, ...args], { encoding: "utf8" });
  }
}
