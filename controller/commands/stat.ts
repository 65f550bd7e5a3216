import type { JsonObject } from "../../protocol/index.ts";
import { expectArguments } from "../arguments.ts";
import type { CommandContext } from "../command-context.ts";
import { remoteArguments } from "../files/command.ts";
import { onAgents } from "../on-agents.ts";
import { table } from "../render/table.ts";

/** `tether stat`: one file, folder or link. */
export async function run(given: CommandContext): Promise<number> {
  expectArguments(given, 1);
  const { paths, context } = remoteArguments(given);
  const [path = ""] = paths;
  return onAgents(context, {
    work: (client) => client.call("files.stat", { path }, { signal: context.signal }),
    render: (entry) =>
      table(
        undefined,
        Object.entries(entry as JsonObject).map(([name, value]) => [name, String(value)]),
      ),
  });
}
