import { NAMES } from "./limits.ts";

/** What a name may be made of, for messages. */
export const NAME_RULE = `up to ${NAMES.length} letters, digits, '.', '_' and '-', the first a letter or digit`;

/**
 * True when `text` can name an agent or a controller as it stands: {@link NAME_RULE}.
 *
 * A colon, a slash or a leading dash is out, so that a name never reads as a fingerprint, as the remote path
 * `AGENT:PATH` or as an option, and control characters are out, so that it is safe on a terminal.
 */
export function isName(text: unknown): text is string {
  return (
    typeof text === "string" &&
    [...text].length <= NAMES.length &&
    /^[\p{L}\p{N}][\p{L}\p{M}\p{N}._-]*$/u.test(text)
  );
}

/** The name nearest to what a stranger calls itself; `fallback` where nothing usable is left. */
export function cleanName(text: string, fallback: string): string {
  const cleaned = text
    .slice(0, 4 * NAMES.length)
    .normalize("NFC")
    .replace(/[^\p{L}\p{M}\p{N}._-]+/gu, "-")
    .replace(/^[^\p{L}\p{N}]+|[-.]+$/gu, "");
  return shortened(cleaned, NAMES.length) || fallback;
}

/** `wanted`, or where that is taken `wanted-2`, `wanted-3` and so on, within the bound of a name. */
export function uniqueName(wanted: string, taken: (name: string) => boolean): string {
  if (!taken(wanted)) return wanted;
  for (let number = 2; ; number++) {
    const ending = `-${number}`;
    const name = shortened(wanted, NAMES.length - ending.length) + ending;
    if (!taken(name)) return name;
  }
}

function shortened(text: string, length: number): string {
  return [...text].slice(0, length).join("");
}
