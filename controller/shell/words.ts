import { TetherError } from "../../protocol/index.ts";

/** One word of a line, and where it stands. */
export interface Word {
  readonly text: string;
  /** Where it begins in the line, its quote included. */
  readonly start: number;
  /** The quote that is still open at the line's end. */
  readonly open?: '"' | "'";
}

/**
 * Splits a line into words as a shell does: white space between them, `'…'` and `"…"` around what has white
 * space, a backslash before a single character. Nothing is expanded. A quote left open goes to the line's end.
 */
export function splitWords(line: string): Word[] {
  const words: Word[] = [];
  let at = 0;
  while (at < line.length) {
    if (/\s/.test(line[at] as string)) {
      at++;
      continue;
    }
    const start = at;
    let text = "";
    let quote: '"' | "'" | undefined;
    for (; at < line.length; at++) {
      const character = line[at] as string;
      if (quote !== undefined && character === quote) quote = undefined;
      else if (quote === undefined && (character === '"' || character === "'")) quote = character;
      else if (character === "\\" && quote !== "'" && at + 1 < line.length) text += line[++at];
      else if (quote === undefined && /\s/.test(character)) break;
      else text += character;
    }
    words.push(quote === undefined ? { text, start } : { text, start, open: quote });
  }
  return words;
}

/** The words of a whole line. Throws `usage` when a quote is open. */
export function readWords(line: string): string[] {
  const words = splitWords(line);
  const open = words.at(-1)?.open;
  if (open !== undefined) throw new TetherError("usage", `a ${open} is not closed`);
  return words.map((word) => word.text);
}

/** A word so written that {@link splitWords} reads it back; `quote` keeps the one that the person began with. */
export function quoteWord(text: string, quote?: '"' | "'"): string {
  if (quote === "'" && !text.includes("'")) return `'${text}'`;
  if (quote !== undefined) return `"${text.replace(/["\\]/g, "\\$&")}"`;
  return text === "" ? '""' : text.replace(/[\s"'\\]/g, "\\$&");
}
