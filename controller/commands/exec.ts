import { type JsonObject, TetherError, writeJson } from "../../protocol/index.ts";
import type { CommandContext } from "../command-context.ts";
import { onAgents, oneAgent } from "../on-agents.ts";
import { commandOf } from "../programs/command.ts";
import { runOnAgent } from "../programs/run-on-agent.ts";
import { lendTerminal } from "../programs/terminal.ts";

/** `tether exec`: a program on the agent, its input and output here; with `--detach` a job. */
export async function run(context: CommandContext): Promise<number> {
  const request = commandOf(context);
  const { options } = context;
  if (options.has("detach")) {
    if (options.has("terminal")) throw new TetherError("usage", "a detached program has no terminal");
    return onAgents(context, {
      work: (client) =>
        client.call("jobs.start", { ...request } as unknown as JsonObject, {
          signal: context.signal,
        }),
      render: (started) => writeJson(started),
    });
  }
  if (!options.has("terminal")) return runOnAgent(context, request);
  if (context.json) throw new TetherError("usage", "what a terminal shows is no JSON document");
  oneAgent(context);
  const terminal = lendTerminal(process.stdin, process.stdout);
  try {
    return await runOnAgent(context, { ...request, terminal: terminal.request }, terminal);
  } finally {
    terminal.release();
  }
}
