import { registerCount } from "../../firmware-bridge/index.ts";
import { type BusDraft, impliedType, type RegisterDraft } from "./modbus-table.ts";
import type { Reading } from "./reading.ts";
import { checkWith } from "./relations.ts";

/** Addresses are 16 bits. */
const LAST_ADDRESS = 0xffff;

/** Checks what holds between the keys of a bus's registers. */
export function checkModbus({ registers }: BusDraft, path: string, reading: Reading): void {
  for (const [name, register] of Object.entries(registers)) {
    checkRegister(name, register, `${path}.registers.${name}`, reading);
  }
}

function checkRegister(name: string, register: RegisterDraft, path: string, reading: Reading): void {
  if (name === "state") {
    const says = "would take the place of the device's own topic devices/NAME/state, allowed: another name";
    reading.mistake(path, says, "key");
  }
  const { table, type = impliedType(register), bit, bits, scale, minimum, maximum } = register;
  const foreign = (keys: readonly string[], goes: string) => {
    for (const key of keys) {
      if (!reading.has(`${path}.${key}`)) continue;
      reading.mistake(`${path}.${key}`, `does not go with ${goes}`, "key");
    }
  };
  const isBit = table === "coil" || table === "discrete";
  if (isBit && type !== "boolean") {
    reading.mistake(`${path}.type`, `is ${type}, allowed with table ${table}: boolean`);
  }
  if (isBit) foreign(["length", "bit", "bits", "byteOrder", "wordOrder"], `table ${table}`);
  if (type === "string") checkLength(path, reading);
  else foreign(["length"], `type ${type}, allowed: type string`);
  if (type === "string" || type === "boolean") {
    foreign(["scale", "offset", "minimum", "maximum"], `type ${type}, allowed: a number's type`);
  }
  checkWith(path, ["bits"], "bit", reading);
  checkEnd(register, type, path, reading);
  if (bit !== undefined) {
    const wanted = (bits ?? 1) === 1 ? "boolean" : "uint16";
    if (type !== wanted) reading.mistake(`${path}.type`, `is ${type}, allowed with bit: ${wanted}`);
    if (bit + (bits ?? 1) > 16) reading.mistake(`${path}.bits`, `is ${bits}, allowed: up to ${16 - bit}`);
  }
  if ((table === "input" || table === "discrete") && register.writable) {
    reading.mistake(
      `${path}.writable`,
      `does not go with table ${table}, allowed: table holding coil`,
      "key",
    );
  }
  if (!register.writable) checkOnlyWritable(path, reading);
  if (!register.poll) foreign(["every"], "poll: false");
  if (scale === 0) reading.mistake(`${path}.scale`, "is 0, allowed: any other number");
  if (minimum !== undefined && maximum !== undefined && minimum > maximum) {
    reading.mistake(`${path}.minimum`, `is ${minimum}, allowed: up to the maximum of ${maximum}`);
  }
}

function checkEnd(
  { address, length = 1 }: RegisterDraft,
  type: Exclude<RegisterDraft["type"], undefined>,
  path: string,
  reading: Reading,
): void {
  const most = LAST_ADDRESS + 1 - registerCount({ type, length });
  if (address === undefined || address <= most) return;
  reading.mistake(`${path}.address`, `is ${address}, allowed: up to ${most} for type ${type}`);
}

function checkLength(path: string, reading: Reading): void {
  if (!reading.has(`${path}.length`)) reading.mistake(path, "has no length, allowed: one for type string");
}

function checkOnlyWritable(path: string, reading: Reading): void {
  for (const key of ["minimum", "maximum"]) {
    if (!reading.has(`${path}.${key}`)) continue;
    reading.mistake(`${path}.${key}`, "is of no use, allowed: with writable: true", "key");
  }
}
