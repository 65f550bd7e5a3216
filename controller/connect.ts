import { isIP } from "node:net";
import { agentIdOf, type Identity, TetherError } from "../protocol/index.ts";
import { Client } from "./client.ts";
import { openConnection } from "./connection.ts";
import { parseHostPort } from "./host-port.ts";
import { controllerFolder, openControllerIdentity } from "./identity.ts";
import { type KnownAgent, KnownAgents } from "./known-agents.ts";
import { reach } from "./reach.ts";

/** How to connect. */
export interface ConnectOptions {
  /** The controller's own folder, with its key and the paired agents; as `tether` has it unless given. */
  readonly folder?: string;
  readonly signal?: AbortSignal;
  /** False: a lost connection is not made again, and no call is sent twice. */
  readonly reconnect?: boolean;
  /** False: keys of calls are not remembered on disk, because nobody ever uses them again. */
  readonly rememberKeys?: boolean;
}

/**
 * Connects to a paired agent.
 *
 * @param name its name, its id, or HOST[:PORT]; unless given `$TETHER_AGENT`, the one that `tether use` set, or
 * the only one that is paired
 * @throws TetherError `unauthorized` when no such agent is paired or its key is another, `unreachable` or
 * `timeout` when it does not answer
 */
export async function connect(name?: string, options: ConnectOptions = {}): Promise<Client> {
  const folder = options.folder ?? controllerFolder();
  const agents = new KnownAgents(folder);
  const wanted = name ?? process.env.TETHER_AGENT;
  const known = wanted === undefined ? defaultAgent(agents) : findAgentNamed(agents, wanted);
  const identity = await openControllerIdentity(folder);
  const { signal, reconnect = true, rememberKeys = true } = options;
  if (known !== undefined) {
    const dial = (until: AbortSignal | undefined) =>
      reach(known, { identity, agents, ...(until && { signal: until }) });
    return new Client(known.name, await dial(signal), {
      connect: reconnect ? dial : undefined,
      folder: rememberKeys ? folder : undefined,
    });
  }
  return connectByAddress(agents, wanted as string, { ...options, identity, folder });
}

/** The agent to use when none is named. Throws `unauthorized` when that is not clear. */
export function defaultAgent(agents: KnownAgents): KnownAgent {
  const known = agents.default();
  if (known !== undefined) return known;
  const names = agents.list().map((agent) => agent.name);
  if (names.length > 1) {
    throw new TetherError("usage", `several agents are paired: ${names.join(", ")}`, {
      hint: "name one with -a NAME, or set the default with `tether use NAME`",
    });
  }
  throw new TetherError("unauthorized", "no agent is paired", {
    hint: "`tether discover` shows who is there; `tetherd pair` on the Pi prints what to type here",
  });
}

/** The paired agent called so; undefined when `name` is an address of which nothing is known yet. */
export function findAgentNamed(agents: KnownAgents, name: string): KnownAgent | undefined {
  try {
    return agents.find(name);
  } catch (error) {
    if (!(error instanceof TetherError) || error.code !== "not-found") throw error;
    if (isAddress(name)) return undefined;
    throw new TetherError("unauthorized", error.message, { hint: error.hint });
  }
}

/** True for what can only be meant as an address: `HOST:PORT`, a name with a dot, an IP address. */
function isAddress(name: string): boolean {
  return isIP(name) !== 0 || /[.:]/.test(name) || name === "localhost";
}

/** Connects to an address and accepts whichever paired agent answers there. */
async function connectByAddress(
  agents: KnownAgents,
  name: string,
  options: ConnectOptions & { readonly identity: Identity; readonly folder: string },
): Promise<Client> {
  const { identity, folder, signal, reconnect = true, rememberKeys = true } = options;
  const address = parseHostPort(name);
  let known: KnownAgent | undefined;
  const accept = (fingerprint: string) => {
    // Whoever answers later at this address must be the one who answered first.
    const expected = known ?? agents.withId(agentIdOf(fingerprint));
    if (expected?.fingerprint === fingerprint) {
      known = expected;
      return;
    }
    throw new TetherError(
      "unauthorized",
      `not paired with the agent at ${name}, whose key is ${fingerprint}`,
      {
        hint: "run `tetherd pair` there, then the `tether pair` line that it prints",
      },
    );
  };
  const dial = (until: AbortSignal | undefined) =>
    openConnection({ ...address, identity, accept, ...(until && { signal: until }) });
  const connection = await dial(signal);
  return new Client(known?.name ?? name, connection, {
    connect: reconnect ? dial : undefined,
    folder: rememberKeys ? folder : undefined,
  });
}
