import { createInterface, type Interface } from "node:readline";
import { asTetherError, TetherError } from "../../protocol/index.ts";
import type { CommandContext } from "../command-context.ts";
import { plain } from "../render/table.ts";
import { complete } from "./complete.ts";
import { History } from "./history.ts";
import { runLine } from "./shell.ts";
import type { ShellState } from "./verbs.ts";

/** Runs a shell until it is left: at a terminal with history and completion, from a pipe a command a line. */
export async function runShell(state: ShellState, context: CommandContext): Promise<number> {
  try {
    return await (context.stdin.isTTY ? atTerminal(state, context) : fromPipe(state, context));
  } finally {
    state.backend.close();
  }
}

/** A script goes on after a line that failed; the exit code says that one did. */
async function fromPipe(state: ShellState, context: CommandContext): Promise<number> {
  const lines = createInterface({ input: context.stdin, crlfDelay: Number.POSITIVE_INFINITY });
  let code = 0;
  for await (const line of lines) {
    const outcome = await attempt(line, state, context.signal, context);
    if (outcome === "leave") break;
    if (outcome === "failed") code = 1;
    if (context.signal.aborted) throw asTetherError(context.signal.reason);
  }
  return code;
}

async function atTerminal(state: ShellState, context: CommandContext): Promise<number> {
  const history = new History(context.folder);
  const terminal = createInterface({
    input: context.stdin,
    output: context.stdout,
    terminal: true,
    history: history.lines,
    historySize: 1_000,
    removeHistoryDuplicates: false,
    completer: (line: string, give: (error: null, found: [string[], string]) => void) => {
      complete(line, state, AbortSignal.timeout(COMPLETE_WITHIN)).then(
        ({ candidates, replaced }) => give(null, [[...candidates], replaced]),
        // What cannot be looked up is not completed; the line itself will say why.
        () => give(null, [[], line]),
      );
    },
  });
  const waiting = new LineQueue(terminal);
  let running: AbortController | undefined;
  terminal.on("SIGINT", () => {
    if (running !== undefined) {
      running.abort(new TetherError("cancelled", "interrupted"));
    } else {
      // As in other shells: the line is given up, the shell stays.
      context.stdout.write("^C\n");
      (terminal as { line?: string }).line = "";
      (terminal as { cursor?: number }).cursor = 0;
      terminal.prompt();
    }
  });
  try {
    for (;;) {
      terminal.setPrompt(`${state.backend.name}:${state.remoteFolder}> `);
      terminal.prompt();
      const line = await waiting.next();
      if (line === undefined) break;
      await history.add(line);
      running = new AbortController();
      const outcome = await attempt(line, state, AbortSignal.any([running.signal, context.signal]), context);
      running = undefined;
      if (outcome === "leave" || context.signal.aborted) break;
    }
  } finally {
    terminal.close();
  }
  return 0;
}

/** Milliseconds after which the person has gone on typing. */
const COMPLETE_WITHIN = 2_000;

async function attempt(
  line: string,
  state: ShellState,
  signal: AbortSignal,
  context: CommandContext,
): Promise<"done" | "leave" | "failed"> {
  try {
    const outcome = await runLine(line, state, signal);
    if (outcome.kind === "leave") return "leave";
    if (outcome.text !== "") context.stdout.write(`${outcome.text}\n`);
    return "done";
  } catch (thrown) {
    const { message, hint } = asTetherError(thrown);
    context.stderr.write(`${plain(message)}${hint === undefined ? "" : ` (${plain(hint)})`}\n`);
    return "failed";
  }
}

/** The lines that were typed, also those typed while something ran; undefined after the last. */
class LineQueue {
  readonly #lines: string[] = [];
  #closed = false;
  #wake = () => {};

  constructor(terminal: Interface) {
    terminal.on("line", (line) => {
      this.#lines.push(line);
      this.#wake();
    });
    terminal.on("close", () => {
      this.#closed = true;
      this.#wake();
    });
  }

  async next(): Promise<string | undefined> {
    while (this.#lines.length === 0 && !this.#closed) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.#lines.shift();
  }
}
