import { type JsonValue, TetherError, writeJson } from "../protocol/index.ts";
import type { CommandContext } from "./command-context.ts";
import { connect, defaultAgent, findAgentNamed } from "./connect.ts";
import { type AgentReport, type AgentWork, type NamedWork, NO_REPORT } from "./fan-out/agent-work.ts";
import { KnownAgents } from "./known-agents.ts";

/** Runs a verb on the agents that the command line names; gives the exit code. */
export async function onAgents(context: CommandContext, verb: AgentWork): Promise<number> {
  const names = severalAgents(context);
  if (names !== undefined) {
    return onEach(names, context, {
      ...verb,
      work: async (name, report) => (await onOne(name, context, verb, false, report)) ?? null,
    });
  }
  const result = await onOne(agentNames(context)[0], context, verb, true, NO_REPORT);
  if (result === undefined) return 0;
  const text = context.json ? writeJson(result) : verb.render(result);
  if (text !== "") context.stdout.write(`${text}\n`);
  return verb.exitCode?.(result) ?? 0;
}

/** Runs a verb that connects by itself on each of several agents; gives the exit code. */
export async function onEach(
  names: readonly string[],
  context: CommandContext,
  verb: NamedWork,
): Promise<number> {
  const { onSeveral } = await import("./fan-out/several.ts");
  return onSeveral(names, context, verb);
}

/** The names of the agents where the verb is to work on several; undefined for one. */
export function severalAgents(context: CommandContext): readonly string[] | undefined {
  const names = agentNames(context);
  // A script that asks for all of them gets the same shape however many there are.
  return names.length > 1 || context.options.has("all") || context.options.has("tag") ? names : undefined;
}

/** The name of the one agent that a verb is for, when it can only be for one. Throws `usage` for several. */
export function oneAgent(context: CommandContext): string {
  const names = agentNames(context);
  if (names.length > 1) {
    throw new TetherError("usage", `this works with one agent at a time, and ${names.length} are meant`, {
      hint: `name one of them with -a: ${names.slice(0, 8).join(", ")}${names.length > 8 ? ", …" : ""}`,
    });
  }
  return names[0] ?? process.env.TETHER_AGENT ?? defaultAgent(new KnownAgents(context.folder)).name;
}

/** The names given by `-a`, `--all` and `--tag`; empty for the default agent. */
function agentNames(context: CommandContext): readonly string[] {
  const { options } = context;
  const tags = options.all("tag");
  const agents = new KnownAgents(context.folder);
  const words = options.all("agent");
  // One agent may be meant by two words, and is worked on once.
  const isAlone = words.length < 2 && !options.has("all") && tags.length === 0;
  const named = isAlone ? words : words.map((word) => nameOf(word, agents));
  if (!options.has("all") && tags.length === 0) return [...new Set(named)];
  const known = agents.list();
  const chosen = options.has("all")
    ? known
    : known.filter((agent) => tags.some((tag) => agent.tags.includes(tag)));
  const names = [...new Set([...named, ...chosen.map((agent) => agent.name)])];
  if (names.length > 0) return names;
  throw new TetherError(
    "unauthorized",
    tags.length === 0 ? "no agent is paired" : `no paired agent has the tag ${tags}`,
    {
      hint: "`tether agents` lists the paired ones",
    },
  );
}

/** The name of the agent that a word means; the word itself where that is not known yet, or is nobody. */
function nameOf(word: string, agents: KnownAgents): string {
  try {
    return findAgentNamed(agents, word)?.name ?? word;
  } catch {
    // Connecting says why, for this one alone.
    return word;
  }
}

async function onOne(
  name: string | undefined,
  context: CommandContext,
  { work }: AgentWork,
  alone: boolean,
  report: AgentReport,
): Promise<JsonValue | undefined> {
  const client = await connect(name, { folder: context.folder, signal: context.signal });
  try {
    return await work(client, alone, report);
  } finally {
    client.close();
  }
}
