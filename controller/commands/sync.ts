import { TetherError } from "../../protocol/index.ts";
import { type PlannedAction, Progress } from "../../transfer/index.ts";
import { expectArguments } from "../arguments.ts";
import type { CommandContext } from "../command-context.ts";
import { connect } from "../connect.ts";
import { contextFor } from "../files/command.ts";
import { withReconnect } from "../files/index.ts";
import { printSync } from "../files/print-sync.ts";
import { type SyncOutcome, syncFromAgent, syncToAgent } from "../files/sync.ts";
import { oneAgent } from "../on-agents.ts";
import { parseRemotePath, type RemotePath } from "../remote-path.ts";
import { showProgress } from "../render/progress.ts";

/** `tether sync`: makes a file or folder equal to another, one of them here and one on an agent. */
export async function run(given: CommandContext): Promise<number> {
  expectArguments(given, 2);
  const [sourceText, targetText] = given.args as [string, string];
  const [source, target] = [parseRemotePath(sourceText), parseRemotePath(targetText)];
  const remote = oneRemote(source, target, given);
  const context = contextFor([remote], given);
  const { folder, signal, stderr, options } = context;
  const agent = oneAgent(context);
  const progress = new Progress();
  const plan: PlannedAction[] = [];
  const hide = showProgress(stderr, progress);
  const request = {
    source: source?.path ?? sourceText,
    target: target?.path ?? targetText,
    delete: options.has("delete"),
    dryRun: options.has("dry-run"),
    checksum: options.has("checksum"),
    exclude: options.all("exclude"),
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
