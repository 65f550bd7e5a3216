import { writeJson } from "../../protocol/index.ts";
import type { CommandContext } from "../command-context.ts";
import { sizeText } from "../render/size.ts";
import { plain } from "../render/table.ts";
import { outcomeJson, type TransferOutcome, throwFailures } from "./outcome.ts";

/** Prints what a transfer did; throws when something failed. Gives the exit code. */
export function printOutcome(outcome: TransferOutcome, context: CommandContext): number {
  const { failures, notes, files, bytes, seconds } = outcome;
  for (const note of notes) context.stderr.write(`tether: ${plain(note)}\n`);
  if (!context.json && failures.length > 1) {
    for (const { message } of failures) context.stderr.write(`tether: ${plain(message)}\n`);
  }
  throwFailures(outcome);
  if (context.json) {
    context.stdout.write(`${writeJson(outcomeJson(outcome))}\n`);
  } else if (context.stderr.isTTY === true) {
    const count = `${files} ${files === 1 ? "file" : "files"}`;
    context.stderr.write(`${count}, ${sizeText(bytes)} in ${seconds.toFixed(1)} s\n`);
  }
  return 0;
}
