import { TetherError } from "../../protocol/index.ts";
import { Progress } from "../../transfer/index.ts";
import { expectArguments } from "../arguments.ts";
import type { CommandContext } from "../command-context.ts";
import { connect } from "../connect.ts";
import { compressMode, contextFor } from "../files/command.ts";
import { getFiles, withReconnect } from "../files/index.ts";
import { printOutcome } from "../files/print-outcome.ts";
import { oneAgent } from "../on-agents.ts";
import { parseRemotePath, type RemotePath } from "../remote-path.ts";
import { showProgress } from "../render/progress.ts";

/** `tether get`: files from an agent. */
export async function run(given: CommandContext): Promise<number> {
  expectArguments(given, 2, Number.POSITIVE_INFINITY);
  const target = given.args.at(-1) as string;
  const sources = given.args.slice(0, -1).map((text) => remoteSource(text, given));
  if (parseRemotePath(target) !== undefined) {
    throw new TetherError("usage", `${target}: get brings files here, and that is not here`, {
      hint: `usage: ${given.usage}`,
    });
  }
  const context = contextFor(sources, given);
  const { folder, signal, stderr, options } = context;
  const agent = oneAgent(context);
  const progress = new Progress();
  const hide = showProgress(stderr, progress);
  try {
    const request = {
      sources: sources.map(({ path }) => path),
      target,
      recursive: options.has("recursive"),
      compress: compressMode(context),
      progress,
      totals: stderr.isTTY === true,
      signal,
    };
    const attempts = { connect: () => connect(agent, { folder, signal }), progress, signal };
    const outcome = await withReconnect(attempts, (client) => getFiles(client, request));
    hide();
    return printOutcome(outcome, context);
  } finally {
    hide();
  }
}

function remoteSource(text: string, { usage }: CommandContext): RemotePath {
  const source = parseRemotePath(text);
  if (source !== undefined) return source;
  throw new TetherError(
    "usage",
    `${text} is not on an agent: write AGENT:PATH, or :PATH for the default agent`,
    {
      hint: `usage: ${usage}`,
    },
  );
}
