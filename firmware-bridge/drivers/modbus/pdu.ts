import { TetherError } from "../../../protocol/errors.ts";
import { MODBUS } from "../../../protocol/limits.ts";

/** One question: what goes to a unit, and how its answer is known. */
export interface ModbusRequest<Result> {
  /** 0: all units, none of which answers. */
  readonly unitId: number;
  /** Function code and data, without unit and CRC (Modbus Application Protocol 1.1b3, §4.1). */
  readonly pdu: Buffer;
  /** Names it in messages, as `holding register 12`. */
  readonly what: string;
  readonly writes: boolean;
  /** Bytes of the answer's PDU when it is no exception: known beforehand for every function here. */
  readonly answerBytes: number;
  /** What the answer's PDU, of the right function and length, says; undefined when it answers something else. */
  read(pdu: Buffer): { readonly result: Result } | undefined;
}

/** Reads 1 to 2,000 coils (function 1, §6.1) or discrete inputs (2, §6.2). */
export function readBits(
  table: "coil" | "discrete",
  unitId: number,
  address: number,
  count: number,
): ModbusRequest<boolean[]> {
  checkRange(address, count, MODBUS.readBits, "readings of coils and discrete inputs");
  const bytes = Math.ceil(count / 8);
  return {
    unitId,
    pdu: words(table === "coil" ? 1 : 2, address, count),
    what: named(table === "coil" ? "coil" : "discrete input", address, count),
    writes: false,
    answerBytes: 2 + bytes,
    read: (pdu) => {
      if (pdu[1] !== bytes) return undefined;
      const bit = (index: number) => (((pdu[2 + (index >> 3)] ?? 0) >> (index & 7)) & 1) === 1;
      return { result: Array.from({ length: count }, (_, index) => bit(index)) };
    },
  };
}

/** Reads 1 to 125 holding registers (function 3, §6.3) or input registers (4, §6.4): two bytes each, as they came. */
export function readRegisters(
  table: "holding" | "input",
  unitId: number,
  address: number,
  count: number,
): ModbusRequest<Buffer> {
  checkRange(address, count, MODBUS.readRegisters, "readings of registers");
  return {
    unitId,
    pdu: words(table === "holding" ? 3 : 4, address, count),
    what: named(`${table} register`, address, count),
    writes: false,
    answerBytes: 2 + 2 * count,
    read: (pdu) => (pdu[1] === 2 * count ? { result: Buffer.from(pdu.subarray(2)) } : undefined),
  };
}

/** Writes one coil (function 5, §6.5). */
export function writeCoil(unitId: number, address: number, value: boolean): ModbusRequest<null> {
  checkRange(address, 1, 1, "writings");
  return echoed(unitId, words(5, address, value ? 0xff00 : 0), named("coil", address, 1));
}

/** Writes one holding register (function 6, §6.6); `value` is its two bytes as a number. */
export function writeRegister(unitId: number, address: number, value: number): ModbusRequest<null> {
  checkRange(address, 1, 1, "writings");
  return echoed(unitId, words(6, address, value), named("holding register", address, 1));
}

/** Writes 1 to 1,968 coils (function 15, §6.11). */
export function writeCoils(unitId: number, address: number, values: readonly boolean[]): ModbusRequest<null> {
  checkRange(address, values.length, MODBUS.writeBits, "writings of coils");
  const packed = Buffer.alloc(Math.ceil(values.length / 8));
  for (const [index, value] of values.entries()) {
    if (value) packed[index >> 3] = (packed[index >> 3] ?? 0) | (1 << (index & 7));
  }
  const head = words(15, address, values.length);
  const pdu = Buffer.concat([head, Buffer.of(packed.length), packed]);
  return acknowledged(unitId, pdu, 5, named("coil", address, values.length));
}

/** Writes 1 to 123 holding registers (function 16, §6.12): two bytes each, as they go out. */
export function writeRegisters(unitId: number, address: number, bytes: Buffer): ModbusRequest<null> {
  const count = bytes.length / 2;
  checkRange(address, count, MODBUS.writeRegisters, "writings of registers");
  const pdu = Buffer.concat([words(16, address, count), Buffer.of(bytes.length), bytes]);
  return acknowledged(unitId, pdu, 5, named("holding register", address, count));
}

/** Sets a holding register to (what it holds AND `and`) OR (`or` AND NOT `and`), in one step (function 22, §6.16). */
export function maskWriteRegister(
  unitId: number,
  address: number,
  and: number,
  or: number,
): ModbusRequest<null> {
  checkRange(address, 1, 1, "writings");
  return echoed(unitId, words(22, address, and, or), named("holding register", address, 1));
}

/** Writes 1 to 121 holding registers, then reads 1 to 125, in one step (function 23, §6.17). */
export function readWriteRegisters(
  unitId: number,
  read: { readonly address: number; readonly count: number },
  write: { readonly address: number; readonly bytes: Buffer },
): ModbusRequest<Buffer> {
  const written = write.bytes.length / 2;
  checkRange(read.address, read.count, MODBUS.readRegisters, "readings of registers");
  checkRange(write.address, written, MODBUS.readWriteRegisters, "writings together with a reading");
  const head = words(23, read.address, read.count, write.address, written);
  return {
    unitId,
    pdu: Buffer.concat([head, Buffer.of(write.bytes.length), write.bytes]),
    what: named("holding register", read.address, read.count),
    writes: true,
    answerBytes: 2 + 2 * read.count,
    read: (pdu) => (pdu[1] === 2 * read.count ? { result: Buffer.from(pdu.subarray(2)) } : undefined),
  };
}

/** Sends two bytes that a unit sends back (function 8, subfunction 0, §6.8.1): it does nothing else. */
export function loopback(unitId: number, data: number): ModbusRequest<null> {
  return { ...echoed(unitId, words(8, 0, data), "the loopback"), writes: false };
}

function echoed(unitId: number, pdu: Buffer, what: string): ModbusRequest<null> {
  return acknowledged(unitId, pdu, pdu.length, what);
}

/** A request whose answer is its own first bytes. */
function acknowledged(unitId: number, pdu: Buffer, length: number, what: string): ModbusRequest<null> {
  return {
    unitId,
    pdu,
    what,
    writes: true,
    answerBytes: length,
    read: (answer) => (answer.equals(pdu.subarray(0, length)) ? { result: null } : undefined),
  };
}

function words(functionCode: number, ...values: number[]): Buffer {
  const pdu = Buffer.alloc(1 + 2 * values.length);
  pdu[0] = functionCode;
  for (const [index, value] of values.entries()) pdu.writeUInt16BE(value, 1 + 2 * index);
  return pdu;
}

function checkRange(address: number, count: number, most: number, of: string): void {
  if (!Number.isInteger(count) || count < 1 || count > most) {
    throw new TetherError("invalid", `${count} at once; allowed for ${of}: 1 to ${most}`);
  }
  if (!Number.isInteger(address) || address < 0 || address + count > 65_536) {
    throw new TetherError("invalid", `addresses ${address} to ${address + count - 1}; allowed: 0 to 65535`);
  }
}

function named(what: string, address: number, count: number): string {
  return count === 1 ? `${what} ${address}` : `${what}s ${address} to ${address + count - 1}`;
}
