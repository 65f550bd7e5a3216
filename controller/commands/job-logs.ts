import { asTetherError, writeJson } from "../../protocol/index.ts";
import { expectArguments, wholeNumber } from "../arguments.ts";
import type { CommandContext } from "../command-context.ts";
import { connect } from "../connect.ts";
import { oneAgent } from "../on-agents.ts";
import { type JobLog, jobLog } from "../programs/job-log.ts";
import { ownOutputs } from "../programs/output-file.ts";

/** `tether job logs`: what a job has written, each output where it belongs; with `-f` until the job ends. */
export async function run(context: CommandContext): Promise<number> {
  expectArguments(context, 1);
  const [id = ""] = context.args;
  const { options, signal } = context;
  const follow = options.has("follow");
  let from = wholeNumber(options.get("from") ?? "0", "--from", 0, Number.MAX_SAFE_INTEGER);
  const client = await connect(oneAgent(context), { folder: context.folder, signal });
  const outputs = ownOutputs();
  try {
    for (;;) {
      const log = await jobLog(client, id, { from, wait: follow, signal });
      if (log.from > from) {
        context.stderr.write(`tether: ${log.from - from} bytes before this are no longer kept\n`);
      }
      await print(log, context, outputs);
      from = log.next;
      if (from >= log.end && (!follow || log.job.state === "ended")) return 0;
    }
  } catch (thrown) {
    const error = asTetherError(thrown);
    // Ctrl-C is how one leaves.
    if (!follow || error.code !== "cancelled" || !signal.aborted) throw error;
    return 0;
  } finally {
    client.close();
  }
}

async function print(
  { from, pieces }: JobLog,
  context: CommandContext,
  outputs: ReturnType<typeof ownOutputs>,
): Promise<void> {
  let at = from;
  for (const { output, data } of pieces) {
    const bytes = Buffer.from(data, "base64");
    if (context.json) context.stdout.write(`${writeJson({ at, output, text: bytes.toString("utf8") })}\n`);
    else await outputs[output].write(bytes);
    at += bytes.length;
  }
}
