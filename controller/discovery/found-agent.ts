import { isIPv4 } from "node:net";
import { type Answer, addressToBytes, isLinkLocalIPv6, isLoopback, zoneOf } from "../../protocol/index.ts";

/** An agent whose signed answer has been verified. */
export interface FoundAgent {
  readonly id: string;
  readonly name: string;
  /** One of the addresses the agent signed; a link-local one has the zone of this machine's interface. */
  readonly address: string;
  /** TCP port of its service. */
  readonly port: number;
  readonly version: string;
  readonly fingerprint: string;
  readonly tags: readonly string[];
  /** Hexadecimal; another one means that the agent has started anew. */
  readonly instance: string;
}

/**
 * The address to reach the agent at: the signed one that its answer came from, else the first signed one that
 * means anything here. Undefined when it signed none such.
 */
export function reachableAddress(answer: Answer, source: string): string | undefined {
  const from = addressToBytes(source);
  const zone = zoneOf(source);
  const own = answer.addresses.find((address) => {
    const bytes = addressToBytes(address);
    return bytes !== undefined && from !== undefined && Buffer.compare(bytes, from) === 0;
  });
  const address =
    own ??
    answer.addresses.find((other) => !isLoopback(other) && (!isLinkLocalIPv6(other) || zone !== undefined));
  return address !== undefined && isLinkLocalIPv6(address) && zone !== undefined
    ? `${address}%${zone}`
    : address;
}

/** The order in which addresses of one agent are preferred, least first. */
export function addressRank(address: string): number {
  if (isLoopback(address)) return 0;
  if (isIPv4(address)) return 1;
  return isLinkLocalIPv6(address) ? 3 : 2;
}

/** True when no better address than this agent's is to be expected, so that it need not answer again. */
export function isSettled(agent: FoundAgent): boolean {
  return !isLinkLocalIPv6(agent.address);
}

/** By name, then by id. */
export function inOrder(agents: Iterable<FoundAgent>): FoundAgent[] {
  return [...agents].sort((a, b) => compare(a.name, b.name) || compare(a.id, b.id));
}

function compare(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}
