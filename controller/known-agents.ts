import { join } from "node:path";
import {
  agentIdOf,
  cleanName,
  formatHostPort,
  isFingerprint,
  isName,
  NAME_RULE,
  NAMES,
  STATE,
  TetherError,
  uniqueName,
} from "../protocol/index.ts";
import {
  openPrivateFolder,
  parseEntryList,
  readPrivateFile,
  withFolderLock,
  writePrivateFile,
} from "../transfer/index.ts";
import { type HostPort, parseHostPort } from "./host-port.ts";

const FILE = "agents.json";
const LIST = {
  version: 1,
  name: "agents",
  entry: "a paired agent",
  isEntry: isKnownAgent,
  remedy: " and pair your agents again",
};

/** An agent that this controller is paired with. Times are ISO 8601 in UTC. */
export interface KnownAgent {
  /** What this controller calls it. */
  readonly name: string;
  readonly id: string;
  readonly fingerprint: string;
  /** Host names and addresses at which it was reached, the last one first. */
  readonly addresses: readonly string[];
  readonly port: number;
  /** This controller's role there when it was paired. */
  readonly role: string;
  readonly tags: readonly string[];
  readonly pairedAt: string;
}

/** What pairing found out about an agent. */
export interface PairedAgent {
  readonly fingerprint: string;
  /** What the agent calls itself. */
  readonly ownName: string;
  /** What the person wants to call it. */
  readonly name?: string;
  readonly address: HostPort;
  readonly role: string;
  readonly tags: readonly string[];
}

interface Contents {
  readonly agents: readonly KnownAgent[];
  /** Id of the agent that `tether use` set. */
  readonly used: string | null;
}

/**
 * The paired agents, in `agents.json` in the controller's folder. Reading takes the file as it is; every change
 * reads it again, changes it and puts it in place whole, under the folder's lock, so that of two `tether`
 * processes at the same time neither undoes the other's change.
 */
export class KnownAgents {
  readonly #folder: string;
  readonly #path: string;

  constructor(folder: string) {
    this.#folder = folder;
    this.#path = join(folder, FILE);
  }

  /** All of them, in the order in which they were paired. */
  list(): readonly KnownAgent[] {
    return this.#read().agents;
  }

  /** The one that `use` set, else the only one there is, else undefined. */
  default(): KnownAgent | undefined {
    const { agents, used } = this.#read();
    return agents.find((agent) => agent.id === used) ?? (agents.length === 1 ? agents[0] : undefined);
  }

  /**
   * The agent that a person means by NAME: its name, its id, or HOST[:PORT] of where it was reached.
   *
   * @throws TetherError `not-found` that lists the known ones, `invalid` when an address fits several
   */
  find(name: string): KnownAgent {
    return found(this.#read().agents, name);
  }

  /** The agent with this id; undefined when it is not paired. */
  withId(id: string): KnownAgent | undefined {
    return this.#read().agents.find((agent) => agent.id === id);
  }

  /** The agents that were reached at this address, among them also those that are elsewhere by now. */
  at(address: HostPort): readonly KnownAgent[] {
    return reachedAt(this.#read().agents, address);
  }

  /** The agents of which this address is the last one known. */
  lastAt(address: HostPort): readonly KnownAgent[] {
    return this.at(address).filter((agent) => isHost(agent.addresses[0], address.host));
  }

  /**
   * Says whether a name that a person chose can be given to a new agent, before a code is spent on it.
   *
   * @throws TetherError `invalid` for a name that is not allowed, `exists` for one that another agent has
   */
  checkName(name: string): void {
    refuseName(name, this.#read().agents);
  }

  /**
   * Keeps an agent whose proof was right. One that is paired already keeps its name and place in the list, and
   * the rest is brought up to date. The name that a new agent gives itself is cleaned and made unique by `-2`,
   * `-3`; a name that the person chose is taken as it is or refused.
   *
   * @throws TetherError as {@link checkName}, `limit` when there are too many, or what the disk says
   */
  async add(paired: PairedAgent, now: Date = new Date()): Promise<KnownAgent> {
    const { fingerprint, address, role, tags } = paired;
    const id = agentIdOf(fingerprint);
    return this.#change(({ agents, used }) => {
      const old = agents.find((agent) => agent.id === id);
      const others = agents.filter((agent) => agent !== old);
      if (others.length >= STATE.agents) {
        throw new TetherError("limit", `${others.length} agents are paired, and no more fit`, {
          hint: "type: tether forget NAME",
        });
      }
      if (paired.name !== undefined) refuseName(paired.name, others);
      const name =
        paired.name ??
        old?.name ??
        uniqueName(cleanName(paired.ownName, id), (wanted) =>
          others.some((agent) => isCalled(agent, wanted)),
        );
      const agent: KnownAgent = {
        name,
        id,
        fingerprint,
        addresses: lastFirst(address.host, old?.addresses),
        port: address.port,
        role,
        tags,
        pairedAt: now.toISOString(),
      };
      const list = old === undefined ? [...agents, agent] : agents.map((one) => (one === old ? agent : one));
      return { contents: { agents: list, used }, result: agent };
    });
  }

  /** Notes where an agent was reached just now; writes only when that is news. */
  async reached(id: string, address: HostPort): Promise<void> {
    const known = this.withId(id);
    if (known === undefined || (known.addresses[0] === address.host && known.port === address.port)) return;
    await this.#change(({ agents, used }) => {
      const list = agents.map((agent) =>
        agent.id === id
          ? { ...agent, addresses: lastFirst(address.host, agent.addresses), port: address.port }
          : agent,
      );
      return { contents: { agents: list, used }, result: undefined };
    });
  }

  /** Makes the agent that NAME means the default; throws as {@link find}. */
  async use(name: string): Promise<KnownAgent> {
    return this.#change(({ agents }) => {
      const agent = found(agents, name);
      return { contents: { agents, used: agent.id }, result: agent };
    });
  }

  /** Removes the agent that NAME means, so that it has to be paired again; throws as {@link find}. */
  async forget(name: string): Promise<KnownAgent> {
    return this.#change(({ agents, used }) => {
      const agent = found(agents, name);
      const contents = {
        agents: agents.filter((one) => one !== agent),
        used: used === agent.id ? null : used,
      };
      return { contents, result: agent };
    });
  }

  #read(): Contents {
    const text = readPrivateFile(this.#path);
    return text === undefined ? { agents: [], used: null } : parse(text, this.#path);
  }

  #change<T>(change: (contents: Contents) => { contents: Contents; result: T }): Promise<T> {
    openPrivateFolder(this.#folder, "0755");
    return withFolderLock(this.#folder, async () => {
      const { contents, result } = change(this.#read());
      await writePrivateFile(
        this.#path,
        `${JSON.stringify({ version: LIST.version, ...contents }, null, 2)}\n`,
      );
      return result;
    });
  }
}

/**
 * The refusal of an agent whose key is not the one that was pinned.
 *
 * @param presented fingerprint of the key that the other side showed
 */
export function agentKeyChanged(known: KnownAgent, presented: string, address: HostPort): TetherError {
  const where = formatHostPort(address.host, address.port);
  return new TetherError(
    "unauthorized",
    `the key of ${known.name} at ${where} has changed: paired was ${known.fingerprint}, now it shows ${presented}`,
    {
      hint:
        `if it was set up anew, type: tether forget ${known.name}, then: tether pair ${where} --code CODE; ` +
        "if not, somebody may be in its place",
    },
  );
}

function found(agents: readonly KnownAgent[], name: string): KnownAgent {
  const called = agents.find((agent) => agent.name === name) ?? agents.find((agent) => agent.id === name);
  if (called !== undefined) return called;
  const address = addressIn(name);
  const reached = reachedAt(agents, address);
  const last = reached.filter((agent) => isHost(agent.addresses[0], address?.host));
  const [agent, ...more] = last.length > 0 ? last : reached;
  if (agent === undefined) throw unknownAgent(agents, name);
  if (more.length > 0) {
    const names = [agent, ...more].map((one) => one.name).join(", ");
    throw new TetherError("invalid", `${name} fits several agents: ${names}`, {
      hint: "use one of these names",
    });
  }
  return agent;
}

function addressIn(name: string): HostPort | undefined {
  try {
    return parseHostPort(name);
  } catch {
    // Then it names no address, and the caller says that it names no agent either.
    return undefined;
  }
}

function reachedAt(agents: readonly KnownAgent[], address: HostPort | undefined): readonly KnownAgent[] {
  return agents.filter(
    (agent) => agent.port === address?.port && agent.addresses.some((one) => isHost(one, address.host)),
  );
}

function isHost(one: string | undefined, other: string | undefined): boolean {
  return one?.toLowerCase() === other?.toLowerCase();
}

function unknownAgent(agents: readonly KnownAgent[], name: string): TetherError {
  const names = agents.map((agent) => agent.name);
  const known = names.length === 0 ? "none is paired" : `paired are ${names.join(", ")}`;
  return new TetherError(
    "not-found",
    `no agent ${JSON.stringify(name.slice(0, 4 * NAMES.length))}: ${known}`,
    {
      hint: "pair it first: type `tetherd pair` there, then `tether pair HOST --code CODE` here",
    },
  );
}

function refuseName(name: string, others: readonly KnownAgent[]): void {
  if (!isName(name)) {
    throw new TetherError("invalid", `${JSON.stringify(name)} cannot name an agent`, {
      hint: `a name has ${NAME_RULE}`,
    });
  }
  const other = others.find((agent) => isCalled(agent, name));
  if (other !== undefined) {
    throw new TetherError("exists", `another paired agent is called ${name} (${other.fingerprint})`, {
      hint: `choose another name, or type: tether forget ${name}`,
    });
  }
}

function isCalled(agent: KnownAgent, name: string): boolean {
  return agent.name === name || agent.id === name;
}

function lastFirst(host: string, older: readonly string[] = []): readonly string[] {
  return [host, ...older.filter((one) => one !== host)].slice(0, STATE.addresses);
}

function parse(text: string, where: string): Contents {
  const { entries, others } = parseEntryList(text, where, LIST);
  return { agents: entries, used: typeof others.used === "string" ? others.used : null };
}

function isKnownAgent(value: unknown): value is KnownAgent {
  if (typeof value !== "object" || value === null) return false;
  const entry = value as Partial<Record<keyof KnownAgent, unknown>>;
  return (
    isName(entry.name) &&
    isFingerprint(entry.fingerprint) &&
    entry.id === agentIdOf(entry.fingerprint) &&
    isTexts(entry.addresses) &&
    typeof entry.port === "number" &&
    typeof entry.role === "string" &&
    isTexts(entry.tags) &&
    typeof entry.pairedAt === "string"
  );
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((one) => typeof one === "string");
}
