import { FIRMATA } from "../../../protocol/limits.ts";
import type { DeviceResult, JsonSchema } from "../../value.ts";
import type { DriverCommand } from "../driver.ts";
import { type BoardDoor, type Make, NOTHING, PIN } from "./command.ts";
import { pinState } from "./pin-io.ts";

/** The commands about the board itself. */
export function selfCommands(door: BoardDoor, command: Make): DriverCommand[] {
  const { pins } = door;
  const interval: JsonSchema = { type: "integer", minimum: 1, maximum: FIRMATA.samplingInterval };
  return [
    command(
      "pins",
      "Lists the pins: what each can do, with its resolution in bits, and what it is now.",
      {},
      { type: "array", items: { type: "object" } },
      async (board, _args, signal) => {
        const table = board.facts.pins;
        const list: DeviceResult[] = [];
        for (let pin = 0; pin < table.count; pin += 1) {
          const modes = table.modes(pin);
          const channel = table.channel(pin);
          const state = modes.length === 0 ? { mode: null, state: null } : await pinState(board, pin, signal);
          list.push({
            pin,
            name: pins.nameOf(board, pin) ?? null,
            analog: channel === undefined ? null : `A${channel}`,
            ...state,
            modes: Object.fromEntries(modes),
          });
        }
        return list;
      },
    ),
    command(
      "pinState",
      "What a pin is, and what was last written to it.",
      { pin: PIN },
      { type: "object" },
      async (board, args, signal) => {
        const pin = board.facts.pins.number(pins.choice(args.pin));
        return { pin, ...(await pinState(board, pin, signal)) };
      },
    ),
    command(
      "firmware",
      "What the board has on it.",
      {},
      { type: "object" },
      async ({ facts: { firmware, version } }) => ({
        name: firmware.name,
        version: `${firmware.major}.${firmware.minor}`,
        protocol: `${version.major}.${version.minor}`,
      }),
    ),
    command(
      "samplingInterval",
      "Sets how often analog inputs are sampled, or says it.",
      { milliseconds: { ...interval, minimum: 0, default: 0, description: "0 or none: only says it" } },
      interval,
      async (board, { milliseconds }, signal) => {
        if (milliseconds > 0) await pins.setSamplingInterval(board, milliseconds, signal);
        return pins.samplingInterval;
      },
    ),
    command(
      "reset",
      "Has the board forget everything, and makes it what the configuration says.",
      {},
      NOTHING,
      async (_board, _args, signal, surroundings) => {
        pins.forget();
        door.reset(`was reset by ${surroundings?.caller ?? "the agent"}`);
        await door.ready(signal);
        return null;
      },
    ),
  ];
}
