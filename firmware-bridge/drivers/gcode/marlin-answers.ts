import type { DeviceRecord } from "../../value.ts";

/** What a line from a Marlin is (marlinfw.org, "Host Protocol" and G-code reference). */
export type MarlinAnswer =
  | { readonly kind: "ok"; readonly rest: string }
  /** It wants the line of that number again. */
  | { readonly kind: "resend"; readonly number: number }
  | { readonly kind: "busy"; readonly with: string }
  /** `transmission`: said before a resend, and mended by it. */
  | { readonly kind: "error"; readonly text: string; readonly transmission: boolean }
  | { readonly kind: "start" }
  | { readonly kind: "unknown"; readonly text: string }
  | { readonly kind: "capability"; readonly name: string; readonly has: boolean }
  | { readonly kind: "action"; readonly text: string }
  | { readonly kind: "other"; readonly text: string };

/** Errors of a line on its way, each followed by a `Resend`. */
const TRANSMISSION = /checksum|line number is not|no line number/i;

/** Tells what a line is. */
export function marlinAnswer(line: string): MarlinAnswer {
  const [, rest] = /^ok\b\s*(.*)$/i.exec(line) ?? [];
  if (rest !== undefined) return { kind: "ok", rest };
  const [, number] = /^(?:resend|rs)\s*:?\s*N?:?\s*([0-9]+)/i.exec(line) ?? [];
  if (number !== undefined) return { kind: "resend", number: Number(number) };
  const [, busy] = /^(?:echo:\s*)?busy:\s*(.*)$/i.exec(line) ?? [];
  if (busy !== undefined) return { kind: "busy", with: busy };
  if (line === "start") return { kind: "start" };
  const [, error] = /^(?:error:|!!)\s*(.*)$/i.exec(line) ?? [];
  if (error !== undefined) return { kind: "error", text: error, transmission: TRANSMISSION.test(error) };
  const [, unknown] = /^echo:\s*(Unknown command:.*)$/i.exec(line) ?? [];
  if (unknown !== undefined) return { kind: "unknown", text: unknown };
  const [, name, has] = /^Cap:([A-Z0-9_]+):([01])$/.exec(line) ?? [];
  if (name !== undefined) return { kind: "capability", name, has: has === "1" };
  const [, action] = /^\/\/\s*action:\s*(.*)$/.exec(line) ?? [];
  return action === undefined ? { kind: "other", text: line } : { kind: "action", text: action };
}

/** Values in an answer to M105 or M114, or a report of either that comes by itself; undefined in other lines. */
export function marlinValues(line: string): DeviceRecord | undefined {
  if (/(^|\s)T0?:\s*-?[0-9.]+\s*\/\s*-?[0-9.]+/.test(line)) {
    return { ...pair(line, "T0?", "hotend"), ...pair(line, "B", "bed"), ...pair(line, "C", "chamber") };
  }
  // `X:0.00 Y:0.00 Z:0.00 E:0.00 Count X:0 Y:0 Z:0`; the counts are steps.
  if (!/^\s*X:\s*-?[0-9.]+\s+Y:/.test(line)) return undefined;
  const record: DeviceRecord = {};
  for (const [, axis, value] of (line.split("Count")[0] ?? "").matchAll(/\b([XYZE]):\s*(-?[0-9.]+)/g)) {
    const number = Number(value);
    if (Number.isFinite(number)) record[`work${axis}`] = number;
  }
  return record;
}

function pair(line: string, letter: string, name: string): DeviceRecord {
  const [, is, wanted] =
    new RegExp(`(?:^|\\s)${letter}:\\s*(-?[0-9.]+)\\s*/\\s*(-?[0-9.]+)`).exec(line) ?? [];
  if (is === undefined || wanted === undefined) return {};
  return { [name]: Number(is), [`${name}Target`]: Number(wanted) };
}

/** A line with its number and checksum: every byte before the asterisk, exclusive-ored. */
export function numbered(text: string, number: number): string {
  const line = `N${number} ${text}`;
  const sum = Buffer.from(line, "latin1").reduce((all, byte) => all ^ byte, 0);
  return `${line}*${sum}`;
}
