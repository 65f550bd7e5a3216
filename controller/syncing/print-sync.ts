import { type JsonObject, writeJson } from "../../protocol/index.ts";
import type { PlannedAction } from "../../transfer/index.ts";
import type { CommandContext } from "../command-context.ts";
import { outcomeJson, throwFailures } from "../files/outcome.ts";
import { sizeText } from "../render/size.ts";
import { plain } from "../render/table.ts";
import type { SyncOutcome } from "./sync.ts";

/**
 * Prints what a sync did, or would do; throws when something failed. Gives the exit code.
 *
 * @param plan what a dry run says; undefined for a sync that was done
 */
export function printSync(
  outcome: SyncOutcome,
  plan: readonly PlannedAction[] | undefined,
  context: CommandContext,
): number {
  const { failures, notes } = outcome;
  for (const note of notes) context.stderr.write(`tether: ${plain(note)}\n`);
  if (!context.json && failures.length > 1) {
    for (const { message } of failures) context.stderr.write(`tether: ${plain(message)}\n`);
  }
  if (!context.json && plan !== undefined) {
    for (const { action, path } of plan)
      context.stdout.write(`${action} ${plain(path === "" ? "." : path)}\n`);
  }
  throwFailures(outcome);
  if (context.json) {
    const changes = plan?.map(({ action, path, bytes }) => ({ action, path, bytes }));
    const json = { ...syncJson(outcome), ...(changes !== undefined && { changes }) };
    context.stdout.write(`${writeJson(json)}\n`);
  } else if (context.stderr.isTTY === true) {
    context.stderr.write(`${summary(outcome, plan)}\n`);
  }
  return 0;
}

/** The outcome as `--json` prints it. */
export function syncJson(outcome: SyncOutcome): JsonObject {
  const { unchanged, deleted } = outcome;
  return { ...outcomeJson(outcome), unchanged, deleted };
}

/** What a sync did, in one line. */
export function summary(outcome: SyncOutcome, plan?: readonly PlannedAction[]): string {
  const { files, bytes, sent, seconds, unchanged, deleted } = outcome;
  const done = `${unchanged} unchanged, ${sizeText(sent)} on the wire in ${seconds.toFixed(1)} s`;
  if (plan === undefined) {
    return `${count(files, "file")} of ${sizeText(bytes)} sent, ${deleted} deleted, ${done}`;
  }
  const sending = plan.filter(({ action }) => action === "send" || action === "update");
  const would = sending.reduce((sum, one) => sum + one.bytes, 0);
  const gone = plan.filter(({ action }) => action === "delete").length;
  return `would send ${count(sending.length, "file")} of ${sizeText(would)} and delete ${gone}; ${done}`;
}

function count(number: number, what: string): string {
  return `${number} ${number === 1 ? what : `${what}s`}`;
}
