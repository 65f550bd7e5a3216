import { TetherError } from "../../protocol/index.ts";
import { expectArguments, wholeNumber } from "../arguments.ts";
import type { CommandContext } from "../command-context.ts";
import {
  type DiscoveryNote,
  discover,
  type FoundAgent,
  type SearchOptions,
  watch,
} from "../discovery/index.ts";
import { KnownAgents } from "../known-agents.ts";
import { table } from "../render/table.ts";

/** Milliseconds listened unless `--timeout` says otherwise. */
const LISTEN = 1_000;

/** `tether discover`: who is on the network. */
export async function run(context: CommandContext): Promise<number> {
  // `--target A B` names two.
  const more = context.options.has("target") ? context.args : [];
  expectArguments(context, more.length);
  const known = new KnownAgents(context.folder).list();
  const port = context.options.get("port");
  const paired = new Set(known.map((agent) => agent.fingerprint));
  const search: SearchOptions = {
    targets: [...context.options.all("target"), ...more],
    known: known.flatMap((agent) => agent.addresses.map((address) => ({ address, port: agent.port }))),
    signal: context.signal,
    onEvent: (note) => warn(note, context),
    ...(port !== undefined && { port: wholeNumber(port, "--port", 1, 65_535) }),
  };
  if (context.options.has("watch")) return watchAgents(search, paired, context);
  const agents = await discover({ ...search, timeout: context.timeout ?? LISTEN });
  const facts = agents.map((agent) => describe(agent, paired));
  if (context.json) context.stdout.write(`${JSON.stringify(facts)}\n`);
  else if (facts.length === 0) context.stderr.write(`${NOBODY}\n`);
  else context.stdout.write(`${table(HEADER, facts.map(row))}\n`);
  return 0;
}

const NOBODY =
  "tether: nobody answered (is tetherd running there? where broadcast is blocked, ask with --target ADDRESS)";
const HEADER = ["NAME", "ADDRESS", "PORT", "PAIRED", "VERSION", "ID", "TAGS"];

function describe(agent: FoundAgent, paired: ReadonlySet<string>) {
  const { id, name, address, port, version, fingerprint, tags } = agent;
  return { id, name, address, port, version, fingerprint, paired: paired.has(fingerprint), tags };
}

function row(agent: ReturnType<typeof describe>): string[] {
  const { name, address, port, paired, version, id, tags } = agent;
  return [name, address, String(port), paired ? "yes" : "no", version, id, tags.join(",")];
}

async function watchAgents(
  search: SearchOptions,
  paired: ReadonlySet<string>,
  context: CommandContext,
): Promise<number> {
  const stop = context.timeout === undefined ? search.signal : stopAfter(context.timeout, context.signal);
  for await (const { event, agent } of watch({ ...search, ...(stop && { signal: stop }) })) {
    const facts = describe(agent, paired);
    const time = new Date().toISOString();
    context.stdout.write(
      context.json
        ? `${JSON.stringify({ time, event, agent: facts })}\n`
        : `${table(undefined, [[time.slice(11, 19), event.padEnd(9), ...row(facts)]])}\n`,
    );
  }
  return 0;
}

function stopAfter(timeout: number, signal: AbortSignal): AbortSignal {
  return AbortSignal.any([signal, AbortSignal.timeout(timeout)]);
}

function warn(note: DiscoveryNote, context: CommandContext): void {
  if (note.kind !== "unresolved") return;
  const error = new TetherError("not-found", `${note.target} has no address`);
  context.stderr.write(`tether: ${error.message}\n`);
}
