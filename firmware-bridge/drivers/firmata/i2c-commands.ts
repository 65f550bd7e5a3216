import { TetherError } from "../../../protocol/errors.ts";
import { FIRMATA } from "../../../protocol/limits.ts";
import type { JsonSchema } from "../../value.ts";
import type { DriverCommand } from "../driver.ts";
import { type BoardDoor, type Make, NOTHING } from "./command.ts";
import { readI2c, writeI2c } from "./requests.ts";
import type { StartedBoard } from "./started-board.ts";

const ADDRESS: JsonSchema = { type: "integer", minimum: 0, maximum: 127, description: "of 7 bits" };
const BYTE: JsonSchema = { type: "integer", minimum: 0, maximum: 255 };

/** The commands for devices on the board's I2C. */
export function i2cCommands({ device, pins }: BoardDoor, command: Make): DriverCommand[] {
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
