/** One mistake in a configuration file. Line and column count from 1. */
export interface Mistake {
  readonly line: number;
  readonly column: number;
  /** What is wrong and what is allowed, one line. */
  readonly message: string;
}

/** The mistake as `FILE:LINE:COLUMN: message`, which editors understand. */
export function formatMistake(file: string, mistake: Mistake): string {
  return `${file}:${mistake.line}:${mistake.column}: ${mistake.message}`;
}

/** The mistakes by position, each once. */
export function inOrder(mistakes: readonly Mistake[]): Mistake[] {
  const once = new Map(mistakes.map((mistake) => [formatMistake("", mistake), mistake]));
  return [...once.values()].sort((a, b) => a.line - b.line || a.column - b.column);
}

/** A value as a message shows it: JSON text, so that no control character gets out, and not long. */
export function quoted(text: string): string {
  const characters = [...text.slice(0, 120)];
  return JSON.stringify(
    characters.length > 60 || text.length > 120 ? `${characters.slice(0, 59).join("")}…` : text,
  );
}
