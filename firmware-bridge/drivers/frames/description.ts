import { asTetherError, TetherError } from "../../../protocol/errors.ts";
import { FRAMES } from "../../../protocol/limits.ts";
import { type FieldType, isFieldType } from "./field-type.ts";

/** A name and what it is of. */
interface Field {
  readonly name: string;
  readonly type: FieldType;
}

/** A command of the board; its number is its place in the list. */
export interface FramesCommand {
  readonly name: string;
  readonly parameters: readonly Field[];
  /** Absent: it gives nothing. */
  readonly result?: FieldType;
  /** Empty where the board says nothing. */
  readonly summary: string;
}

/** A value that the board reports; its number is its place in the list. */
export interface FramesValue extends Field {
  readonly unit?: string;
}

/** What a board has said about itself. */
export interface FramesDescription {
  readonly commands: readonly FramesCommand[];
  readonly values: readonly FramesValue[];
}

const NAME = "[A-Za-z_][A-Za-z0-9_]{0,31}";
const COMMAND = new RegExp(`^(${NAME})\\(([^()]*)\\)(?::([a-z0-9]+))?(?: (.+))?$`, "u");
const VALUE = new RegExp(`^(${NAME}):([a-z0-9]+)(?: (.+))?$`, "u");
const PARAMETER = new RegExp(`^(${NAME}):([a-z0-9]+)$`, "u");

/** Names that are the driver's own, or a topic's, or no key of an ordinary object. */
const TAKEN: readonly string[] = ["describe", "log", "state", "__proto__"];

/**
 * Reads a board's description: a line for each command and each value.
 *
 * @param board names it in errors.
 * @throws TetherError `device-failed` naming the line that is wrong and what is allowed.
 */
export function parseDescription(bytes: Buffer, board: string): FramesDescription {
  try {
    return parse(bytes);
  } catch (thrown) {
    throw new TetherError("device-failed", `${board}: ${asTetherError(thrown).message}`, { cause: thrown });
  }
}

function parse(bytes: Buffer): FramesDescription {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (thrown) {
    throw new TetherError("device-failed", "its description is no UTF-8 text", { cause: thrown });
  }
  const commands: FramesCommand[] = [];
  const values: FramesValue[] = [];
  for (const line of text.split("\n")) {
    if (line === "") continue;
    const command = COMMAND.exec(line);
    if (command) commands.push(commandIn(command, line));
    else values.push(valueIn(line));
  }
  checkNames(commands, FRAMES.commands, "commands");
  checkNames(values, FRAMES.values, "values");
  return { commands, values };
}

function commandIn(
  [, name = "", list = "", result, summary = ""]: RegExpExecArray,
  line: string,
): FramesCommand {
  const parameters = list === "" ? [] : list.split(",").map((parameter) => fieldOf(parameter, line));
  checkNames(parameters, FRAMES.parameters, `parameters of ${name}`);
  checkProse(summary, line);
  return { name, parameters, summary, ...(result !== undefined && { result: typeOf(result, line) }) };
}

function valueIn(line: string): FramesValue {
  const [, name = "", type = "", unit] =
    VALUE.exec(line) ?? refuse(line, "NAME(NAME:TYPE,…):TYPE or NAME:TYPE");
  if (unit !== undefined) checkProse(unit, line);
  return { name, type: typeOf(type, line), ...(unit !== undefined && { unit }) };
}

function fieldOf(text: string, line: string): Field {
  const [, name = "", type = ""] = PARAMETER.exec(text) ?? refuse(line, "parameters as NAME:TYPE");
  return { name, type: typeOf(type, line) };
}

function typeOf(word: string, line: string): FieldType {
  return isFieldType(word) ? word : refuse(line, "the types bool u8 u16 u32 i8 i16 i32 f32 string");
}

function checkNames(fields: readonly { readonly name: string }[], most: number, what: string): void {
  if (fields.length > most) {
    throw new TetherError("device-failed", `its description has ${fields.length} ${what}; allowed: ${most}`);
  }
  const seen = new Set(TAKEN);
  for (const { name } of fields) {
    if (seen.has(name)) {
      const why = TAKEN.includes(name) ? "which is taken" : "twice";
      throw new TetherError("device-failed", `its description has "${name}" ${why} among its ${what}`);
    }
    seen.add(name);
  }
}

function checkProse(text: string, line: string): void {
  if (/\p{Cc}/u.test(text) || text.length > FRAMES.proseLength) {
    refuse(line, `a text of up to ${FRAMES.proseLength} characters without control characters`);
  }
}

function refuse(line: string, allowed: string): never {
  const shown = JSON.stringify(line.slice(0, 100));
  throw new TetherError("device-failed", `its description has the line ${shown}; allowed: ${allowed}`);
}
