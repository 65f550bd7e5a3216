import { promises } from "node:fs";
import { join } from "node:path";
import { cleanName, type JsonObject, PROGRAMS, type ProgramRequest } from "../../protocol/index.ts";
import type { CommandContext } from "../command-context.ts";
import { connect } from "../connect.ts";
import { onEach } from "../on-agents.ts";
import { CopiedInput } from "./copied-input.ts";
import { NamedLines } from "./named-lines.ts";
import { CollectedOutput, ownOutputs } from "./output-file.ts";
import { programDocument } from "./program-document.ts";
import { type ProgramEnds, runProgram } from "./remote-program.ts";

/**
 * Runs a program on several agents; each gets the whole input. Their lines come as they are written, each behind its
 * agent's name, or with `--json` all in the end. Gives 0 when each exited with 0.
 *
 * @param folder where what was asked for is brought, into a folder for each agent
 */
export async function runOnSeveral(
  names: readonly string[],
  context: CommandContext,
  request: ProgramRequest,
  folder: string | undefined,
): Promise<number> {
  const overrun = new AbortController();
  const signal = AbortSignal.any([context.signal, overrun.signal]);
  const input = new CopiedInput(context.stdin, (error) => overrun.abort(error));
  const outputs = ownOutputs();
  input.start();
  try {
    return await onEach(
      names,
      { ...context, signal },
      {
        async work(name, report, place) {
          const client = await connect(name, { folder: context.folder, signal });
          const ends = { stdin: input.reader(), signal, ...(await fetchInto(folder, name)) };
          try {
            if (context.json) {
              const most = Math.floor(PROGRAMS.collectedBytes / names.length);
              const [stdout, stderr] = [new CollectedOutput(most), new CollectedOutput(most)];
              const outcome = await runProgram(client, request, { ...ends, stdout, stderr });
              return programDocument(outcome, stdout, stderr);
            }
            const lines = (output: "stdout" | "stderr") =>
              new NamedLines(
                name,
                (bytes) => place.print(output, () => outputs[output].write(bytes)),
                (line) => report.line(line),
              );
            const [stdout, stderr] = [lines("stdout"), lines("stderr")];
            const outcome = await runProgram(client, request, { ...ends, stdout, stderr });
            await Promise.all([stdout.end(), stderr.end()]);
            if (outcome.note !== undefined) place.complain(outcome.note);
            else if (outcome.code !== 0) place.complain(`exit code ${outcome.code}`);
            return { exitCode: outcome.code };
          } finally {
            client.close();
          }
        },
        render: () => "",
        exitCode: (outcome) => Number((outcome as JsonObject).exitCode),
      },
    );
  } finally {
    input.stop();
  }
}

/** A folder of the agent's own, so that files of the same name from two do not meet. */
async function fetchInto(folder: string | undefined, name: string): Promise<Pick<ProgramEnds, "folder">> {
  if (folder === undefined) return {};
  const own = join(folder, cleanName(name, "agent"));
  await promises.mkdir(own, { recursive: true });
  return { folder: own };
}
