import { MODBUS } from "../../../protocol/limits.ts";
import type { DeviceValue } from "../../value.ts";
import { type ModbusRequest, readBits, readRegisters } from "./pdu.ts";
import { registerCount, registerValue } from "./register-value.ts";
import type { RegisterProfile, Table } from "./settings.ts";

/** A register with its name. */
export interface NamedRegister {
  readonly name: string;
  readonly register: RegisterProfile;
}

/** Registers of one table of one unit that one question reads. */
export interface RegisterRange {
  readonly unitId: number;
  readonly table: Table;
  readonly address: number;
  readonly count: number;
  /** By address; between them may be some that nobody wants. */
  readonly members: readonly NamedRegister[];
}

/** Bits that take as long on the wire as one register. */
const BITS = 16;

/**
 * Joins registers into as few questions as their number for one question allows.
 *
 * @param gap registers between two that are read along, at most.
 */
export function joinRanges(registers: readonly NamedRegister[], gap: number): RegisterRange[] {
  const sorted = [...registers].sort(({ register: a }, { register: b }) => a.address - b.address);
  const tables = new Map<string, NamedRegister[]>();
  for (const each of sorted) {
    const key = `${each.register.unitId} ${each.register.table}`;
    const together = tables.get(key);
    if (together) together.push(each);
    else tables.set(key, [each]);
  }
  return [...tables.values()].flatMap((together) => cut(together, gap));
}

function cut(sorted: readonly NamedRegister[], gap: number): RegisterRange[] {
  const runs: NamedRegister[][] = [];
  let start = 0;
  let end = 0;
  for (const each of sorted) {
    const { address, table } = each.register;
    const after = address + registerCount(each.register);
    const [most, unwanted] = isBits(table) ? [MODBUS.readBits, gap * BITS] : [MODBUS.readRegisters, gap];
    const run = runs.at(-1);
    if (run && address - end <= unwanted && Math.max(end, after) - start <= most) {
      run.push(each);
      end = Math.max(end, after);
    } else {
      runs.push([each]);
      start = address;
      end = after;
    }
  }
  return runs.map(rangeOf);
}

/** The range of one or more registers of one table of one unit, by address. */
export function rangeOf(members: readonly NamedRegister[]): RegisterRange {
  const addresses = members.map(({ register }) => register.address);
  const ends = members.map(({ register }) => register.address + registerCount(register));
  const address = Math.min(...addresses);
  const { unitId, table } = members[0]?.register ?? { unitId: 0, table: "holding" };
  return { unitId, table, address, count: Math.max(...ends) - address, members };
}

/** Two halves of a range of several registers. */
export function halvesOf({ members }: RegisterRange): RegisterRange[] {
  const middle = members.length >> 1;
  return [rangeOf(members.slice(0, middle)), rangeOf(members.slice(middle))];
}

/** The question for a range; its answer's function gives a member's value, or throws `device-failed`. */
export function rangeRequest(range: RegisterRange): ModbusRequest<(member: NamedRegister) => DeviceValue> {
  const { unitId, table, address, count } = range;
  if (table === "coil" || table === "discrete") {
    return mapped(
      readBits(table, unitId, address, count),
      (bits) =>
        ({ register }) =>
          bits[register.address - address] ?? false,
    );
  }
  return mapped(readRegisters(table, unitId, address, count), (bytes) => ({ name, register }) => {
    const at = 2 * (register.address - address);
    return registerValue(bytes.subarray(at, at + 2 * registerCount(register)), register, name);
  });
}

function mapped<From, To>(request: ModbusRequest<From>, convert: (from: From) => To): ModbusRequest<To> {
  return {
    ...request,
    read(pdu) {
      const read = request.read(pdu);
      return read && { result: convert(read.result) };
    },
  };
}

function isBits(table: Table): boolean {
  return table === "coil" || table === "discrete";
}
