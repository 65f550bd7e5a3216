import type { Identity } from "../../protocol/index.ts";
import type { DeviceDesk } from "../devices/index.ts";
import type { Files } from "../files/index.ts";
import type { Controllers, PairingDesk } from "../identity/index.ts";
import type { Log } from "../log.ts";
import type { Registry } from "../procedures/index.ts";
import type { Programs } from "../programs/index.ts";
import type { CallGate } from "./call-gate.ts";
import type { ForwardServer } from "./forward-stream.ts";
import type { KeyedCalls } from "./keyed-calls.ts";
import type { Refusals } from "./refusals.ts";

/** What the server needs of the agent's other rooms. */
export interface Services {
  readonly identity: Identity;
  readonly log: Log;
  /** The log for what strangers do. */
  readonly refusals: Refusals;
  readonly registry: Registry;
  readonly controllers: Controllers;
  readonly pairing: PairingDesk;
  readonly calls: CallGate;
  readonly keyed: KeyedCalls;
  readonly files: Files;
  readonly devices: DeviceDesk;
  readonly programs: Programs;
  readonly forward: ForwardServer;
  /** How the agent calls itself now: both may change when the configuration is read again. */
  readonly facts: () => { readonly name: string; readonly tags: readonly string[] };
}
