import { expectArguments } from "../arguments.ts";
import type { CommandContext } from "../command-context.ts";
import { KnownAgents } from "../known-agents.ts";

/** `tether use`: the agent that is meant when none is named. */
export async function run(context: CommandContext): Promise<number> {
  expectArguments(context, 1);
  const { name, id } = await new KnownAgents(context.folder).use(context.args[0] as string);
  context.stdout.write(context.json ? `${JSON.stringify({ name, id })}\n` : `${name} is the default now\n`);
  return 0;
}
