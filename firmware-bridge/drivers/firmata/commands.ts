import { TetherError } from "../../../protocol/errors.ts";
import { FIRMATA } from "../../../protocol/limits.ts";
import type { DeviceResult, JsonSchema } from "../../value.ts";
import type { CommandSurroundings, DriverCommand } from "../driver.ts";
import type { StartedBoard } from "./board.ts";
import { type NamedPin, SERVO, servoValue } from "./named-pins.ts";
import { pinState } from "./pin-io.ts";
import type { PinChoice } from "./pin-table.ts";
import type { Pins } from "./pins.ts";
import { readI2c, writeI2c } from "./requests.ts";
import { PIN_MODES, type PinMode } from "./settings.ts";

/** What the commands need of the driver. */
export interface BoardDoor {
  readonly device: string;
  readonly pins: Pins;
  /** The board, once it has started. Throws as {@link FirmataBoard.ready}. */
  ready(signal: AbortSignal): Promise<StartedBoard>;
  /** Tells the board to forget everything; what `was` done to it is told to those who wait. */
  reset(was: string): void;
}

const PIN: JsonSchema = {
  type: ["integer", "string"],
  description: "its number, an analog channel as A0, or its name",
};
const ADDRESS: JsonSchema = { type: "integer", minimum: 0, maximum: 127, description: "of 7 bits" };
const BYTE: JsonSchema = { type: "integer", minimum: 0, maximum: 255 };
const NOTHING: JsonSchema = { type: "null" };

/** What the schemas have let through; each command has its own of them. */
interface CommandArguments {
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

/** The commands of a board: by pin, by name where there are names, I2C, and about the board itself. */
export function boardCommands(door: BoardDoor): DriverCommand[] {
  const command = (
    name: string,
    summary: string,
    parameters: { readonly [name: string]: JsonSchema },
    result: JsonSchema,
    run: Run,
  ): DriverCommand => ({
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

type Make = (
  name: string,
  summary: string,
  parameters: { readonly [name: string]: JsonSchema },
  result: JsonSchema,
  run: Run,
) => DriverCommand;

function pinCommands({ device, pins }: BoardDoor, command: Make): DriverCommand[] {
  const value: JsonSchema = { type: "integer", minimum: 0 };
  return [
    command(
      "pinMode",
      "Sets what a pin is.",
      { pin: PIN, mode: { type: "string", enum: [...PIN_MODES] } },
      NOTHING,
      async (board, { pin, mode }, signal) => {
        await pins.setMode(board, pin, mode, signal);
        return null;
      },
    ),
    command(
      "digitalWrite",
      "Sets an output on or off.",
      { pin: PIN, value: { type: ["boolean", "integer"], enum: [true, false, 1, 0] } },
      NOTHING,
      async (board, args, signal) => {
        await pins.write(board, args.pin, "output", Number(args.value), signal);
        return null;
      },
    ),
    command(
      "digitalRead",
      "Reads an input, or what an output was set to.",
      { pin: PIN },
      { type: "boolean" },
      async (board, { pin }, signal) => await pins.readDigital(board, pin, signal),
    ),
    command(
      "analogRead",
      "Reads an analog input.",
      { pin: PIN },
      { type: "integer" },
      async (board, { pin }, signal) => await pins.readAnalog(board, pin, signal),
    ),
    command(
      "analogWrite",
      "Sets the duty of a PWM output.",
      { pin: PIN, value: { ...value, description: "from 0 to what its resolution allows, mostly 255" } },
      NOTHING,
      async (board, args, signal) => {
        const table = board.facts.pins;
        const largest = table.largest(table.able(pins.choice(args.pin), "pwm"), "pwm");
        if (Number(args.value) > largest) {
          throw new TetherError(
            "invalid",
            `pin ${args.pin} of ${device}: ${args.value}; allowed: 0 to ${largest}`,
          );
        }
        await pins.write(board, args.pin, "pwm", Number(args.value), signal);
        return null;
      },
    ),
    command(
      "servoWrite",
      "Turns a servo.",
      {
        pin: PIN,
        value: { ...value, description: `0 to ${SERVO.degrees} degrees, above that microseconds` },
      },
      NOTHING,
      async (board, args, signal) => {
        const place = servoValue(Number(args.value), `pin ${args.pin}`);
        await pins.write(board, args.pin, "servo", place, signal);
        return null;
      },
    ),
  ];
}

/** `get` and `set`, for the pins that the configuration names; none without any. */
function namedCommands({ device, pins }: BoardDoor, command: Make): DriverCommand[] {
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

function i2cCommands({ device, pins }: BoardDoor, command: Make): DriverCommand[] {
  const write = command(
    "i2cWrite",
    "Writes bytes to an I2C device.",
    { address: ADDRESS, bytes: { type: "array", items: BYTE, minItems: 1, maxItems: FIRMATA.i2cWrite } },
    NOTHING,
    async (board, { address, bytes }, signal) => {
      await pins.beginI2c(board, signal);
      await board.tell(writeI2c(address, bytes), i2cName(address), signal);
      return null;
    },
  );
  const read = command(
    "i2cRead",
    "Reads bytes from an I2C device: ADDRESS COUNT, or ADDRESS REGISTER COUNT.",
    {
      address: ADDRESS,
      register: { type: "integer", minimum: -1, maximum: 255, default: -1, description: "-1: none is named" },
      count: {
        type: "integer",
        minimum: 0,
        maximum: FIRMATA.i2cRead,
        default: 0,
        description: "where it is left out, the register is the count",
      },
    },
    { type: "array", items: BYTE },
    async (board, { address, ...rest }, signal) => {
      const isShort = rest.count === 0;
      const register = isShort || rest.register < 0 ? undefined : rest.register;
      const count = isShort ? rest.register : rest.count;
      if (count < 1 || count > FIRMATA.i2cRead) {
        const message = `${i2cName(address)} of ${device}: ${count} bytes; allowed: 1 to ${FIRMATA.i2cRead}`;
        throw new TetherError("invalid", message);
      }
      await pins.beginI2c(board, signal);
      return await readBytes(board, address, register, count, signal);
    },
  );
  return [{ ...write, variadic: true }, read];
}

async function readBytes(
  board: StartedBoard,
  address: number,
  register: number | undefined,
  count: number,
  signal: AbortSignal,
): Promise<number[]> {
  return await board.ask(
    readI2c(address, register, count),
    (message) => {
      if (message.kind !== "i2c" || message.address !== address) return undefined;
      if (register !== undefined && message.register !== register) return undefined;
      const { bytes } = message;
      if (bytes.length === count) return [...bytes];
      const came = bytes.length === 0 ? "nothing answers there" : `${bytes.length} of ${count} bytes came`;
      throw new TetherError("device-failed", `${i2cName(address)}: ${came}`);
    },
    i2cName(address),
    signal,
  );
}

function i2cName(address: number): string {
  return `I2C address 0x${address.toString(16).padStart(2, "0")}`;
}

function selfCommands(door: BoardDoor, command: Make): DriverCommand[] {
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
