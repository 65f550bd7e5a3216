import { MODBUS } from "../../../protocol/limits.ts";
import type { DeviceResult, JsonSchema } from "../../value.ts";
import type { DriverCommand } from "../driver.ts";
import type { ModbusBus } from "./bus.ts";
import {
  type ModbusRequest,
  maskWriteRegister,
  readBits,
  readRegisters,
  readWriteRegisters,
  writeCoil,
  writeCoils,
  writeRegister,
  writeRegisters,
} from "./pdu.ts";

const WORD: JsonSchema = { type: "integer", minimum: 0, maximum: 0xffff };
const ADDRESS: JsonSchema = { ...WORD, description: "as on the wire, from 0" };

function listOf(items: JsonSchema, most: number): JsonSchema {
  return { type: "array", items, minItems: 1, maxItems: most };
}

/** The functions of Modbus by address, for any unit; registers are numbers from 0 to 65,535. */
export function addressCommands(unitId: number, bus: () => ModbusBus): DriverCommand[] {
  const unit = (least: number): JsonSchema => ({
    type: "integer",
    minimum: least,
    maximum: 255,
    default: unitId,
    description: least === 0 ? "0 is all units, none of which answers" : "the unit on the bus",
  });
  /** A command whose arguments are numbers, truth values, or arrays of them, by the schemas. */
  const command = <Result>(
    name: string,
    summary: string,
    parameters: { readonly [name: string]: JsonSchema },
    result: JsonSchema,
    ask: (args: CommandArguments) => ModbusRequest<Result>,
    convert: (result: Result) => DeviceResult,
  ): DriverCommand => ({
    name,
    summary,
    parameters: { ...parameters, unitId: unit(result.type === "null" ? 0 : 1) },
    result,
    async run(args, signal) {
      const answer = await bus().ask(ask(args as unknown as CommandArguments), signal);
      return answer === null ? null : convert(answer);
    },
  });
  const reading = (name: string, what: string, table: "coil" | "discrete" | "holding" | "input") => {
    const isBits = table === "coil" || table === "discrete";
    const most = isBits ? MODBUS.readBits : MODBUS.readRegisters;
    const parameters = { address: ADDRESS, count: { type: "integer", minimum: 1, maximum: most } };
    const summary = `Reads ${what}.`;
    return isBits
      ? command(
          name,
          summary,
          parameters,
          listOf({ type: "boolean" }, most),
          (args) => readBits(table, args.unitId, args.address, args.count),
          (bits) => bits,
        )
      : command(
          name,
          summary,
          parameters,
          listOf(WORD, most),
          (args) => readRegisters(table, args.unitId, args.address, args.count),
          numbersOf,
        );
  };
  const writing = (
    name: string,
    summary: string,
    parameters: { readonly [name: string]: JsonSchema },
    ask: (args: CommandArguments) => ModbusRequest<null>,
  ) => command(name, summary, parameters, { type: "null" }, ask, () => null);
  return [
    reading("readCoils", "coils", "coil"),
    reading("readDiscreteInputs", "discrete inputs", "discrete"),
    reading("readHoldingRegisters", "holding registers", "holding"),
    reading("readInputRegisters", "input registers", "input"),
    writing(
      "writeCoil",
      "Writes one coil.",
      { address: ADDRESS, value: { type: "boolean" } },
      ({ unitId, address, value }) => writeCoil(unitId, address, value === true),
    ),
    writing(
      "writeCoils",
      "Writes coils that follow each other.",
      { address: ADDRESS, values: listOf({ type: "boolean" }, MODBUS.writeBits) },
      ({ unitId, address, values }) => writeCoils(unitId, address, values.map(Boolean)),
    ),
    writing(
      "writeRegister",
      "Writes one holding register.",
      { address: ADDRESS, value: WORD },
      ({ unitId, address, value }) => writeRegister(unitId, address, Number(value)),
    ),
    writing(
      "writeRegisters",
      "Writes holding registers that follow each other.",
      { address: ADDRESS, values: listOf(WORD, MODBUS.writeRegisters) },
      ({ unitId, address, values }) => writeRegisters(unitId, address, bytesOf(values)),
    ),
    writing(
      "maskWriteRegister",
      "Sets bits of a holding register: to (itself AND and) OR (or AND NOT and).",
      { address: ADDRESS, and: WORD, or: WORD },
      ({ unitId, address, and, or }) => maskWriteRegister(unitId, address, and, or),
    ),
    command(
      "readWriteRegisters",
      "Writes holding registers, then reads some, in one step.",
      {
        address: ADDRESS,
        count: { type: "integer", minimum: 1, maximum: MODBUS.readRegisters },
        writeAddress: ADDRESS,
        values: listOf(WORD, MODBUS.readWriteRegisters),
      },
      listOf(WORD, MODBUS.readRegisters),
      ({ unitId, address, count, writeAddress, values }) =>
        readWriteRegisters(unitId, { address, count }, { address: writeAddress, bytes: bytesOf(values) }),
      numbersOf,
    ),
  ];
}

/** What the schemas have let through; each command has its own of them. */
interface CommandArguments {
  readonly unitId: number;
  readonly address: number;
  readonly count: number;
  readonly value: number | boolean;
  readonly values: readonly (number | boolean)[];
  readonly and: number;
  readonly or: number;
  readonly writeAddress: number;
}

function numbersOf(bytes: Buffer): number[] {
  return Array.from({ length: bytes.length / 2 }, (_, index) => bytes.readUInt16BE(2 * index));
}

function bytesOf(values: readonly (number | boolean)[]): Buffer {
  const bytes = Buffer.alloc(2 * values.length);
  for (const [index, value] of values.entries()) bytes.writeUInt16BE(Number(value), 2 * index);
  return bytes;
}
