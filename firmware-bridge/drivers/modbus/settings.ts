/** The four tables of the Modbus data model (Modbus Application Protocol 1.1b3, §4.3). */
export const TABLES = ["holding", "input", "coil", "discrete"] as const;

/** What registers together may stand for; `boolean` is also what a coil is. */
export const REGISTER_TYPES = [
  "uint16",
  "int16",
  "uint32",
  "int32",
  "float32",
  "uint64",
  "int64",
  "float64",
  "boolean",
  "string",
] as const;

/** `big` is the standard's order of bytes, and the usual one of registers. */
export const ORDERS = ["big", "little"] as const;

export type Table = (typeof TABLES)[number];
export type RegisterType = (typeof REGISTER_TYPES)[number];
export type Order = (typeof ORDERS)[number];

/** What a Modbus device does unless its configuration says otherwise; times in milliseconds. */
export const MODBUS_DEFAULTS = {
  unitId: 1,
  timeout: 1_000,
  retries: 1,
  writeRetries: 0,
  gap: 8,
  echo: false,
  table: "holding",
  type: "uint16",
  scale: 1,
  offset: 0,
  order: "big",
  every: 10_000,
} as const;

/** One register or coil with a name, or several registers that are one value. */
export interface RegisterProfile {
  readonly unitId: number;
  readonly table: Table;
  /** As on the wire: from 0. */
  readonly address: number;
  readonly type: RegisterType;
  /** Registers of a string. */
  readonly length?: number;
  /** Lowest bit of a part of one register, and how many bits it has; one bit is a boolean. */
  readonly bit?: number;
  readonly bits?: number;
  /** The value is what the registers hold, times `scale`, plus `offset`. */
  readonly scale: number;
  readonly offset: number;
  /** Order of the bytes in a register, and of the registers. */
  readonly byteOrder: Order;
  readonly wordOrder: Order;
  readonly writable: boolean;
  /** Bounds of what may be written, as the value is read. */
  readonly minimum?: number;
  readonly maximum?: number;
  /** Milliseconds between two polls; absent: it is not polled. */
  readonly every?: number;
  readonly unit?: string;
  readonly deviceClass?: string;
}

/** The configuration of one bus. */
export interface ModbusSettings {
  /** The unit that procedures mean when they name none. */
  readonly unitId: number;
  /** Milliseconds that a unit has for its answer, beside the time that the bytes need on the wire. */
  readonly timeout: number;
  /** How many times reading and writing are tried again after silence or a broken answer. */
  readonly retries: number;
  readonly writeRetries: number;
  /** Registers that nobody wants between two that are polled together, at most. */
  readonly gap: number;
  /** The adapter hears what it says: the question comes back before the answer. */
  readonly echo: boolean;
  readonly registers: { readonly [name: string]: RegisterProfile };
}
