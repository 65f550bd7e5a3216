import { TetherError } from "../../protocol/index.ts";
import { Progress } from "../../transfer/index.ts";
import { expectArguments } from "../arguments.ts";
import type { CommandContext } from "../command-context.ts";
import { connect } from "../connect.ts";
import { contextFor } from "../files/command.ts";
import { putFiles, withReconnect } from "../files/index.ts";
import { printOutcome } from "../files/print-outcome.ts";
import { oneAgent } from "../on-agents.ts";
import { parseRemotePath } from "../remote-path.ts";
import { showProgress } from "../render/progress.ts";

/** `tether put`: files to an agent. */
export async function run(given: CommandContext): Promise<number> {
  expectArguments(given, 2, Number.POSITIVE_INFINITY);
  const sources = given.args.slice(0, -1);
  const target = parseRemotePath(given.args.at(-1) as string);
  const remote = sources.find((source) => parseRemotePath(source) !== undefined);
  if (target === undefined || remote !== undefined) {
    const what = remote === undefined ? `${given.args.at(-1)} is not on an agent` : `${remote} is not here`;
    throw new TetherError(
      "usage",
      `${what}: put brings files from here to AGENT:PATH, or :PATH for the default agent`,
      {
        hint: `usage: ${given.usage}`,
      },
    );
  }
  const context = contextFor([target], given);
  const { folder, signal, stderr, options } = context;
  const agent = oneAgent(context);
  const progress = new Progress();
  const hide = showProgress(stderr, progress);
  try {
    const recursive = options.has("recursive");
    const request = { sources, target: target.path, recursive, progress, signal };
    const attempts = { connect: () => connect(agent, { folder, signal }), progress, signal };
    const outcome = await withReconnect(attempts, (client) => putFiles(client, request));
    hide();
    return printOutcome(outcome, context);
  } finally {
    hide();
  }
}
