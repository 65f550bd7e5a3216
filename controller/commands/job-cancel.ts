import type { JsonObject } from "../../protocol/index.ts";
import { expectArguments } from "../arguments.ts";
import type { CommandContext } from "../command-context.ts";
import { onAgents } from "../on-agents.ts";
import { jobState } from "../programs/job-table.ts";

/** `tether job cancel`: ends a job and all its processes. */
export async function run(context: CommandContext): Promise<number> {
  expectArguments(context, 1);
  const [id = ""] = context.args;
  const { signal } = context;
  return onAgents(context, {
    work: (client) => client.call("jobs.cancel", { id }, { signal }),
    render: (job) => `${id}: ${jobState(job as JsonObject)}`,
  });
}
