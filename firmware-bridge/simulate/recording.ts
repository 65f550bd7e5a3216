import { TetherError } from "../../protocol/errors.ts";
import { RECORDINGS } from "../../protocol/limits.ts";

/** A time in which the device spoke, after the one before it, or after what it was told. */
export interface Utterance {
  readonly bytes: Uint8Array;
  /** Milliseconds since what was recorded before it. */
  readonly delay: number;
}

/** What the device was told, if anything, and all that it said until it was told something else. */
export interface Scene {
  /** Empty at the beginning: what it said before it was told anything. */
  readonly told: Buffer;
  readonly said: readonly Utterance[];
  /** Where in the file it begins. */
  readonly line: number;
}

/**
 * Reads a recording, as `tether serial record` writes it. What was told in several pieces without an answer in between
 * is one scene.
 *
 * @throws TetherError `invalid` naming the line that is none
 */
export function readRecording(text: string): Scene[] {
  const scenes: { told: Buffer[]; said: Utterance[]; line: number }[] = [{ told: [], said: [], line: 1 }];
  let before: number | undefined;
  let isTelling = false;
  for (const [index, line] of text.split("\n").entries()) {
    if (line.trim() === "") continue;
    const entry = readEntry(line, index + 1);
    if (entry === undefined) continue;
    const delay = Math.min(Math.max(0, entry.time - (before ?? entry.time)), RECORDINGS.longestPause);
    before = entry.time;
    let scene = scenes.at(-1);
    if (entry.from === "host" && !isTelling) {
      scene = { told: [], said: [], line: index + 1 };
      scenes.push(scene);
    }
    isTelling = entry.from === "host";
    if (isTelling) scene?.told.push(entry.bytes);
    else scene?.said.push({ bytes: entry.bytes, delay });
  }
  return scenes.map(({ told, said, line }) => ({ told: Buffer.concat(told), said, line }));
}

interface Entry {
  readonly from: "device" | "host";
  /** Milliseconds since 1970. */
  readonly time: number;
  readonly bytes: Buffer;
}

/** Undefined for a line that is of nothing that passed. */
function readEntry(line: string, number: number): Entry | undefined {
  let value: { from?: unknown; time?: unknown; text?: unknown; base64?: unknown } | null;
  try {
    value = JSON.parse(line);
  } catch {
    throw new TetherError("invalid", `line ${number} is no JSON`);
  }
  if (typeof value !== "object" || value === null) {
    throw new TetherError("invalid", `line ${number} is no object`);
  }
  const { from, time, text, base64 } = value;
  if (from !== "device" && from !== "host") return undefined;
  const bytes =
    typeof text === "string"
      ? Buffer.from(text, "utf8")
      : typeof base64 === "string"
        ? Buffer.from(base64, "base64")
        : undefined;
  if (bytes === undefined) return undefined;
  const at = typeof time === "string" ? Date.parse(time) : Number.NaN;
  if (Number.isNaN(at)) throw new TetherError("invalid", `line ${number} has no time`);
  return { from, time: at, bytes };
}
