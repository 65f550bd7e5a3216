import { expectArguments } from "../arguments.ts";
import type { CommandContext } from "../command-context.ts";
import { remoteArguments } from "../files/command.ts";
import { onAgents } from "../on-agents.ts";

/** `tether mkdir`: a new folder. */
export async function run(given: CommandContext): Promise<number> {
  expectArguments(given, 1);
  const { paths, context } = remoteArguments(given);
  const [path = ""] = paths;
  return onAgents(context, {
    work: (client) => client.call("files.mkdir", { path }, { signal: context.signal }),
    render: () => "",
  });
}
