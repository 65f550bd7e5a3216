import { expectArguments } from "../arguments.ts";
import type { CommandContext } from "../command-context.ts";
import { KnownAgents } from "../known-agents.ts";

/** `tether forget`: undoes a pairing on this side. */
export async function run(context: CommandContext): Promise<number> {
  expectArguments(context, 1);
  const { name, id } = await new KnownAgents(context.folder).forget(context.args[0] as string);
  context.stdout.write(
    context.json
      ? `${JSON.stringify({ name, id })}\n`
      : `${name} is forgotten here; \`tetherd revoke\` on the Pi undoes the other half\n`,
  );
  return 0;
}
