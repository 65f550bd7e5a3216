import type { DeviceResult, JsonSchema } from "../../value.ts";
import type { CommandSurroundings, DriverCommand } from "../driver.ts";
import type { PinChoice } from "./pin-table.ts";
import type { Pins } from "./pins.ts";
import type { PinMode } from "./settings.ts";
import type { StartedBoard } from "./started-board.ts";

/** What the commands need of the driver. */
export interface BoardDoor {
  readonly device: string;
  readonly pins: Pins;
  /** The board, once it has started. Throws as `FirmataBoard.ready`. */
  ready(signal: AbortSignal): Promise<StartedBoard>;
  /** Tells the board to forget everything; what `was` done to it is told to those who wait. */
  reset(was: string): void;
}

/** What the schemas have let through; each command has its own of them. */
export interface CommandArguments {
  readonly pin: PinChoice;
  readonly mode: PinMode;
  readonly value: number | boolean;
  readonly name: string;
  readonly address: number;
  readonly register: number;
  readonly count: number;
  readonly bytes: readonly number[];
  readonly milliseconds: number;
}

type Run = (
  board: StartedBoard,
  args: CommandArguments,
  signal: AbortSignal,
  surroundings: CommandSurroundings | undefined,
) => Promise<DeviceResult>;

export const PIN: JsonSchema = {
  type: ["integer", "string"],
  description: "its number, an analog channel as A0, or its name",
};
export const NOTHING: JsonSchema = { type: "null" };

/** Makes a command that runs on a board that has started. */
export type Make = (
  name: string,
  summary: string,
  parameters: { readonly [name: string]: JsonSchema },
  result: JsonSchema,
  run: Run,
) => DriverCommand;
