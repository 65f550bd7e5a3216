import type { JsonObject } from "../../protocol/index.ts";
import { expectArguments } from "../arguments.ts";
import type { CommandContext } from "../command-context.ts";
import { onAgents } from "../on-agents.ts";
import { table } from "../render/table.ts";

/** `tether serial list`: the agent's serial ports. */
export async function run(context: CommandContext): Promise<number> {
  expectArguments(context, 0);
  return onAgents(context, {
    work: (client) => client.call("serial.list", [], { signal: context.signal }),
    render: (list) => {
      const ports = list as JsonObject[];
      if (ports.length === 0) return "no serial port";
      return table(
        ["PATH", "VENDOR", "PRODUCT", "SERIAL NUMBER", "MANUFACTURER", "DEVICE"],
        ports.map(({ path, vendorId, productId, serialNumber, manufacturer, device }) =>
          [path, vendorId, productId, serialNumber, manufacturer, device].map((value) =>
            String(value ?? "-"),
          ),
        ),
      );
    },
  });
}
