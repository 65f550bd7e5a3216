import { asTetherError, PROGRAMS, type ProgramRequest, writeJson } from "../../protocol/index.ts";
import type { CommandContext } from "../command-context.ts";
import { connect } from "../connect.ts";
import { oneAgent, severalAgents } from "../on-agents.ts";
import { plain } from "../render/table.ts";
import { CollectedOutput, ownOutputs } from "./output-file.ts";
import { programDocument } from "./program-document.ts";
import { type ProgramEnds, type ProgramOutcome, runProgram } from "./remote-program.ts";

/** What a verb adds to a program's ends. */
type MoreEnds = Pick<ProgramEnds, "onResize" | "folder">;

/**
 * Runs a program on the agent that the command line names, with this process's own input and output; gives the
 * program's exit code. With `--json` its output is collected and printed as
 * `{"exitCode", "signal", "stdout", "stderr"}`. Several agents run it at the same time.
 */
export async function runOnAgent(
  context: CommandContext,
  request: ProgramRequest,
  more: MoreEnds = {},
): Promise<number> {
  const { folder, signal, stdin } = context;
  // A terminal is lent to one program.
  const names = request.terminal === undefined ? severalAgents(context) : undefined;
  if (names !== undefined) {
    const { runOnSeveral } = await import("./run-on-several.ts");
    return runOnSeveral(names, context, request, more.folder);
  }
  const client = await connect(oneAgent(context), { folder, signal });
  try {
    if (!context.json) {
      const outcome = await runProgram(client, request, { stdin, ...ownOutputs(), signal, ...more });
      printNote(outcome, context);
      return outcome.code;
    }
    const stdout = new CollectedOutput(PROGRAMS.collectedBytes);
    const stderr = new CollectedOutput(PROGRAMS.collectedBytes);
    const outcome = await runProgram(client, request, { stdin, stdout, stderr, signal, ...more });
    printNote(outcome, context);
    context.stdout.write(`${writeJson(programDocument(outcome, stdout, stderr))}\n`);
    return outcome.code;
  } catch (error) {
    throw asTetherError(error);
  } finally {
    client.close();
  }
}

function printNote({ note }: ProgramOutcome, context: CommandContext): void {
  if (note !== undefined) context.stderr.write(`tether: ${plain(note)}\n`);
}
