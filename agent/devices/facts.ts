import type { DeviceState, DeviceValue } from "../../firmware-bridge/index.ts";
import type { JsonObject } from "../../protocol/index.ts";
import type { Holder } from "./lease.ts";

/** What is known of one device, for lists. A type, so that it is a JsonObject. */
export type DeviceFacts = {
  name: string;
  driver: string;
  state: DeviceState;
  path: string | null;
  commands: string[];
  readings: string[];
};

/** What has passed on a device's port, and who holds it now. Times are ISO 8601 in UTC. */
export type StatisticsFacts = {
  name: string;
  state: DeviceState;
  reason: string | null;
  bytesIn: number;
  bytesOut: number;
  opens: number;
  reconnects: number;
  errors: number;
  lastFailure: { code: string; message: string; time: string } | null;
  watchers: number;
  holder: Holder | null;
};

/** A reading of a device has a value, the same one again too. Times are ISO 8601 in UTC. */
export interface ReadingEvent {
  readonly device: string;
  readonly reading: string;
  readonly value: DeviceValue;
  readonly unit: string | undefined;
  readonly time: string;
}

/** A reading of a device stays away: what is known of it is old. */
export interface StaleEvent {
  readonly device: string;
  readonly reading: string;
  readonly time: string;
}

/** A device stands otherwise than before, or for another reason. */
export interface StateEvent {
  readonly device: string;
  readonly state: DeviceState;
  /** One line on why; absent where it is `ready`. */
  readonly reason: string | undefined;
  readonly time: string;
}

/** The configuration has changed which devices there are; one declared otherwise than before is in both. */
export interface DeclaredEvent {
  readonly added: readonly string[];
  readonly removed: readonly string[];
}

/** A command of a device; it is called as the procedure `devices.DEVICE.NAME`. */
export interface CommandDescription {
  readonly name: string;
  readonly summary: string;
  /** Parameter name to JSON Schema, in positional order. */
  readonly parameters: { readonly [name: string]: JsonObject };
  /** JSON Schema. */
  readonly result: JsonObject;
}

/** A reading of a device, with its last value and when that came. */
export interface ReadingDescription {
  readonly name: string;
  readonly type: "integer" | "number" | "string" | "boolean";
  readonly unit?: string;
  readonly deviceClass?: string;
  readonly value?: DeviceValue;
  readonly time?: string;
  /** It stays away: the value is old. */
  readonly stale?: true;
}

/** A device with all that it can do and has said. */
export interface DeviceDescription {
  readonly name: string;
  readonly driver: string;
  readonly state: DeviceState;
  readonly reason: string | undefined;
  readonly path: string | null;
  readonly commands: readonly CommandDescription[];
  readonly readings: readonly ReadingDescription[];
}
