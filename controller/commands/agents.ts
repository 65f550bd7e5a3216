import { formatHostPort } from "../../protocol/index.ts";
import { expectArguments } from "../arguments.ts";
import type { CommandContext } from "../command-context.ts";
import { KnownAgents } from "../known-agents.ts";
import { table } from "../render/table.ts";

/** `tether agents`: the paired ones. */
export async function run(context: CommandContext): Promise<number> {
  expectArguments(context, 0);
  const agents = new KnownAgents(context.folder);
  const used = agents.default()?.id;
  const facts = agents.list().map(({ name, id, addresses, port, fingerprint, role, tags, pairedAt }) => ({
    name,
    id,
    address: addresses[0] ?? null,
    port,
    fingerprint,
    role,
    tags,
    pairedAt,
    default: id === used,
  }));
  if (context.json) {
    context.stdout.write(`${JSON.stringify(facts)}\n`);
  } else if (facts.length === 0) {
    context.stderr.write("tether: no agent is paired (`tether discover` shows who is there)\n");
  } else {
    const rows = facts.map((agent) => [
      `${agent.name}${agent.default ? " *" : ""}`,
      agent.address === null ? "" : formatHostPort(agent.address, agent.port),
      agent.role,
      agent.id,
      agent.tags.join(","),
    ]);
    context.stdout.write(`${table(["NAME", "ADDRESS", "ROLE", "ID", "TAGS"], rows)}\n`);
  }
  return 0;
}
