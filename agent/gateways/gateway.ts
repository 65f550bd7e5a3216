import type { ErrorCode } from "../../protocol/index.ts";
import type { GatewayConfiguration } from "../config/index.ts";
import type { DeviceDesk } from "../devices/index.ts";
import type { Files } from "../files/index.ts";
import type { Tokens } from "../identity/index.ts";
import type { Log } from "../log.ts";
import type { Registry } from "../procedures/index.ts";
import type { CallGate, Refusals } from "../server/index.ts";

/** Where a gateway is reached. A type, not an interface, so that it is a JsonObject. */
export type GatewayFacts =
  | { kind: GatewayConfiguration["kind"]; address: string; port: number }
  | { kind: GatewayConfiguration["kind"]; path: string };

/** A listener that turns somebody else's protocol into calls of the one registry. */
export interface Gateway {
  /**
   * Listens.
   *
   * @throws TetherError with what stands in the way; nothing is left open then
   */
  start(): Promise<void>;
  /** Takes nobody and nothing new, lets calls in flight end until `signal` aborts, and closes everything. */
  stop(signal: AbortSignal): Promise<void>;
  /** Reads again what the configuration only names, such as a certificate. */
  refresh?(): Promise<void>;
  /** Where it listens, once it does. */
  readonly facts: GatewayFacts;
  /** What its owner should know where it is open to a network; undefined where nothing is to be said. */
  readonly caution: string | undefined;
  /** What has happened so far. */
  readonly counts: GatewayCounts;
}

/** What a gateway counts. */
export interface GatewayCounts {
  /** Open now. */
  readonly connections: number;
  readonly calls: number;
  /** Calls that failed, by code. */
  readonly errors: ReadonlyMap<ErrorCode, number>;
}

/** What to say of an open gateway that has no way to tell who is calling. */
export function asksNobody({ role, allow }: GatewayConfiguration): string {
  return `asks nobody who he is: everybody who reaches it may call ${allow.join(", ") || "nothing"} as ${role}`;
}

/** What gateways need of the agent's other rooms. */
export interface GatewayServices {
  readonly registry: Registry;
  readonly calls: CallGate;
  readonly files: Files;
  readonly devices: DeviceDesk;
  readonly log: Log;
  /** The log for what strangers do. */
  readonly refusals: Refusals;
  readonly tokens: Tokens;
  /** The agent's name. */
  readonly name: () => string;
  readonly overview: () => AgentOverview;
}

/** What the agent says of itself to those who watch it. */
export interface AgentOverview {
  /** The state of each device. */
  readonly devices: readonly string[];
  readonly controllers: number;
  readonly sessions: number;
}

/** What a gateway's own code has: the agent's rooms, and all gateways that listen. */
export interface GatewaySurroundings extends GatewayServices {
  readonly gateways: () => readonly Gateway[];
}
