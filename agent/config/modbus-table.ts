import {
  MODBUS_DEFAULTS,
  type ModbusSettings,
  ORDERS,
  REGISTER_TYPES,
  TABLES,
} from "../../firmware-bridge/index.ts";
import { CONFIGURATION, MODBUS } from "../../protocol/index.ts";
import { present } from "./present.ts";
import { formatDuration } from "./quantities.ts";
import {
  boolean,
  choice,
  duration,
  durationKey,
  type Group,
  group,
  integer,
  map,
  mapKey,
  number,
  optional,
  required,
  section,
  standard,
  text,
} from "./shapes.ts";
import { MEMBER_NAME, sentence } from "./texts.ts";

const REGISTER = {
  unitId: optional(integer(1, 255), "the bus's"),
  table: standard(choice(TABLES), MODBUS_DEFAULTS.table, MODBUS_DEFAULTS.table),
  address: required(integer(0, 65_535)),
  type: optional(choice(REGISTER_TYPES), "uint16; boolean of a coil, a discrete input and one bit"),
  length: optional(integer(1, MODBUS.writeRegisters)),
  bit: optional(integer(0, 15)),
  bits: optional(integer(1, 16), "1"),
  scale: standard(number(), MODBUS_DEFAULTS.scale),
  offset: standard(number(), MODBUS_DEFAULTS.offset),
  byteOrder: optional(choice(ORDERS), "the bus's"),
  wordOrder: optional(choice(ORDERS), "the bus's"),
  writable: standard(boolean(), false),
  minimum: optional(number()),
  maximum: optional(number()),
  every: optional(duration(20, 86_400_000), formatDuration(MODBUS_DEFAULTS.every)),
  poll: standard(boolean(), true),
  unit: optional(sentence()),
  deviceClass: optional(
    text({ allowed: "a device class of Home Assistant, as temperature", pattern: /^[a-z0-9_]{1,64}$/ }),
  ),
};

/** The keys of driver `modbus`. */
const BUS = {
  unitId: standard(integer(1, 255), MODBUS_DEFAULTS.unitId),
  timeout: durationKey(10, 600_000, MODBUS_DEFAULTS.timeout),
  retries: standard(integer(0, 10), MODBUS_DEFAULTS.retries),
  writeRetries: standard(integer(0, 10), MODBUS_DEFAULTS.writeRetries),
  gap: standard(integer(0, MODBUS.readRegisters), MODBUS_DEFAULTS.gap),
  echo: standard(boolean(), MODBUS_DEFAULTS.echo),
  byteOrder: standard(choice(ORDERS), MODBUS_DEFAULTS.order, MODBUS_DEFAULTS.order),
  wordOrder: standard(choice(ORDERS), MODBUS_DEFAULTS.order, MODBUS_DEFAULTS.order),
  registers: mapKey(map(MEMBER_NAME, group(REGISTER), CONFIGURATION.members)),
};

/** The section of a device that is a Modbus bus. */
export const MODBUS_SECTION = section(BUS);

export type BusDraft = Group<typeof BUS>;
export type RegisterDraft = BusDraft["registers"][string];
type Register = ModbusSettings["registers"][string];

/** The bus as the firmware bridge takes it; a register without an address is left out. */
export function toModbus({ byteOrder, wordOrder, registers, ...bus }: BusDraft): ModbusSettings {
  const named: { [name: string]: Register } = Object.create(null);
  for (const [name, register] of Object.entries(registers)) {
    const { address, every = MODBUS_DEFAULTS.every, poll, ...rest } = register;
    if (address === undefined) continue;
    const settings = { unitId: bus.unitId, byteOrder, wordOrder, type: impliedType(register) };
    named[name] = {
      ...settings,
      ...present(rest),
      address,
      ...(poll && { every }),
    };
  }
  return { ...bus, registers: named };
}

/** What a register that says no type is. */
export function impliedType({ table, bit, bits }: RegisterDraft): Register["type"] {
  const isTruth = table === "coil" || table === "discrete" || (bit !== undefined && (bits ?? 1) === 1);
  return isTruth ? "boolean" : MODBUS_DEFAULTS.type;
}
