import { nearest } from "../../protocol/index.ts";
import { checkFirmata } from "./firmata-rules.ts";
import { checkFlash } from "./flash-rules.ts";
import { checkGcode } from "./gcode-rules.ts";
import { quoted } from "./mistake.ts";
import { checkModbus } from "./modbus-rules.ts";
import type { Reading } from "./reading.ts";
import { checkOnce, checkOneOf, checkWith } from "./relations.ts";
import type { Draft } from "./table.ts";
import { groupsOf } from "./texts.ts";

/** What the firmware bridge of this version has. */
export interface Known {
  readonly drivers: readonly string[];
  readonly simulations: readonly string[];
}

type DeviceDraft = Draft["devices"][number];
type CommandDraft = DeviceDraft["commands"][string];
type ReadingDraft = DeviceDraft["readings"][string];
type ParameterDraft = CommandDraft["parameters"][string];
type SerialDraft = NonNullable<DeviceDraft["serial"]>;

/** Checks what holds between the keys of the devices and between devices. */
export function checkDevices(devices: Draft["devices"], reading: Reading, known: Known): void {
  const names = new Map<string, string>();
  const ports = new Map<string, string>();
  for (const [index, device] of devices.entries()) {
    const path = `devices[${index}]`;
    if (device.name !== undefined) {
      checkOnce(names, device.name, `${path}.name`, `is ${quoted(device.name)}`, reading);
    }
    if (device.serial !== undefined) checkSerial(device.serial, `${path}.serial`, ports, reading, known);
    checkDriver(device, path, reading, known);
    checkFirmata(device.firmata, `${path}.firmata`, reading);
    checkModbus(device.modbus, `${path}.modbus`, reading);
    const { terminator, prompt } = device.line;
    if (prompt?.includes(terminator)) {
      reading.mistake(`${path}.line.prompt`, "has the terminator in it, allowed: a prompt without one");
    }
    if (device.flash !== undefined) checkFlash(device.flash, `${path}.flash`, reading);
    if (device.driver === "gcode") checkGcode(device.gcode, `${path}.gcode`, reading);
    for (const [name, command] of Object.entries(device.commands)) {
      checkCommand(command, `${path}.commands.${name}`, reading);
    }
    for (const [name, each] of Object.entries(device.readings)) {
      checkReading(name, each, device, path, reading);
    }
  }
}

function checkSerial(
  serial: SerialDraft,
  path: string,
  ports: Map<string, string>,
  reading: Reading,
  known: Known,
): void {
  checkOneOf(path, ["path", "match", "simulate"], reading);
  if (serial.path !== undefined) {
    checkOnce(ports, serial.path, `${path}.path`, `is ${quoted(serial.path)}`, reading);
  }
  if (serial.match !== undefined) {
    const { vendorId, productId, serialNumber } = serial.match;
    const keys = ["vendorId", "productId", "serialNumber"];
    if (!keys.some((key) => reading.has(`${path}.match.${key}`))) {
      reading.mistake(`${path}.match`, `would match every port, allowed: at least one of ${keys.join(" ")}`);
    }
    const same = JSON.stringify([vendorId, productId, serialNumber]);
    checkOnce(ports, same, `${path}.match`, "means the same port", reading);
  }
  const { simulate } = serial;
  if (simulate !== undefined && !simulate.startsWith("/") && !known.simulations.includes(simulate)) {
    const allowed = `${known.simulations.join(" ")}, or the absolute path of a recording`;
    reading.mistake(`${path}.simulate`, `is ${quoted(simulate)}, not in this version, allowed: ${allowed}`);
  }
}

/** The keys that only some drivers have, by driver. */
const DRIVER_KEYS: { readonly [driver: string]: readonly string[] } = {
  line: ["line", "commands", "readings"],
  firmata: ["firmata"],
  modbus: ["modbus"],
  gcode: ["gcode"],
  micropython: ["micropython", "readings"],
  frames: ["frames"],
};

function checkDriver(device: DeviceDraft, path: string, reading: Reading, known: Known): void {
  const { driver } = device;
  if (!known.drivers.includes(driver)) {
    reading.mistake(
      `${path}.driver`,
      `is ${quoted(driver)}, not in this version, allowed: ${known.drivers.join(" ")}`,
    );
  }
  const own = [...(DRIVER_KEYS[driver] ?? []), ...(driver === "raw" ? [] : ["readings"])];
  for (const key of new Set(Object.values(DRIVER_KEYS).flat())) {
    if (own.includes(key) || !reading.has(`${path}.${key}`)) continue;
    const owners = Object.keys(DRIVER_KEYS).filter((name) => DRIVER_KEYS[name]?.includes(key));
    const says = `does not go with driver ${driver}, allowed: driver ${owners.join(" ")}`;
    reading.mistake(`${path}.${key}`, says, "key");
  }
}

function checkCommand(command: CommandDraft, path: string, reading: Reading): void {
  const { send, expect, parameters } = command;
  for (const [name, parameter] of Object.entries(parameters)) {
    checkParameter(parameter, `${path}.parameters.${name}`, reading);
  }
  if (send !== undefined) {
    const places = [...send.matchAll(/\{([A-Za-z_][A-Za-z0-9_]*)\}/g)].flatMap(([, name]) => name ?? []);
    for (const name of new Set(places)) {
      if (reading.has(`${path}.parameters.${name}`)) continue;
      const names = Object.keys(parameters);
      const allowed = names.length === 0 ? `a parameter ${name}` : `one of ${names.join(" ")}`;
      reading.mistake(`${path}.send`, `names {${name}}, which is no parameter, allowed: ${allowed}`);
    }
    for (const name of Object.keys(parameters)) {
      if (places.includes(name)) continue;
      const says = `has no place in send, allowed: one with {${name}} there`;
      reading.mistake(`${path}.parameters.${name}`, says, "key");
    }
  }
  if (expect === undefined) checkWith(path, ["result", "type", "fields"], "expect", reading);
  else {
    checkResult(command.result, `${path}.result`, expect, "expect", reading);
    for (const name of Object.keys(command.fields ?? {})) {
      checkResult(name, `${path}.fields.${name}`, expect, "expect", reading);
    }
  }
  checkAnswer(path, reading);
}

function checkAnswer(path: string, reading: Reading): void {
  checkApart(path, "lines", ["until"], reading);
  checkApart(path, "fields", ["result", "type"], reading);
  const answered = ["expect", "lines", "until"].some((key) => reading.has(`${path}.${key}`));
  if (reading.has(`${path}.error`) && !answered) {
    reading.mistake(`${path}.error`, "awaits no answer, allowed: only with expect, lines or until", "key");
  }
}

/** Notes a mistake at each of `others` that is given at `path` beside `key`. */
function checkApart(path: string, key: string, others: readonly string[], reading: Reading): void {
  if (!reading.has(`${path}.${key}`)) return;
  for (const other of others) {
    if (!reading.has(`${path}.${other}`)) continue;
    reading.mistake(`${path}.${other}`, `does not go with ${key}, allowed: either of the two`, "key");
  }
}

function checkResult(
  result: string | undefined,
  path: string,
  expression: string,
  key: string,
  reading: Reading,
): void {
  const groups = groupsOf(expression);
  if (result === undefined || groups.includes(result)) return;
  const allowed = groups.length === 0 ? `(?<NAME>…) in ${key}, which has none` : groups.join(" ");
  reading.mistake(path, `is ${quoted(result)}, no named group of ${key}, allowed: ${allowed}`);
}

function checkParameter(parameter: ParameterDraft, path: string, reading: Reading): void {
  const { type, minimum, maximum } = parameter;
  const textOnly = ["maxLength", "pattern", "quote", "escape"];
  const foreign =
    type === "string"
      ? ["minimum", "maximum"]
      : type === "boolean"
        ? ["minimum", "maximum", ...textOnly]
        : textOnly;
  checkWith(path, ["escape"], "quote", reading);
  for (const key of foreign) {
    if (reading.has(`${path}.${key}`)) {
      const goes = key === "minimum" || key === "maximum" ? "integer or number" : "string";
      reading.mistake(`${path}.${key}`, `does not go with type ${type}, allowed: type ${goes}`, "key");
    }
  }
  if (minimum !== undefined && maximum !== undefined && minimum > maximum) {
    reading.mistake(`${path}.minimum`, `is ${minimum}, allowed: up to the maximum of ${maximum}`);
  }
  for (const [index, value] of (parameter.enum ?? []).entries()) {
    checkValue(value, `${path}.enum[${index}]`, { type }, reading);
  }
  if (parameter.default !== undefined) checkValue(parameter.default, `${path}.default`, parameter, reading);
}

function checkValue(
  value: string | number | boolean,
  path: string,
  rule: Pick<ParameterDraft, "type"> & Partial<ParameterDraft>,
  reading: Reading,
): void {
  const problem = problemOf(value, rule);
  if (problem !== undefined) reading.mistake(path, `is ${JSON.stringify(value)}, allowed: ${problem}`);
}

/** What `value` should have been, or undefined where it is right. */
function problemOf(
  value: string | number | boolean,
  rule: Pick<ParameterDraft, "type"> & Partial<ParameterDraft>,
): string | undefined {
  const { type, minimum, maximum, maxLength, pattern } = rule;
  const right = type === "integer" ? Number.isSafeInteger(value) : typeof value === type;
  if (!right) return type === "boolean" ? "true or false" : `type ${type}`;
  if (rule.enum !== undefined && !rule.enum.includes(value)) return `one of ${rule.enum.join(" ")}`;
  if (typeof value === "number" && minimum !== undefined && value < minimum) return `${minimum} and more`;
  if (typeof value === "number" && maximum !== undefined && value > maximum) return `up to ${maximum}`;
  if (typeof value === "string" && maxLength !== undefined && [...value].length > maxLength) {
    return `up to ${maxLength} characters`;
  }
  if (typeof value === "string" && pattern !== undefined && !new RegExp(pattern, "u").test(value)) {
    return `what matches ${pattern}`;
  }
  return undefined;
}

/** Drivers whose readings the configuration makes; all others have their own, which it may tune. */
const READING_DRIVERS: readonly string[] = ["line", "micropython"];

function checkTuning({ type, scale }: ReadingDraft, path: string, reading: Reading): void {
  if (scale === 0) reading.mistake(`${path}.scale`, "is 0, allowed: any other number");
  if (type !== "string" && type !== "boolean") return;
  for (const key of ["scale", "offset"]) {
    if (!reading.has(`${path}.${key}`)) continue;
    reading.mistake(
      `${path}.${key}`,
      `does not go with type ${type}, allowed: type integer or number`,
      "key",
    );
  }
}

function checkReading(
  name: string,
  draft: ReadingDraft,
  device: DeviceDraft,
  devicePath: string,
  reading: Reading,
): void {
  const path = `${devicePath}.readings.${name}`;
  if (name === "state") {
    const says = "would take the place of the device's own topic devices/NAME/state, allowed: another name";
    reading.mistake(path, says, "key");
  }
  checkTuning(draft, path, reading);
  if (!READING_DRIVERS.includes(device.driver)) {
    for (const key of ["command", "every", "match", "result", "type"]) {
      if (!reading.has(`${path}.${key}`)) continue;
      const says = `does not go with driver ${device.driver}, allowed: driver ${READING_DRIVERS.join(" ")}`;
      reading.mistake(`${path}.${key}`, says, "key");
    }
    return;
  }
  if (!checkOneOf(path, ["command", "match"], reading)) return;
  if (reading.has(`${path}.match`)) {
    checkWith(path, ["every"], "command", reading);
    if (draft.match !== undefined) checkResult(draft.result, `${path}.result`, draft.match, "match", reading);
    return;
  }
  if (draft.command === undefined) return;
  checkPolled(draft.command, `${path}.command`, device, devicePath, reading);
  checkField(draft, path, device, reading);
}

/** A polled reading names a field where the command gives several, and only there. */
function checkField(draft: ReadingDraft, path: string, device: DeviceDraft, reading: Reading): void {
  const { command: name = "", result } = draft;
  const command = Object.hasOwn(device.commands, name) ? device.commands[name] : undefined;
  if (command === undefined) return;
  const fields = command.fields === undefined ? undefined : Object.keys(command.fields);
  if (fields === undefined) {
    if (!reading.has(`${path}.result`)) return;
    const says = "does not go with a command without fields, allowed: with match, or a command with fields";
    reading.mistake(`${path}.result`, says, "key");
  } else if (result === undefined || !fields.includes(result)) {
    const says = result === undefined ? "has no result" : `has the result ${quoted(result)}`;
    reading.mistake(path, `${says}, allowed: one of the fields ${fields.join(" ")}`);
  }
}

function checkPolled(
  name: string,
  path: string,
  device: DeviceDraft,
  devicePath: string,
  reading: Reading,
): void {
  const commandPath = `${devicePath}.commands.${name}`;
  if (!reading.has(commandPath)) {
    const names = Object.keys(device.commands);
    const near = nearest(name, names);
    const none = names.length === 0 ? "a name in commands, which has none" : `one of ${names.join(" ")}`;
    const help = near === undefined ? `allowed: ${none}` : `nearest: ${near}`;
    reading.mistake(path, `is ${quoted(name)}, which is no command of the device, ${help}`);
    return;
  }
  const command = Object.hasOwn(device.commands, name) ? device.commands[name] : undefined;
  if (command === undefined) return;
  if (reading.has(`${commandPath}.lines`) || reading.has(`${commandPath}.until`)) {
    const allowed = "a command without lines and until";
    reading.mistake(path, `is ${quoted(name)}, which is answered by several lines, allowed: ${allowed}`);
  } else if (!reading.has(`${commandPath}.expect`)) {
    reading.mistake(path, `is ${quoted(name)}, which awaits no answer, allowed: a command with expect`);
  }
  const open = Object.entries(command.parameters).find(([, parameter]) => parameter.default === undefined);
  if (open !== undefined) {
    const allowed = "a command whose parameters all have a default";
    reading.mistake(
      path,
      `is ${quoted(name)}, whose parameter ${open[0]} has no default, allowed: ${allowed}`,
    );
  }
}
