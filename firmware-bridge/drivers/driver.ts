import type { TetherError } from "../../protocol/errors.ts";
import type { DeviceProfile, ValueSchema } from "../profile.ts";
import type { DeviceResult, DeviceValue, JsonSchema } from "../value.ts";

/** A file under the agent's folder, open for reading. */
export interface SourceFile {
  readonly size: number;
  /** Its bytes in order, each piece valid until the next is asked for; ends it and closes it. */
  pieces(): AsyncIterable<Uint8Array>;
  close(): Promise<void>;
}

/** The agent's files, as far as commands may use them: paths are those that `tether ls` shows. */
export interface CommandFiles {
  /** Throws TetherError `not-found`, `forbidden`, `invalid` for what is no file. */
  open(path: string): Promise<SourceFile>;
  /** Writes a file whole, or leaves the old one; throws TetherError `quota`, `forbidden`, `not-found`. */
  save(path: string, bytes: Uint8Array): Promise<void>;
}

/** What a command has around it when somebody calls it; a poll has nothing. */
export interface CommandSurroundings {
  /** Who called, as a message names them. */
  readonly caller: string;
  /** Says how far it is; `total` where it is known. */
  readonly progress: (progress: {
    readonly done: number;
    readonly total?: number;
    readonly note?: string;
  }) => void;
  readonly files: CommandFiles;
}

/** One command of a device, ready to be offered as a procedure. */
export interface DriverCommand {
  readonly name: string;
  /** One sentence. */
  readonly summary: string;
  /** Parameter name to JSON Schema, in positional order. */
  readonly parameters: { readonly [name: string]: JsonSchema };
  /** The last parameter is an array, whose members are given one after the other. */
  readonly variadic?: boolean;
  readonly result: JsonSchema;
  /** Runs it on the attached link; the signal's reason is thrown when it aborts. */
  run(
    args: { readonly [name: string]: unknown },
    signal: AbortSignal,
    surroundings?: CommandSurroundings,
  ): Promise<DeviceResult>;
}

/** What a driver may do on its link. */
export interface DriverPort {
  /** Throws `busy` while somebody else holds the port, `device-missing`, `limit`. */
  write(bytes: Uint8Array): Promise<void>;
  /**
   * Keeps the port for something long that must not be disturbed, such as a machine's job: until what it gives is
   * called, nobody gets the port but an admin who takes it, and then `cut` is told why. A `detach` ends it too.
   *
   * @throws TetherError `busy` while somebody else holds the port
   */
  claim?(what: string, cut: (reason: TetherError) => Promise<void>): () => void;
}

/** A reading that the driver itself has, beside those of the profile's `readings`. */
export interface ReadingDeclaration {
  readonly name: string;
  readonly type: ValueSchema["type"];
  readonly unit?: string;
  readonly deviceClass?: string;
  /** As in a {@link ReadingTuning}, unless the profile says otherwise; 0 for what is asked for often. */
  readonly deadband?: number;
}

/** Where a driver's readings go. */
export interface ReadingSink {
  /** A reading has this value now. */
  value(name: string, value: DeviceValue): void;
  /** A reading could not be had. */
  failed(name: string, error: TetherError): void;
  /** The driver's `commands` or `readings` are others than before: a board that describes itself has spoken. */
  redescribed(): void;
}

/**
 * The code that speaks one device protocol. It lives as long as its device; links come and go under it, one
 * at a time: `attach`, any number of `received`, `detach`.
 */
export interface Driver {
  /** May change while it lives; {@link ReadingSink.redescribed} tells. */
  readonly commands: readonly DriverCommand[];
  /** Readings of the driver itself; absent: none. May change as `commands` may. */
  readonly readings?: readonly ReadingDeclaration[];
  attach(port: DriverPort): void;
  /**
   * Sends one line and gives the line that answers it, in its turn among the commands.
   *
   * @throws TetherError `invalid` for a text of several lines, `timeout` when nothing answers
   */
  say(text: string, signal: AbortSignal): Promise<string>;
  /** Bytes from the device, valid until this returns. */
  received(bytes: Uint8Array): void;
  /** The agent is about to let go of a link that still stands; absent: nothing has to be done before. Short. */
  leave?(): Promise<void>;
  /** The link is gone: everyone who waits is told `reason`. */
  detach(reason: TetherError): void;
}

/** Makes a driver; throws TetherError `invalid` when the profile makes no sense to it. */
export type DriverFactory = (profile: DeviceProfile, readings: ReadingSink) => Driver;
