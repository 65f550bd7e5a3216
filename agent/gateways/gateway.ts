import type { GatewayConfiguration } from "../config/index.ts";
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
  /** True where every caller proves who he is, so that the gateway may be open to a network. */
  readonly authenticates: boolean;
}

/** What gateways need of the agent's other rooms. */
export interface GatewayServices {
  readonly registry: Registry;
  readonly calls: CallGate;
  readonly log: Log;
  /** The log for what strangers do. */
  readonly refusals: Refusals;
}
