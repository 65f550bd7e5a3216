import { expectArguments } from "../arguments.ts";
import type { CommandContext } from "../command-context.ts";
import { onAgents } from "../on-agents.ts";
import { jobTable } from "../programs/job-table.ts";

/** `tether jobs`: the detached programs, the oldest first. */
export async function run(context: CommandContext): Promise<number> {
  expectArguments(context, 0);
  const { signal } = context;
  return onAgents(context, {
    work: (client) => client.call("jobs.list", [], { signal }),
    render: jobTable,
  });
}
