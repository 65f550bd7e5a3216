import type { JsonValue } from "../../protocol/index.ts";
import { expectArguments } from "../arguments.ts";
import type { CommandContext } from "../command-context.ts";
import { remoteArguments } from "../files/command.ts";
import { listFolder } from "../files/list.ts";
import { onAgents } from "../on-agents.ts";
import { fileTable } from "../render/file-table.ts";
import type { RemoteEntry } from "../shell/backend.ts";

/** `tether ls`: the entries of a folder. */
export async function run(given: CommandContext): Promise<number> {
  expectArguments(given, 0, 1);
  const { paths, context } = remoteArguments(given);
  const { signal } = context;
  return onAgents(context, {
    work: (client): Promise<JsonValue> => listFolder(client, paths[0] || "/", signal),
    render: (entries) => fileTable(entries as unknown as RemoteEntry[]),
  });
}
