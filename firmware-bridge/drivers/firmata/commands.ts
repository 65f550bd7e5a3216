import type { DriverCommand } from "../driver.ts";
import type { BoardDoor, CommandArguments, Make } from "./command.ts";
import { i2cCommands } from "./i2c-commands.ts";
import { namedCommands } from "./named-commands.ts";
import { pinCommands } from "./pin-commands.ts";
import { selfCommands } from "./self-commands.ts";

/** The commands of a board: by pin, by name where there are names, I2C, and about the board itself. */
export function boardCommands(door: BoardDoor): DriverCommand[] {
  const command: Make = (name, summary, parameters, result, run) => ({
    name,
    summary,
    parameters,
    result,
    async run(args, signal, surroundings) {
      const board = await door.ready(signal);
      return await run(board, args as unknown as CommandArguments, signal, surroundings);
    },
  });
  return [
    ...pinCommands(door, command),
    ...namedCommands(door, command),
    ...i2cCommands(door, command),
    ...selfCommands(door, command),
  ];
}
