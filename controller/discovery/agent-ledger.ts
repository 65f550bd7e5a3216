import type { KeyObject } from "node:crypto";
import { DISCOVERY, type Goodbye, verifyGoodbye } from "../../protocol/index.ts";
import { addressRank, type FoundAgent } from "./found-agent.ts";

/** What `watch` tells. A departed agent is given as it was last known. */
export interface DiscoveryEvent {
  readonly event: "arrived" | "restarted" | "departed" | "changed";
  readonly agent: FoundAgent;
}

interface Entry {
  agent: FoundAgent | undefined;
  key: KeyObject;
  /** Milliseconds. */
  heard: number;
  addressHeard: number;
  /** As the reader of events was last told. */
  reported: FoundAgent | undefined;
}

const INSTANCES_REMEMBERED = 4;

/**
 * Who is there. Events are worked out when they are read, as the difference to what was last read, so that a
 * slow reader costs no memory. Time is passed in, in milliseconds.
 */
export class AgentLedger {
  readonly #entries = new Map<string, Entry>();
  /** Instances that said goodbye or were followed by another, by id: a late answer revives none of them. */
  readonly #ended = new Map<string, readonly string[]>();

  /** Takes an agent whose answer has been verified. */
  hear(agent: FoundAgent, key: KeyObject, now: number): void {
    if (this.#ended.get(agent.id)?.includes(agent.instance)) return;
    const entry = this.#entries.get(agent.id);
    if (!entry) {
      if (this.#entries.size >= DISCOVERY.agents) return;
      this.#entries.set(agent.id, { agent, key, heard: now, addressHeard: now, reported: undefined });
      return;
    }
    const before = entry.agent;
    entry.heard = now;
    if (
      before?.instance === agent.instance &&
      this.#keepsAddress(before.address, agent.address, entry, now)
    ) {
      entry.agent = { ...agent, address: before.address };
      if (before.address === agent.address) entry.addressHeard = now;
      return;
    }
    if (before && before.instance !== agent.instance) this.#end(before);
    entry.agent = agent;
    entry.addressHeard = now;
  }

  /** Takes a goodbye; one that is not signed by the agent it names, or names another instance, counts for nothing. */
  bye(goodbye: Goodbye): void {
    const entry = this.#entries.get(goodbye.id);
    if (entry?.agent?.instance !== goodbye.instance || !verifyGoodbye(goodbye, entry.key)) return;
    this.#end(entry.agent);
    entry.agent = undefined;
  }

  /** Lets go of agents that have been silent for too long. */
  expire(now: number): void {
    for (const entry of this.#entries.values()) {
      if (now - entry.heard >= DISCOVERY.watchLifetime) entry.agent = undefined;
    }
  }

  /** Gives everybody another lifetime: nobody was asked meanwhile. */
  forgive(now: number): void {
    for (const entry of this.#entries.values()) entry.heard = now;
  }

  /** When the next agent would expire, or undefined. */
  nextExpiry(): number | undefined {
    let next: number | undefined;
    for (const { agent, heard } of this.#entries.values()) {
      if (agent) next = Math.min(next ?? Number.POSITIVE_INFINITY, heard + DISCOVERY.watchLifetime);
    }
    return next;
  }

  /** Agents heard since then. */
  heardSince(time: number): FoundAgent[] {
    return [...this.#entries.values()].flatMap(({ agent, heard }) => (agent && heard >= time ? [agent] : []));
  }

  /** True when somebody who is there has not been heard since then. */
  isMissedSince(time: number): boolean {
    return [...this.#entries.values()].some(({ agent, heard }) => agent !== undefined && heard < time);
  }

  /** What has happened since it was last read. */
  events(): DiscoveryEvent[] {
    const events: DiscoveryEvent[] = [];
    for (const [id, entry] of this.#entries) {
      const event = difference(entry.reported, entry.agent);
      entry.reported = entry.agent;
      if (!entry.agent) this.#entries.delete(id);
      if (event) events.push(event);
    }
    return events;
  }

  /** One good address is kept as long as it works: two paths to an agent are no change. */
  #keepsAddress(before: string, now: string, entry: Entry, time: number): boolean {
    const stale = time - entry.addressHeard >= DISCOVERY.watchLifetime;
    return before === now || (!stale && addressRank(now) >= addressRank(before));
  }

  #end(agent: FoundAgent): void {
    const ended = [...(this.#ended.get(agent.id) ?? []), agent.instance].slice(-INSTANCES_REMEMBERED);
    this.#ended.delete(agent.id);
    this.#ended.set(agent.id, ended);
    for (const oldest of this.#ended.keys()) {
      if (this.#ended.size <= DISCOVERY.agents) break;
      this.#ended.delete(oldest);
    }
  }
}

function difference(
  before: FoundAgent | undefined,
  after: FoundAgent | undefined,
): DiscoveryEvent | undefined {
  if (!after) return before && { event: "departed", agent: before };
  if (!before) return { event: "arrived", agent: after };
  if (before.instance !== after.instance) return { event: "restarted", agent: after };
  return JSON.stringify(before) === JSON.stringify(after) ? undefined : { event: "changed", agent: after };
}
