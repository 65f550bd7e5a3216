import { TetherError } from "../../../protocol/errors.ts";
import { GCODE } from "../../../protocol/limits.ts";
import type { GcodeSettings } from "../../profile.ts";
import { shown } from "../../value.ts";

/** One line of a program, ready to be sent. */
export interface ProgramLine {
  /** Where it stands in the file, from 1. */
  readonly number: number;
  /** Bytes of the file up to its end. */
  readonly bytes: number;
  /** Without comments; what is in the file as bytes stands here as characters of the same number. */
  readonly text: string;
}

/** What a line may be. */
export interface LineRules {
  readonly dialect: GcodeSettings["dialect"];
  /** Characters of a line without its terminator. */
  readonly longest: number;
}

/** Characters that a Grbl acts upon wherever they stand, instead of taking them for part of a line. */
const GRBL_REALTIME = /[?!~]/;
const CONTROL = /[\0-\x08\x0a-\x1f\x7f]/;
/** What a Marlin takes as text to its end, parentheses too (M117, M118, names of files). */
const MARLIN_TEXT = /^\s*M(0|1|16|23|28|30|32|117|118|928)\b/i;

/**
 * The lines of a program that are to be sent, in order: comments, empty lines, and the `%` around a tape are left
 * out, and for a Marlin numbers and checksums too, for the machine gets others.
 *
 * @throws TetherError `invalid` naming the line that no machine of the dialect takes
 */
export async function* programLines(
  pieces: AsyncIterable<Uint8Array>,
  rules: LineRules,
): AsyncGenerator<ProgramLine> {
  let number = 0;
  let bytes = 0;
  let rest = "";
  for await (const piece of pieces) {
    // As Latin-1 a byte is a character: old programs have comments in any encoding, and every byte counts.
    const lines = (rest + Buffer.from(piece.buffer, piece.byteOffset, piece.length).toString("latin1")).split(
      "\n",
    );
    rest = lines.pop() ?? "";
    for (const line of lines) {
      number++;
      bytes += line.length + 1;
      const text = programLine(line, number, rules);
      if (text !== "") yield { number, bytes, text };
    }
    if (rest.length > GCODE.fileLine) throw tooLong(number + 1, GCODE.fileLine);
  }
  const text = programLine(rest, number + 1, rules);
  if (text !== "") yield { number: number + 1, bytes: bytes + rest.length, text };
}

function programLine(line: string, number: number, rules: LineRules): string {
  if (line.length > GCODE.fileLine) throw tooLong(number, GCODE.fileLine);
  try {
    const text = bare(line.endsWith("\r") ? line.slice(0, -1) : line, rules.dialect);
    checkLine(text, rules);
    return text;
  } catch (thrown) {
    if (!(thrown instanceof TetherError)) throw thrown;
    throw new TetherError(thrown.code, `line ${number}: ${thrown.message}`, { cause: thrown });
  }
}

/** A line without what the machine has no use for; empty when nothing is left. */
function bare(line: string, dialect: GcodeSettings["dialect"]): string {
  if (dialect === "grbl") {
    const text = line
      .replace(/\([^)]*\)?/g, "")
      .replace(/;.*/s, "")
      .replace(/[ \t]/g, "");
    return text === "%" ? "" : text;
  }
  const code = MARLIN_TEXT.test(line) ? line : line.replace(/\([^)]*\)?/g, "");
  const text = code
    .replace(/;.*/s, "")
    .replace(/^\s*N[0-9]+\s*/i, "")
    .replace(/\*[0-9]+\s*$/, "")
    .trim();
  return text === "%" ? "" : text;
}

/**
 * Throws TetherError `invalid` for what is no line of its own: it would be cut in two, acted upon at once, or be
 * more than the machine keeps.
 */
export function checkLine(text: string, { dialect, longest }: LineRules): void {
  if (CONTROL.test(text)) {
    throw new TetherError("invalid", `${shown(text)} holds a control character, which no line may have`);
  }
  if (dialect === "grbl") {
    const [character] = GRBL_REALTIME.exec(text) ?? [];
    if (character !== undefined) {
      throw new TetherError(
        "invalid",
        `${shown(text)} holds ${character}, which the machine acts upon at once`,
        {
          hint: "for status, hold and resume there are commands of their own",
        },
      );
    }
    // A Grbl takes every byte above 127 for a real-time command.
    if (/[^\0-\x7f]/.test(text)) throw new TetherError("invalid", `${shown(text)} holds more than ASCII`);
  }
  if (text.length > longest) {
    const message = `${shown(text)} has ${text.length} characters; the machine takes ${longest}`;
    throw new TetherError("invalid", message);
  }
}

function tooLong(number: number, most: number): TetherError {
  return new TetherError("invalid", `line ${number} has more than ${most} characters: is it a program?`);
}
