import type { JsonObject } from "../../protocol/index.ts";
import { expectArguments } from "../arguments.ts";
import type { CommandContext } from "../command-context.ts";
import { onAgents } from "../on-agents.ts";
import { deviceTable } from "../render/device-table.ts";

/** `tether device list`: the hardware on the agent's serial ports. */
export async function run(context: CommandContext): Promise<number> {
  expectArguments(context, 0);
  return onAgents(context, {
    work: (client) => client.call("devices.list", [], { signal: context.signal }),
    render: (list) => deviceTable(list as JsonObject[]),
  });
}
