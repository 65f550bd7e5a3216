import { FILES, TetherError } from "../protocol/index.ts";

/** Names of files that are not whole yet, of their journals, and of histories: `.tether-`, a number, the ending. */
const UNFINISHED = /^\.tether-[0-9a-f]{16}\.(part|journal|history)$/;

/** True for the name of a file that is being received or was left by a broken transfer, or of its journal. */
export function isPartial(name: string): boolean {
  return UNFINISHED.test(name);
}

/** The name of a transfer's history; `unique` is 16 hexadecimal digits. */
export function historyName(unique: string): string {
  return `.tether-${unique}.history`;
}

/** True for the name of a transfer's history. */
export function isHistory(name: string): boolean {
  return isPartial(name) && name.endsWith(".history");
}

/** The name of a partial file's journal. */
export function journalName(partial: string): string {
  return partial.replace(/part$/, "journal");
}

/** The partial file that a journal of this name belongs to; undefined for any other name. */
export function partOfJournal(name: string): string | undefined {
  return isPartial(name) && name.endsWith(".journal") ? name.replace(/journal$/, "part") : undefined;
}

/** The name of a file that is being received; `unique` is 16 hexadecimal digits. */
export function partialName(unique: string): string {
  return `.tether-${unique}.part`;
}

/**
 * Checks one name of a path: something that the file system takes as a single name, and that only the owner
 * of the name can mean.
 *
 * @throws TetherError `invalid`, or `forbidden` for the names of Tether's own unfinished files
 */
export function checkName(name: string, platform: NodeJS.Platform = process.platform): void {
  if (name === "" || name === "." || name === "..") {
    throw new TetherError("invalid", `${JSON.stringify(name)} is no name of a file`);
  }
  const odd = platform === "win32" ? /[\0-\x1f/\\:*?"<>|]|[. ]$/ : /[\0/]/;
  if (odd.test(name))
    throw new TetherError("invalid", `${shown(name)}: a name with a character that no file may have`);
  if (!isWellFormed(name)) throw new TetherError("invalid", `${shown(name)}: a name that is not UTF-8`);
  if (Buffer.byteLength(name) > FILES.nameBytes) {
    throw new TetherError("invalid", `${shown(name)}: a name of more than ${FILES.nameBytes} bytes`);
  }
  if (isPartial(name)) {
    throw new TetherError("forbidden", `${name}: such names are for files that are not whole yet`);
  }
}

/**
 * The names of a path, without empty ones and `.`; `..` stays for whoever resolves it. Every other name is checked.
 *
 * @throws TetherError as {@link checkName}, `invalid` for a path that is too long
 */
export function splitPath(path: string): string[] {
  if (path.length > FILES.pathBytes || Buffer.byteLength(path) > FILES.pathBytes) {
    throw new TetherError("invalid", `a path of more than ${FILES.pathBytes} bytes`);
  }
  const names = path.split("/").filter((name) => name !== "" && name !== ".");
  for (const name of names) if (name !== "..") checkName(name, "linux");
  return names;
}

/** A name for a message, without what a terminal would act upon. */
export function shown(name: string): string {
  return JSON.stringify(name.length > 80 ? `${name.slice(0, 77)}…` : name);
}

/** False for a text with half a surrogate pair, which UTF-8 cannot carry. */
function isWellFormed(text: string): boolean {
  return !/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/.test(text);
}
