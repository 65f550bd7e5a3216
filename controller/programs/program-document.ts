import type { JsonObject } from "../../protocol/index.ts";
import type { CollectedOutput } from "./output-file.ts";
import type { ProgramOutcome } from "./remote-program.ts";

/** What `--json` prints of a program that has ended. */
export function programDocument(
  outcome: ProgramOutcome,
  stdout: CollectedOutput,
  stderr: CollectedOutput,
): JsonObject {
  const { code: exitCode, signal } = outcome;
  return { exitCode, signal: signal ?? null, stdout: stdout.text, stderr: stderr.text };
}
