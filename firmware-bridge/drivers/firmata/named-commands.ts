import type { JsonSchema } from "../../value.ts";
import type { DriverCommand } from "../driver.ts";
import { type BoardDoor, type Make, NOTHING } from "./command.ts";
import type { NamedPin } from "./named-pins.ts";

/** `get` and `set`, for the pins that the configuration names; none without any. */
export function namedCommands({ device, pins }: BoardDoor, command: Make): DriverCommand[] {
  const outputs = pins.named.filter((each) => !each.isInput);
  const nameOf = (among: readonly NamedPin[]): JsonSchema => ({
    type: "string",
    enum: among.map(({ name }) => name),
  });
  const get = command(
    "get",
    `Reads a named pin of ${device} now.`,
    { name: nameOf(pins.named) },
    { type: ["boolean", "number"] },
    async (board, { name }, signal) => await pins.get(board, pins.find(name), signal),
  );
  const set = command(
    "set",
    `Sets a named output of ${device}.`,
    { name: nameOf(outputs), value: { type: ["boolean", "number"] } },
    NOTHING,
    async (board, { name, value }, signal) => {
      await pins.set(board, pins.find(name, outputs), value, signal);
      return null;
    },
  );
  return [...(pins.named.length > 0 ? [get] : []), ...(outputs.length > 0 ? [set] : [])];
}
