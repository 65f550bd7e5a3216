import { TetherError } from "../../../protocol/errors.ts";
import type { DeviceResult, DeviceValue } from "../../value.ts";
import type { DriverCommand, ReadingSink } from "../driver.ts";
import type { ModbusBus } from "./bus.ts";
import { ModbusException } from "./exceptions.ts";
import {
  type ModbusRequest,
  maskWriteRegister,
  writeCoil,
  writeCoils,
  writeRegister,
  writeRegisters,
} from "./pdu.ts";
import { type NamedRegister, rangeOf, rangeRequest } from "./ranges.ts";
import { coilValue, registerBytes, registerMask } from "./register-value.ts";

/** The exception of a unit that does not have a function. */
const ILLEGAL_FUNCTION = 1;

const VALUE_TYPES = ["number", "boolean", "string"];

/** `read NAME` and `write NAME VALUE`, for the registers that the configuration names; none without any. */
export function registerCommands(
  device: string,
  registers: readonly NamedRegister[],
  sink: ReadingSink,
  bus: () => ModbusBus,
): DriverCommand[] {
  const writable = registers.filter(({ register }) => register.writable);
  const read: DriverCommand = {
    name: "read",
    summary: `Reads a named register of ${device} now.`,
    parameters: { name: { type: "string", enum: registers.map(({ name }) => name) } },
    result: { type: VALUE_TYPES },
    async run(args, signal): Promise<DeviceResult> {
      const member = named(registers, args.name);
      const values = await bus().ask(rangeRequest(rangeOf([member])), signal);
      const value = values?.(member) ?? null;
      sink.value(member.name, value);
      return value;
    },
  };
  const write: DriverCommand = {
    name: "write",
    summary: `Writes a named register of ${device}.`,
    parameters: {
      name: { type: "string", enum: writable.map(({ name }) => name) },
      value: { type: VALUE_TYPES, description: "as it is read: scaled" },
    },
    result: { type: "null" },
    async run(args, signal): Promise<DeviceResult> {
      const request = writeRequest(named(writable, args.name), args.value as DeviceValue);
      try {
        return await bus().ask(request.usual, signal);
      } catch (thrown) {
        const hasNone = thrown instanceof ModbusException && thrown.exceptionCode === ILLEGAL_FUNCTION;
        if (!hasNone || !request.other) throw thrown;
        return await bus().ask(request.other, signal);
      }
    },
  };
  return [...(registers.length > 0 ? [read] : []), ...(writable.length > 0 ? [write] : [])];
}

function named(registers: readonly NamedRegister[], name: unknown): NamedRegister {
  const found = registers.find((each) => each.name === name);
  if (found) return found;
  const allowed = registers.map((each) => each.name).join(", ");
  throw new TetherError("invalid", `there is no register ${JSON.stringify(name)}; allowed: ${allowed}`);
}

/** What writes a value, and what does the same in a unit that does not have that function. */
interface WriteRequest {
  readonly usual: ModbusRequest<null>;
  readonly other?: ModbusRequest<null>;
}

function writeRequest({ name, register }: NamedRegister, value: DeviceValue): WriteRequest {
  const { unitId, address, table, bit } = register;
  if (table === "coil") {
    const on = coilValue(value, name);
    return { usual: writeCoil(unitId, address, on), other: writeCoils(unitId, address, [on]) };
  }
  const bytes = registerBytes(value, register, name);
  if (bit !== undefined) {
    const mask = swapped(registerMask(register), register.byteOrder === "little");
    return { usual: maskWriteRegister(unitId, address, ~mask & 0xffff, bytes.readUInt16BE()) };
  }
  const several = writeRegisters(unitId, address, bytes);
  if (bytes.length > 2) return { usual: several };
  return { usual: writeRegister(unitId, address, bytes.readUInt16BE()), other: several };
}

function swapped(word: number, swap: boolean): number {
  return swap ? ((word & 0xff) << 8) | (word >> 8) : word;
}
