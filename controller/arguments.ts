import { asTetherError, type JsonValue, parseJson, TetherError } from "../protocol/index.ts";
import type { CommandContext } from "./command-context.ts";

/** Checks how many arguments a verb got. Throws `usage`. */
export function expectArguments(context: CommandContext, least: number, most = least): void {
  const { length } = context.args;
  if (length >= least && length <= most) return;
  const what = length < least ? "an argument is missing" : `an argument too many: ${context.args[most]}`;
  throw new TetherError("usage", what, { hint: `usage: ${context.usage}` });
}

/** The whole number of an option. Throws `usage` unless it is one from `least` to `most`. */
export function wholeNumber(text: string, option: string, least: number, most: number): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (value >= least && value <= most) return value;
  throw new TetherError("usage", `${option} ${text}: not a whole number from ${least} to ${most}`);
}

/** An argument of a call: what is valid JSON is that value, else a string. */
export function argumentValue(word: string): JsonValue {
  try {
    return parseJson(word);
  } catch (error) {
    // Digits too many for a number must not become a text in silence.
    if (asTetherError(error).code === "limit") throw error;
    return word;
  }
}
