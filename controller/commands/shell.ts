import { expectArguments } from "../arguments.ts";
import type { CommandContext } from "../command-context.ts";
import { connect } from "../connect.ts";
import { oneAgent } from "../on-agents.ts";
import { AgentBackend } from "../shell/agent-backend.ts";
import { runShell } from "../shell/session.ts";

/** `tether shell`: an agent's files, procedures and devices, a line at a time. */
export async function run(context: CommandContext): Promise<number> {
  expectArguments(context, 0);
  const { folder } = context;
  const open = async (name: string, signal: AbortSignal) => {
    const client = await connect(name, { folder, signal });
    return new AgentBackend(client, context.stderr, (again) => connect(name, { folder, signal: again }));
  };
  const backend = await open(oneAgent(context), context.signal);
  return runShell({ backend, remoteFolder: "/", localFolder: process.cwd(), connect: open }, context);
}
