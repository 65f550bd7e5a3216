import type { JsonObject } from "../../protocol/index.ts";
import { expectArguments } from "../arguments.ts";
import type { CommandContext } from "../command-context.ts";
import { onAgents } from "../on-agents.ts";
import { table } from "../render/table.ts";
import { valueText } from "../render/value.ts";

/** `tether info`: facts about the agent's machine. */
export async function run(context: CommandContext): Promise<number> {
  expectArguments(context, 0);
  return onAgents(context, {
    work: (client) => client.call("system.info", [], { signal: context.signal }),
    render: (info) =>
      table(
        undefined,
        Object.entries(info as JsonObject).map(([name, value]) => [name, valueText(value)]),
      ),
  });
}
