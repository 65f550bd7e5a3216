import { randomUUID } from "node:crypto";
import { TetherError } from "../../protocol/index.ts";
import { Progress } from "../../transfer/index.ts";
import { expectArguments } from "../arguments.ts";
import type { CommandContext } from "../command-context.ts";
import { connect } from "../connect.ts";
import { compressMode, contextFor } from "../files/command.ts";
import { type PutOptions, putFiles, withReconnect } from "../files/index.ts";
import { outcomeJson, throwFailures } from "../files/outcome.ts";
import { printOutcome } from "../files/print-outcome.ts";
import { onEach, oneAgent, severalAgents } from "../on-agents.ts";
import { parseRemotePath } from "../remote-path.ts";
import { progressLine, Rate, showProgress } from "../render/progress.ts";

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
  const recursive = options.has("recursive");
  const compress = compressMode(context);
  const names = severalAgents(context);
  const what = { sources, target: target.path, recursive, compress };
  if (names !== undefined) return putToSeveral(names, context, what);
  const agent = oneAgent(context);
  const progress = new Progress();
  const hide = showProgress(stderr, progress);
  try {
    const transfer = randomUUID();
    const request = { ...what, transfer, progress, signal };
    const attempts = { connect: () => connect(agent, { folder, signal }), progress, signal };
    const outcome = await withReconnect(attempts, (client) => putFiles(client, request));
    hide();
    return printOutcome(outcome, context);
  } finally {
    hide();
  }
}

/** Characters of how far it is, in the table of agents. */
const PROGRESS_WIDTH = 60;

/** The same files to each of several agents. */
function putToSeveral(
  names: readonly string[],
  context: CommandContext,
  what: Pick<PutOptions, "sources" | "target" | "recursive" | "compress">,
): Promise<number> {
  const { folder, signal } = context;
  return onEach(names, context, {
    async work(name, report, place) {
      const progress = new Progress();
      const rate = new Rate();
      report.progress(() => {
        rate.note(progress.bytes, performance.now());
        return progress.name === "" ? "" : progressLine(progress, rate.perSecond, PROGRESS_WIDTH);
      });
      const transfer = randomUUID();
      const attempts = { connect: () => connect(name, { folder, signal }), progress, signal };
      const outcome = await withReconnect(attempts, (client) =>
        putFiles(client, { ...what, transfer, progress, signal }),
      );
      for (const note of outcome.notes) place.complain(note);
      if (!context.json && outcome.failures.length > 1) {
        for (const { message } of outcome.failures) place.complain(message);
      }
      throwFailures(outcome);
      return outcomeJson(outcome);
    },
    render: () => "",
  });
}
