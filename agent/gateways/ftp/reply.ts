import type { TetherError } from "../../../protocol/index.ts";

/** One reply (RFC 959 §4.2); of several lines each stands on one of its own. */
export function replyText(code: number, ...lines: readonly string[]): string {
  const last = lines.length - 1;
  // RFC 959 §4.2: a line between that begins with digits could be taken for the last one.
  return lines
    .map((line, index) => {
      const mark = index === last ? `${code} ` : index === 0 ? `${code}-` : " ";
      return `${mark}${printable(line)}\r\n`;
    })
    .join("");
}

/** A text without what would end its line or act upon a terminal. */
export function printable(text: string): string {
  return text.replace(/[\0-\x1f\x7f]/g, "?");
}

/** A path as in `257 "…"` (RFC 959 appendix II): a quote inside is doubled. */
export function quotedPath(path: string): string {
  return `"${path.replaceAll('"', '""')}"`;
}

/** What is refused: something that is there, or a name for something new. */
export type Subject = "file" | "new name";

/** The code of a refusal (RFC 959 §4.2.2). */
export function codeOf({ code }: TetherError, subject: Subject): number {
  switch (code) {
    case "quota":
      return 552;
    case "busy":
      return 450;
    case "cancelled":
    case "timeout":
    case "unreachable":
      return 426;
    case "internal":
    case "limit":
      return 451;
    default:
      return subject === "file" ? 550 : 553;
  }
}
