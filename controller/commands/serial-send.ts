import { expectArguments, wholeNumber } from "../arguments.ts";
import type { CommandContext } from "../command-context.ts";
import { onAgents } from "../on-agents.ts";
import { valueText } from "../render/value.ts";

/** `tether serial send`: one line to a device or a port, and the line that answers. */
export async function run(context: CommandContext): Promise<number> {
  expectArguments(context, 2);
  const [port = "", text = ""] = context.args;
  const baud = context.options.get("baud");
  const params = {
    port,
    text,
    ...(baud !== undefined && { baudRate: wholeNumber(baud, "--baud", 50, 12_000_000) }),
  };
  return onAgents(context, {
    work: (client) => client.call("serial.send", params, { signal: context.signal }),
    render: valueText,
  });
}
