import { Readable } from "node:stream";
import type { Client } from "../client.ts";
import { ownOutputs } from "./output-file.ts";
import { runProgram } from "./remote-program.ts";

/**
 * Runs a program on an agent with this process's outputs, and nothing to read: the keyboard, or the pipe, is
 * somebody else's. Gives its exit code. Throws as {@link runProgram}.
 */
export async function runWithoutInput(
  client: Client,
  command: readonly string[],
  signal: AbortSignal,
): Promise<number> {
  const outputs = ownOutputs();
  const { code, note } = await runProgram(
    client,
    { command },
    { stdin: Readable.from([]), ...outputs, signal },
  );
  if (note !== undefined) await outputs.stderr.write(Buffer.from(`${note}\n`));
  return code;
}
