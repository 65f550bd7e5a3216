import { asTetherError, type JsonValue, TetherError, writeJson } from "../protocol/index.ts";
import type { Client } from "./client.ts";
import type { CommandContext } from "./command-context.ts";
import { connect, defaultAgent, findAgentNamed } from "./connect.ts";
import { KnownAgents } from "./known-agents.ts";
import { plain } from "./render/table.ts";

/** Agents worked on at the same time. */
const AT_ONCE = 32;
/** Exit code when some of several agents failed. */
const SOME_FAILED = 5;

/** What a verb does with one agent. */
export interface AgentWork {
  /** Gives what `--json` prints; `alone`, with one agent, undefined where it has printed everything itself. */
  readonly work: (client: Client, alone: boolean) => Promise<JsonValue | undefined>;
  /** The result for people, without a newline at the end. */
  readonly render: (result: JsonValue) => string;
  /** The exit code that a result stands for, where it is no error and yet no success. */
  readonly exitCode?: (result: JsonValue) => number;
}

/** Runs a verb on the agents that the command line names; gives the exit code. */
export async function onAgents(context: CommandContext, verb: AgentWork): Promise<number> {
  const names = agentNames(context);
  // A script that asks for all of them gets the same shape however many there are.
  const several = names.length > 1 || context.options.has("all") || context.options.has("tag");
  if (several) return onSeveral(names, context, verb);
  const result = await onOne(names[0], context, verb, true);
  if (result === undefined) return 0;
  print(context, context.json ? writeJson(result) : verb.render(result));
  return verb.exitCode?.(result) ?? 0;
}

/** The names given by `-a`, `--all` and `--tag`; empty for the default agent. */
function agentNames(context: CommandContext): readonly string[] {
  const { options } = context;
  const tags = options.all("tag");
  const agents = new KnownAgents(context.folder);
  const words = options.all("agent");
  // One agent may be meant by two words, and is worked on once.
  const named = words.length < 2 ? words : words.map((word) => nameOf(word, agents));
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
): Promise<JsonValue | undefined> {
  const client = await connect(name, { folder: context.folder, signal: context.signal });
  try {
    return await work(client, alone);
  } finally {
    client.close();
  }
}

async function onSeveral(
  names: readonly string[],
  context: CommandContext,
  verb: AgentWork,
): Promise<number> {
  const outcomes: { [name: string]: JsonValue } = {};
  let failures = 0;
  const waiting = [...names];
  const worker = async () => {
    for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
      try {
        const result = (await onOne(name, context, verb, false)) ?? null;
        outcomes[name] = result;
        if (verb.exitCode !== undefined && verb.exitCode(result) !== 0) failures++;
        if (!context.json) print(context, `${name}:\n${indented(verb.render(result))}`);
      } catch (thrown) {
        failures++;
        const error = asTetherError(thrown);
        outcomes[name] = { error: { ...error.toJSON() } };
        if (!context.json) {
          const hint = error.hint === undefined ? "" : ` (${error.hint})`;
          context.stderr.write(`tether: ${plain(`${name}: ${error.message}${hint}`)}\n`);
        }
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, names.length) }, worker));
  if (context.json)
    print(context, writeJson(Object.fromEntries(names.map((name) => [name, outcomes[name] ?? null]))));
  if (context.signal.aborted) throw asTetherError(context.signal.reason);
  if (failures === 0) return 0;
  return SOME_FAILED;
}

function indented(text: string): string {
  return text.replace(/^/gm, "  ");
}

function print(context: CommandContext, text: string): void {
  if (text !== "") context.stdout.write(`${text}\n`);
}

/** The name of the one agent that a verb is for, when it can only be for one. Throws `usage` for several. */
export function oneAgent(context: CommandContext): string {
  const names = agentNames(context);
  if (names.length > 1) throw new TetherError("usage", "this verb works on one agent at a time");
  return names[0] ?? process.env.TETHER_AGENT ?? defaultAgent(new KnownAgents(context.folder)).name;
}
