import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Link } from "../../firmware-bridge/link/link.ts";
import { openTty } from "../../firmware-bridge/link/tty.ts";
import { BenchBoard } from "../../firmware-bridge/simulate/bench.ts";
import { until } from "./until.ts";

/** A pair of pseudo-terminals by socat that can be pulled and plugged in again; needs the peer `socat`. */
export class PseudoTerminal {
  /** Where a device is configured to be. */
  readonly path: string;
  /** Where whoever plays the board is. */
  readonly boardPath: string;
  readonly #folder: string;
  #child: ChildProcess | undefined;
  #board: Link | undefined;

  private constructor(folder: string) {
    this.#folder = folder;
    this.path = join(folder, "host");
    this.boardPath = join(folder, "board");
  }

  static async create(): Promise<PseudoTerminal> {
    return new PseudoTerminal(await mkdtemp(join(tmpdir(), "tether-pty-")));
  }

  /** Resolves when both ends are there. */
  async plug(): Promise<void> {
    const ends = [this.boardPath, this.path].map((path) => `pty,raw,echo=0,link=${path}`);
    this.#child = spawn("socat", ends, { stdio: "ignore" });
    await until(() => exists(this.boardPath), "socat's first end");
    await until(() => exists(this.path), "socat's second end");
  }

  /** Has a program at the far end, on its stdin and stdout, until it is pulled. */
  async plugProgram(...command: readonly string[]): Promise<void> {
    const words = command.map((word) => word.replace(/[\\ :,!]/g, "\\$&")).join("\\ ");
    const host = `pty,raw,echo=0,link=${this.path}`;
    this.#child = spawn("socat", [host, `EXEC:${words},pipes`], { stdio: "ignore" });
    await until(() => exists(this.path), "socat's end");
  }

  /** Has a bench board at the far end, until it is pulled. */
  async plugBench(): Promise<void> {
    await this.plug();
    const board = new BenchBoard();
    let toHost = (_bytes: Uint8Array) => {};
    const inside = board.open({ received: (bytes) => toHost(bytes), ended() {} });
    const outside = await openTty(
      { path: this.boardPath, baudRate: 115_200 },
      {
        received: (bytes) => void inside.write(bytes).catch(() => {}),
        ended: () => board.unplug(),
      },
    );
    toHost = (bytes) => void outside.write(bytes).catch(() => {});
    this.#board = outside;
  }

  /** Resolves when both ends are gone. */
  async pull(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (!child) return;
    const gone = once(child, "exit");
    child.kill();
    await gone;
    await this.#board?.close();
    this.#board = undefined;
  }

  async remove(): Promise<void> {
    await this.pull();
    await rm(this.#folder, { recursive: true });
  }
}

async function exists(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    () => false,
  );
}
