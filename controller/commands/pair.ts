import { hostname } from "node:os";
import { text as readAll } from "node:stream/consumers";
import { cleanName, TetherError } from "../../protocol/index.ts";
import { expectArguments } from "../arguments.ts";
import type { CommandContext } from "../command-context.ts";
import { parseHostPort } from "../host-port.ts";
import { openControllerIdentity } from "../identity.ts";
import { KnownAgents } from "../known-agents.ts";
import { pairWith } from "../pairing.ts";

/** `tether pair`: mutual proof of a code, then both sides keep each other's key. */
export async function run(context: CommandContext): Promise<number> {
  expectArguments(context, 1);
  const address = parseHostPort(context.args[0] as string);
  const given = context.options.get("code");
  if (given === undefined) {
    throw new TetherError("usage", "--code is missing", {
      hint: "`tetherd pair` on the Pi prints the code and the whole line to type here",
    });
  }
  const code = given === "-" ? await readAll(context.stdin) : given;
  const name = context.options.get("name");
  const agents = new KnownAgents(context.folder);
  // Before the code is spent.
  if (name !== undefined) agents.checkName(name);
  const paired = await pairWith({
    address,
    code,
    identity: await openControllerIdentity(context.folder),
    agents,
    label: cleanName(hostname(), "controller"),
    signal: context.signal,
  });
  const agent = await agents.add(name === undefined ? paired : { ...paired, name }, new Date());
  context.stdout.write(
    context.json
      ? `${JSON.stringify(agent)}\n`
      : `paired with ${agent.name} (${agent.id}) as ${agent.role}\nits key is ${agent.fingerprint}\n`,
  );
  return 0;
}
