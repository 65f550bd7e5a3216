import { createInterface } from "node:readline";
import { asTetherError, TetherError } from "../../protocol/index.ts";
import type { CommandContext } from "../command-context.ts";
import { plain } from "../render/table.ts";
import { complete } from "./complete.ts";
import { History } from "./history.ts";
import { runLine } from "./shell.ts";
import { Terminal } from "./terminal.ts";
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
  let running: AbortController | undefined;
  const terminal = new Terminal(context, {
    history: () => history.lines,
    complete: async (line) => {
      const { candidates, replaced } = await complete(line, state, AbortSignal.timeout(COMPLETE_WITHIN));
      return [[...candidates], replaced];
    },
    onInterrupt: () => running?.abort(new TetherError("cancelled", "interrupted")),
  });
  state.whileAway = (work) => terminal.whileAway(work);
  try {
    for (;;) {
      const line = await terminal.next(`${state.backend.name}:${state.remoteFolder}> `);
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
