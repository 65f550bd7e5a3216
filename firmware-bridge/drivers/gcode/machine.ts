import type { TetherError } from "../../../protocol/errors.ts";
import type { DeviceRecord, DeviceResult } from "../../value.ts";
import type { DriverCommand } from "../driver.ts";
import type { LineFlow } from "./line-flow.ts";
import type { LineRules } from "./program.ts";

/** What a machine tells whoever drives it. */
export interface MachineEvents {
  /** Its values, as far as they have come now. */
  values(values: DeviceRecord): void;
  /** It has more axes than were known. */
  redescribed(): void;
  /** It says nothing any more although it was asked. */
  silent(error: TetherError): void;
  /** It was reset, or has stopped by itself: what was under way is over. */
  broken(error: TetherError): void;
}

/** A machine on one link, in one dialect. */
export interface Machine {
  readonly flow: LineFlow;
  readonly rules: LineRules;
  /** Asks it how it is, now and from now on. */
  start(): void;
  /** Takes a line that it said. */
  heard(line: string): void;
  /** Waits until it has spoken since the link came. Throws `timeout`. */
  greeted(signal: AbortSignal): Promise<void>;
  /** Throws `device-failed` while it takes nothing but a reset. */
  checkTakes(): void;
  /** How it is now, asked anew. */
  status(signal: AbortSignal): Promise<DeviceRecord>;
  /** Throws `device-failed` unless it may begin a job. */
  checkIdle(signal: AbortSignal): Promise<void>;
  /** As {@link hold}, but does not wait for it. */
  beginHold(): Promise<void>;
  /** Brings it to rest with what it was doing kept, as far as it can. */
  hold(): Promise<void>;
  /** Goes on after {@link hold}. */
  resume(): Promise<void>;
  /** Brings it to rest and throws away all that it was to do. */
  stop(): Promise<void>;
  /** Waits until all that it took is done, or it does not come nearer to that; gives its state then. */
  settled(signal: AbortSignal): Promise<string>;
  /** The link is gone. */
  end(reason: TetherError): void;
}

/** What a dialect has besides streaming. */
export interface MachineCommand {
  readonly name: string;
  readonly summary: string;
  readonly parameters: DriverCommand["parameters"];
  readonly result: DriverCommand["result"];
  /** True when it goes together with a job under way. */
  readonly duringJob: boolean;
  /** True when it brings back a machine that takes nothing but a reset. */
  readonly resets?: boolean;
  run(args: { readonly [name: string]: unknown }, signal: AbortSignal): Promise<DeviceResult>;
}
