import { asTetherError, TetherError, writeJson } from "../../protocol/index.ts";
import { type PlannedAction, Progress, type SyncChoices } from "../../transfer/index.ts";
import { expectArguments } from "../arguments.ts";
import type { CommandContext } from "../command-context.ts";
import { connect } from "../connect.ts";
import { compressMode, contextFor } from "../files/command.ts";
import { withReconnect } from "../files/index.ts";
import { oneAgent } from "../on-agents.ts";
import { parseRemotePath, type RemotePath } from "../remote-path.ts";
import { showProgress } from "../render/progress.ts";
import { plain } from "../render/table.ts";
import {
  keepEqual,
  printSync,
  type SyncOptions,
  type SyncOutcome,
  summary,
  syncFromAgent,
  syncJson,
  syncToAgent,
} from "../syncing/index.ts";

/** `tether sync`: makes a file or folder equal to another, one of them here and one on an agent. */
export async function run(given: CommandContext): Promise<number> {
  expectArguments(given, 2);
  const [sourceText, targetText] = given.args as [string, string];
  const [source, target] = [parseRemotePath(sourceText), parseRemotePath(targetText)];
  const remote = oneRemote(source, target, given);
  const context = contextFor([remote], given);
  const { folder, signal, stderr, options } = context;
  const agent = oneAgent(context);
  const choices = {
    delete: options.has("delete"),
    dryRun: options.has("dry-run"),
    checksum: options.has("checksum"),
    exclude: options.all("exclude"),
    compress: compressMode(context),
  };
  if (options.has("watch")) {
    if (target === undefined || choices.dryRun) {
      const what = choices.dryRun ? "not with --dry-run" : `${targetText} is not on an agent`;
      throw new TetherError("usage", `${what}: --watch keeps a folder on an agent equal to one here`, {
        hint: `usage: ${given.usage}`,
      });
    }
    return keep(context, agent, { ...choices, source: sourceText, target: target.path });
  }
  const progress = new Progress();
  const plan: PlannedAction[] = [];
  const hide = showProgress(stderr, progress);
  const request = {
    source: source?.path ?? sourceText,
    target: target?.path ?? targetText,
    ...choices,
    progress,
    onPlan: (action: PlannedAction) => void plan.push(action),
    signal,
  };
  const work = target === undefined ? syncFromAgent : syncToAgent;
  try {
    const attempts = { connect: () => connect(agent, { folder, signal }), progress, signal };
    const outcome: SyncOutcome = await withReconnect(attempts, (client) => {
      plan.length = 0;
      return work(client, request);
    });
    hide();
    return printSync(outcome, request.dryRun ? plan : undefined, context);
  } finally {
    hide();
  }
}

/** Syncs after each change until Ctrl-C, and says what it did. */
async function keep(
  context: CommandContext,
  agent: string | undefined,
  what: Pick<SyncOptions, keyof SyncChoices | "source" | "target" | "compress">,
): Promise<number> {
  const { folder, signal, stdout, stderr, json } = context;
  const say = (line: string) => stderr.write(`tether: ${plain(line)}\n`);
  let isFirst = true;
  try {
    return await keepEqual(
      { ...what, connect: () => connect(agent, { folder, signal }), signal },
      {
        onSynced(outcome) {
          const { files, deleted, failures, notes } = outcome;
          for (const note of notes) say(note);
          for (const { message } of failures) say(message);
          if (isFirst || files > 0 || deleted > 0) {
            stdout.write(`${json ? writeJson(syncJson(outcome)) : summary(outcome)}\n`);
          }
          isFirst = false;
        },
        onLost: ({ message }) => say(`${message}; trying again`),
      },
    );
  } catch (thrown) {
    // Ctrl-C is how one leaves.
    if (asTetherError(thrown).code === "cancelled" && signal.aborted) return 0;
    throw thrown;
  }
}

/** The side that is on an agent. Throws `usage` unless it is exactly one. */
function oneRemote(
  source: RemotePath | undefined,
  target: RemotePath | undefined,
  { usage }: CommandContext,
): RemotePath {
  const remote = source ?? target;
  if (remote === undefined || (source !== undefined && target !== undefined)) {
    const what = remote === undefined ? "both are here" : "both are on an agent";
    throw new TetherError(
      "usage",
      `${what}: of SOURCE and TARGET one is AGENT:PATH, or :PATH for the default agent`,
      { hint: `usage: ${usage}` },
    );
  }
  return remote;
}
