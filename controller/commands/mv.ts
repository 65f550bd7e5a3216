import { expectArguments } from "../arguments.ts";
import type { CommandContext } from "../command-context.ts";
import { remoteArguments } from "../files/command.ts";
import { onAgents } from "../on-agents.ts";
import { commonAgent, toRemotePath } from "../remote-path.ts";

/** `tether mv`: another name, or into another folder, on the same agent. */
export async function run(given: CommandContext): Promise<number> {
  expectArguments(given, 2);
  const [source = "", target = ""] = given.args;
  const from = toRemotePath(source);
  const to = toRemotePath(target);
  // `mv pi:a b` means b on the same agent.
  if (from.agent !== undefined && to.agent !== undefined) commonAgent([from, to]);
  const agent = from.agent ?? to.agent;
  const { context } = remoteArguments(given, agent === undefined ? [] : [`${agent}:`]);
  return onAgents(context, {
    work: (client) => client.call("files.move", { from: from.path, to: to.path }, { signal: context.signal }),
    render: () => "",
  });
}
