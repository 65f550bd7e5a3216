import { createInterface, type Interface } from "node:readline";
import type { CommandContext } from "../command-context.ts";

/** What a terminal needs to know of those who use it. */
export interface TerminalUses {
  /** Lines of earlier, newest first. */
  readonly history: () => string[];
  /** What the line so far could go on as: whole words, and the part of it that they replace. */
  readonly complete: (line: string) => Promise<readonly [candidates: string[], replaced: string]>;
  /** Ctrl-C while something runs. */
  readonly onInterrupt: () => void;
}

/** The terminal that a person types lines at, with editing, history and completion. */
export class Terminal {
  readonly #context: CommandContext;
  readonly #uses: TerminalUses;
  /** The lines that were typed, also those typed while something ran. */
  readonly #lines: string[] = [];
  #interface: Interface;
  #prompt = "";
  #waits = false;
  #isAway = false;
  #closed = false;
  #wake = () => {};

  constructor(context: CommandContext, uses: TerminalUses) {
    this.#context = context;
    this.#uses = uses;
    this.#interface = this.#open();
  }

  /** The next line, asked for with `prompt`; undefined after the last. */
  async next(prompt: string): Promise<string | undefined> {
    this.#prompt = prompt;
    this.#waits = true;
    this.#interface.setPrompt(prompt);
    this.#interface.prompt();
    while (this.#lines.length === 0 && !this.#closed) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    this.#waits = false;
    return this.#lines.shift();
  }

  /** Leaves the keyboard to `work`, whose keys are neither shown nor remembered here. */
  async whileAway<T>(work: () => Promise<T>): Promise<T> {
    this.#isAway = true;
    this.#interface.close();
    try {
      return await work();
    } finally {
      this.#interface = this.#open();
      this.#isAway = false;
    }
  }

  close(): void {
    this.#interface.close();
  }

  #open(): Interface {
    const { stdin, stdout } = this.#context;
    const opened = createInterface({
      input: stdin,
      output: stdout,
      terminal: true,
      history: this.#uses.history(),
      historySize: 1_000,
      removeHistoryDuplicates: false,
      completer: (line: string, give: (error: null, found: [string[], string]) => void) => {
        this.#uses.complete(line).then(
          ([candidates, replaced]) => give(null, [candidates, replaced]),
          // What cannot be looked up is not completed; the line itself will say why.
          () => give(null, [[], line]),
        );
      },
    });
    opened.on("line", (line) => {
      this.#lines.push(line);
      this.#wake();
    });
    opened.on("close", () => {
      if (this.#isAway) return;
      this.#closed = true;
      this.#wake();
    });
    opened.on("SIGINT", () => this.#interrupt(opened));
    return opened;
  }

  #interrupt(opened: Interface): void {
    if (!this.#waits) {
      this.#uses.onInterrupt();
      return;
    }
    // As in other shells: the line is given up, the shell stays.
    this.#context.stdout.write("^C\n");
    Object.assign(opened, { line: "", cursor: 0 });
    opened.setPrompt(this.#prompt);
    opened.prompt();
  }
}
