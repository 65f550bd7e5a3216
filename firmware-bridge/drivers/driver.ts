import type { TetherError } from "../../protocol/errors.ts";
import type { DeviceProfile } from "../profile.ts";
import type { DeviceResult, DeviceValue, JsonSchema } from "../value.ts";

/** One command of a device, ready to be offered as a procedure. */
export interface DriverCommand {
  readonly name: string;
  /** One sentence. */
  readonly summary: string;
  /** Parameter name to JSON Schema, in positional order. */
  readonly parameters: { readonly [name: string]: JsonSchema };
  readonly result: JsonSchema;
  /** Runs it on the attached link; the signal's reason is thrown when it aborts. */
  run(args: { readonly [name: string]: unknown }, signal: AbortSignal): Promise<DeviceResult>;
}

/** What a driver may do on its link. */
export interface DriverPort {
  write(bytes: Uint8Array): Promise<void>;
}

/** Where a driver's readings go. */
export interface ReadingSink {
  /** A reading of the profile has this value now. */
  value(name: string, value: DeviceValue): void;
  /** A reading of the profile could not be had. */
  failed(name: string, error: TetherError): void;
}

/**
 * The code that speaks one device protocol. It lives as long as its device; links come and go under it, one
 * at a time: `attach`, any number of `received`, `detach`.
 */
export interface Driver {
  readonly commands: readonly DriverCommand[];
  attach(port: DriverPort): void;
  /**
   * Sends one line and gives the line that answers it, in its turn among the commands.
   *
   * @throws TetherError `invalid` for a text of several lines, `timeout` when nothing answers
   */
  say(text: string, signal: AbortSignal): Promise<string>;
  /** Bytes from the device, valid until this returns. */
  received(bytes: Uint8Array): void;
  /** The link is gone: everyone who waits is told `reason`. */
  detach(reason: TetherError): void;
}

/** Makes a driver; throws TetherError `invalid` when the profile makes no sense to it. */
export type DriverFactory = (profile: DeviceProfile, readings: ReadingSink) => Driver;
