import { TetherError, writeJson } from "../../protocol/index.ts";
import { expectArguments } from "../arguments.ts";
import type { CommandContext } from "../command-context.ts";
import { connect } from "../connect.ts";
import { oneAgent } from "../on-agents.ts";
import { jobLog } from "../programs/job-log.ts";
import { jobState } from "../programs/job-table.ts";

/** `tether job wait`: exits as the job did. */
export async function run(context: CommandContext): Promise<number> {
  expectArguments(context, 1);
  const [id = ""] = context.args;
  const { signal } = context;
  const client = await connect(oneAgent(context), { folder: context.folder, signal });
  try {
    // There is never output from there on, so this settles when the job has ended.
    const { job } = await jobLog(client, id, { from: Number.MAX_SAFE_INTEGER, wait: true, signal });
    if (context.json) context.stdout.write(`${writeJson(job)}\n`);
    if (typeof job.exitCode === "number") return job.exitCode;
    throw new TetherError("internal", `nobody saw how the job ${id} ended: ${jobState(job)}`);
  } finally {
    client.close();
  }
}
