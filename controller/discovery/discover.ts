import { networkInterfaces } from "node:os";
import { setTimeout as wait } from "node:timers/promises";
import { asTetherError, DISCOVERY, decodeDatagram, TetherError } from "../../protocol/index.ts";
import { askPauses } from "./ask-pauses.ts";
import { Asker } from "./asker.ts";
import { addressRank, type FoundAgent, inOrder } from "./found-agent.ts";
import type { Interfaces } from "./interface-zones.ts";
import { Questions, type RefusalReason } from "./questions.ts";

/** What happens during a search that is neither an agent nor an error. */
export type DiscoveryNote =
  | { readonly kind: "unresolved"; readonly target: string }
  | { readonly kind: "refused"; readonly address: string; readonly reason: RefusalReason };

export interface SearchOptions {
  /** UDP port of the agents, 7415 unless given. */
  readonly port?: number;
  /** Host names or addresses to ask besides every interface's broadcast: single ones, or broadcast addresses. */
  readonly targets?: readonly string[];
  /** Agents known from before: each address is asked on its own port and on `port`. */
  readonly known?: readonly { readonly address: string; readonly port: number }[];
  /** Gives the interfaces to ask on: all that the machine has, unless given. */
  readonly interfaces?: () => Interfaces;
  readonly signal?: AbortSignal;
  /** Takes targets without an address, and answers that were refused. */
  readonly onEvent?: (note: DiscoveryNote) => void;
}

export interface DiscoverOptions extends SearchOptions {
  /** Milliseconds to listen. */
  readonly timeout: number;
  /** Ends the search at once when it gives true for an agent. */
  readonly until?: (agent: FoundAgent) => boolean;
}

/**
 * Finds the agents on every network of this machine, by name and id; none found is an empty list.
 *
 * Asks again with growing pauses until the time is up. Throws `usage` for a port that is none, and what
 * `signal` is aborted with.
 */
export async function discover(options: DiscoverOptions): Promise<FoundAgent[]> {
  const port = checkedPort(options.port);
  const found = new Map<string, FoundAgent>();
  const questions = new Questions();
  const finished = new AbortController();
  const asker = new Asker({
    port,
    targets: options.targets ?? [],
    known: options.known ?? [],
    interfaces: options.interfaces ?? networkInterfaces,
    onUnresolved: (target) => options.onEvent?.({ kind: "unresolved", target }),
    onDatagram: (bytes, source) => {
      const answer = decodeDatagram(bytes);
      if (answer?.type !== "answer") return;
      const checked = questions.check(answer, source, performance.now());
      if ("refused" in checked) {
        options.onEvent?.({ kind: "refused", address: source, reason: checked.refused });
      } else if (isBetter(checked.agent, found)) {
        found.set(checked.agent.id, checked.agent);
        if (options.until?.(checked.agent)) finished.abort();
      }
    },
  });
  const stop = options.signal ? AbortSignal.any([options.signal, finished.signal]) : finished.signal;
  const end = performance.now() + options.timeout;
  try {
    options.signal?.throwIfAborted();
    asker.start();
    for (const pause of askPauses(Math.random)) {
      await asker.ask(questions.next(performance.now(), found.values()));
      const left = end - performance.now();
      // A question whose answer would come too late is not asked.
      const isLast = left - pause < DISCOVERY.firstPause;
      await wait(Math.max(0, isLast ? left : pause), undefined, { signal: stop });
      if (isLast) break;
    }
  } catch (thrown) {
    if (options.signal?.aborted) throw asTetherError(options.signal.reason);
    if (!finished.signal.aborted) throw thrown;
  } finally {
    asker.stop();
  }
  return inOrder(found.values());
}

/** Finds the one agent with this id, and returns as soon as it answers; undefined when the time runs out first. */
export async function findAgent(
  id: string,
  options: Omit<DiscoverOptions, "until">,
): Promise<FoundAgent | undefined> {
  const isIt = (agent: FoundAgent) => agent.id === id;
  return (await discover({ ...options, until: isIt })).find(isIt);
}

/** The port itself, or the default; throws `usage`. */
export function checkedPort(port: number | undefined): number {
  if (port === undefined) return DISCOVERY.port;
  if (Number.isInteger(port) && port > 0 && port < 65_536) return port;
  throw new TetherError("usage", `discovery port ${port} is none: allowed are 1 to 65535`);
}

function isBetter(agent: FoundAgent, found: ReadonlyMap<string, FoundAgent>): boolean {
  const before = found.get(agent.id);
  if (!before) return found.size < DISCOVERY.agents;
  return before.instance !== agent.instance || addressRank(agent.address) < addressRank(before.address);
}
