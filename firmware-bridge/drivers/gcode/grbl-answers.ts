import type { DeviceValue } from "../../value.ts";

/** What a line from a Grbl 1.1 is ("Grbl v1.1 Interface"). */
export type GrblAnswer =
  | { readonly kind: "ok" }
  | { readonly kind: "error"; readonly code: string; readonly text: string }
  | { readonly kind: "alarm"; readonly code: string; readonly text: string }
  | { readonly kind: "status"; readonly status: GrblStatus }
  | { readonly kind: "reset"; readonly version: string }
  | { readonly kind: "message"; readonly text: string }
  | { readonly kind: "other"; readonly text: string };

/** A status report: `<Run|MPos:0.000,0.000,0.000|FS:500,8000|WCO:…|Ov:…|Pn:…>`. What it lacks is absent. */
export interface GrblStatus {
  /** Idle, Run, Hold, Jog, Alarm, Door, Check, Home, Sleep. */
  readonly state: string;
  /** The number after `Hold:` and `Door:`. */
  readonly substate: string | undefined;
  readonly machine?: readonly number[];
  readonly work?: readonly number[];
  readonly offset?: readonly number[];
  readonly feed?: number;
  readonly spindle?: number;
  /** Feed, rapid and spindle, percent. */
  readonly overrides?: readonly number[];
  /** Letters of the inputs that are on. */
  readonly pins: string;
}

export const AXES = ["X", "Y", "Z", "A", "B", "C"] as const;

/** Tells what a line is. */
export function grblAnswer(line: string): GrblAnswer {
  if (line === "ok") return { kind: "ok" };
  const [, word, code] = /^(error|ALARM):\s*(.+)$/.exec(line) ?? [];
  if (word === "error" && code !== undefined) return { kind: "error", code, text: described(code, ERRORS) };
  if (word === "ALARM" && code !== undefined) return { kind: "alarm", code, text: described(code, ALARMS) };
  if (line.startsWith("<") && line.endsWith(">")) {
    const status = grblStatus(line.slice(1, -1));
    if (status !== undefined) return { kind: "status", status };
  }
  const [, version] = /^(Grbl [0-9]\S*)/.exec(line) ?? [];
  if (version !== undefined) return { kind: "reset", version };
  const [, text] = /^\[MSG:(.*)\]$/.exec(line) ?? [];
  return text === undefined ? { kind: "other", text: line } : { kind: "message", text };
}

function grblStatus(inside: string): GrblStatus | undefined {
  const [first = "", ...fields] = inside.split("|");
  const [, state, substate] = /^([A-Za-z]+)(?::([0-9]+))?$/.exec(first) ?? [];
  if (state === undefined) return undefined;
  const found = new Map(
    fields.map((field) => {
      const colon = field.indexOf(":");
      return [field.slice(0, colon), field.slice(colon + 1)] as const;
    }),
  );
  const numbers = (name: string): readonly number[] | undefined => {
    const values = found.get(name)?.split(",").map(Number);
    return values?.every(Number.isFinite) ? values.slice(0, AXES.length) : undefined;
  };
  const [feed, spindle] = numbers("FS") ?? numbers("F") ?? [];
  const lists = {
    machine: numbers("MPos"),
    work: numbers("WPos"),
    offset: numbers("WCO"),
    overrides: numbers("Ov"),
    feed,
    spindle,
  };
  const present = Object.fromEntries(Object.entries(lists).filter(([, value]) => value !== undefined));
  return { state, substate, pins: found.get("Pn") ?? "", ...present };
}

/** Both positions, of which a report has one, by the offset that some reports have. Rounded as the report is. */
export function positions(
  status: GrblStatus,
  offset: readonly number[] | undefined,
): { readonly machine: readonly number[] | undefined; readonly work: readonly number[] | undefined } {
  const { machine, work } = status;
  const shifted = (from: readonly number[], sign: number) =>
    offset === undefined
      ? undefined
      : from.map((value, axis) => Math.round((value + sign * (offset[axis] ?? 0)) * 1e4) / 1e4);
  if (machine !== undefined) return { machine, work: shifted(machine, -1) };
  return { machine: work && shifted(work, 1), work };
}

/** `$13=1` as its name and value; undefined for another line. */
export function grblSetting(line: string): readonly [string, DeviceValue] | undefined {
  const [, name, value] = /^(\$[0-9N]+[0-9]*)=(.*)$/.exec(line) ?? [];
  if (name === undefined || value === undefined) return undefined;
  const number = Number(value);
  return [name, value !== "" && Number.isFinite(number) ? number : value];
}

function described(code: string, table: { readonly [code: string]: string }): string {
  const text = Object.hasOwn(table, code) ? table[code] : undefined;
  return text === undefined ? code : `${code}, ${text}`;
}

/** Grbl 1.1 `doc/csv/error_codes_en_US.csv`, in short. */
const ERRORS: { readonly [code: string]: string } = {
  1: "a word has to begin with a letter",
  2: "a number is missing or malformed",
  3: "no such $ command",
  4: "a negative value where none may be",
  5: "homing is switched off in the settings",
  6: "the step pulse has to be longer than 3 µs",
  7: "the settings could not be read and are the defaults again",
  8: "this $ command needs an idle machine",
  9: "the machine is locked by an alarm, or jogging: unlock or home it",
  10: "soft limits need homing",
  11: "the line is too long",
  12: "the step rate is over the most that is possible",
  13: "the safety door is open",
  14: "the startup line or build info is too long",
  15: "the jog leads out of the machine's travel",
  16: "a jog without = or with a code that is none for jogging",
  17: "laser mode needs a PWM spindle",
  20: "a code that is not supported or not valid",
  21: "two codes of one modal group in a line",
  22: "no feed rate is set",
  23: "a code needs an integer",
  24: "two codes that both take axis words",
  25: "a word stands twice",
  26: "no axis words, but a code or mode needs them",
  27: "a line number that is not valid",
  28: "a code lacks a value that it needs",
  29: "a work coordinate system that is not supported",
  30: "G53 goes with G0 and G1 only",
  31: "axis words where no code or mode takes them",
  32: "an arc without axis words in its plane",
  33: "a target that is not valid",
  34: "an arc whose radius is not valid",
  35: "an arc without offsets in its plane",
  36: "words that no code uses",
  37: "a tool length offset that is not of the configured axis",
  38: "a tool number over the most that is supported",
};

/** Grbl 1.1 `doc/csv/alarm_codes_en_US.csv`, in short. */
const ALARMS: { readonly [code: string]: string } = {
  1: "a limit switch was hit, the position is likely lost",
  2: "the target is out of the machine's travel, the position is kept",
  3: "reset while moving, the position is likely lost",
  4: "the probe was not in its first state",
  5: "the probe did not touch",
  6: "homing was reset",
  7: "the safety door opened while homing",
  8: "homing could not get off the limit switch",
  9: "homing did not find the limit switch",
  10: "homing did not find the second limit switch",
};
