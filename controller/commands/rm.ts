import { expectArguments } from "../arguments.ts";
import type { CommandContext } from "../command-context.ts";
import { remoteArguments } from "../files/command.ts";
import { expandPaths } from "../files/expand.ts";
import { onAgents } from "../on-agents.ts";

/** `tether rm`: files, or with `-r` folders and all that is in them. */
export async function run(given: CommandContext): Promise<number> {
  expectArguments(given, 1, Number.POSITIVE_INFINITY);
  const { paths, context } = remoteArguments(given);
  const recursive = context.options.has("recursive");
  return onAgents(context, {
    async work(client) {
      for (const path of await expandPaths(client, paths, context.signal))
        await client.call("files.remove", { path, recursive }, { signal: context.signal });
      return null;
    },
    render: () => "",
  });
}
