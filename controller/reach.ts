import { asTetherError, type Identity, TetherError } from "../protocol/index.ts";
import { type Connection, openConnection } from "./connection.ts";
import type { HostPort } from "./host-port.ts";
import { agentKeyChanged, type KnownAgent, type KnownAgents } from "./known-agents.ts";

/** Milliseconds that the last address has for itself before the network is asked where the agent is now. */
const HEAD_START = 400;
/** Milliseconds that agents have to answer that question. */
const SEARCH = 1_000;

/** Whom to reach, and as whom. */
export interface ReachOptions {
  readonly identity: Identity;
  readonly agents: KnownAgents;
  readonly signal?: AbortSignal;
}

/**
 * Connects to a paired agent: where it was last, and if it is not there, where discovery finds it.
 *
 * @throws TetherError `unauthorized` when its address answers with another key and it is nowhere else,
 * `unreachable` or `timeout` when nobody answers
 */
export async function reach(known: KnownAgent, options: ReachOptions): Promise<Connection> {
  const settled = new AbortController();
  const signal = options.signal ? AbortSignal.any([options.signal, settled.signal]) : settled.signal;
  const [host = known.name] = known.addresses;
  const last: HostPort = { host, port: known.port };
  const direct = openConnection({
    ...last,
    identity: options.identity,
    accept: (fingerprint) => {
      if (fingerprint !== known.fingerprint) throw agentKeyChanged(known, fingerprint, last);
    },
    signal,
  });
  try {
    const searched = delayUnlessFails(direct, HEAD_START, signal).then(() => search(known, options, signal));
    return await firstOf(direct, searched);
  } finally {
    settled.abort(new TetherError("cancelled", "another way was faster"));
  }
}

/** Resolves after `delay`, or as soon as `attempt` fails; never when `signal` aborts before. */
function delayUnlessFails(attempt: Promise<unknown>, delay: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, delay);
    const onAbort = () => {
      clearTimeout(timer);
      reject(asTetherError(signal.reason));
    };
    signal.addEventListener("abort", onAbort, { once: true });
    attempt.catch(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}

/** The first connection that stands; the other one is closed. When both fail, what the direct way said. */
async function firstOf(direct: Promise<Connection>, searched: Promise<Connection>): Promise<Connection> {
  try {
    const first = await Promise.any([direct, searched]);
    for (const other of [direct, searched]) {
      other.then((connection) => connection !== first && connection.close()).catch(() => undefined);
    }
    return first;
  } catch {
    // Its reason is the better one: discovery can only add that nobody answered there either.
    return direct;
  }
}

async function search(known: KnownAgent, options: ReachOptions, signal: AbortSignal): Promise<Connection> {
  const { discover } = await import("./discovery/index.ts");
  const isIt = ({ id }: { readonly id: string }) => id === known.id;
  const agents = await discover({
    timeout: SEARCH,
    known: known.addresses.map((host) => ({ address: host, port: known.port })),
    until: isIt,
    signal,
  });
  const found = agents.find(isIt);
  if (found === undefined) throw new TetherError("unreachable", `${known.name} answers nowhere`);
  const address: HostPort = { host: found.address, port: found.port };
  const connection = await openConnection({
    ...address,
    identity: options.identity,
    // A found address with another key is some other agent's, and says nothing about this one's key.
    accept: (fingerprint) => {
      if (fingerprint !== known.fingerprint) {
        throw new TetherError("unreachable", `another agent than ${known.name} answers at ${found.address}`);
      }
    },
    signal,
  });
  // Not to have noted where it is costs the next command a search; the connection stands all the same.
  await options.agents.reached(known.id, address).catch(() => undefined);
  return connection;
}
