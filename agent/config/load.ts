import { open } from "node:fs/promises";
import { hostname } from "node:os";
import { asTetherError, CONFIGURATION, TetherError } from "../../protocol/index.ts";
import { checkConfiguration } from "./check.ts";
import type { Configuration } from "./configuration.ts";
import type { Known } from "./device-rules.ts";
import { tooLarge } from "./document.ts";
import { formatMistake, inOrder, type Mistake } from "./mistake.ts";
import { checkPlacement } from "./placement.ts";

/** A configuration that may be used, or why not. */
export type LoadedConfiguration =
  | { readonly ok: true; readonly configuration: Configuration }
  | {
      readonly ok: false;
      /** The first mistake and how many more there are, or why the file cannot be read. */
      readonly error: TetherError;
      /** Every mistake, by position; none where the file cannot be read. */
      readonly mistakes: readonly Mistake[];
    };

/**
 * Reads and checks a configuration file, the places of its files included; undefined stands for the defaults,
 * which are checked as well.
 */
export async function loadConfiguration(
  path: string | undefined,
  { stateFolder, known }: { readonly stateFolder: string; readonly known: Known },
): Promise<LoadedConfiguration> {
  const file = path ?? "built-in defaults";
  const text = path === undefined ? { ok: true as const, text: "" } : await readText(path);
  if (!text.ok) return text;
  const checked = checkConfiguration(text.text, known, { stateFolder, hostName: hostname() });
  const placement = await checkPlacement(checked.paths, { configurationFile: path, stateFolder });
  const mistakes = inOrder([...checked.mistakes, ...placement]);
  if (mistakes.length > 0 || checked.configuration === undefined) return refused(file, mistakes);
  return { ok: true, configuration: checked.configuration };
}

function refused(file: string, mistakes: readonly Mistake[]): LoadedConfiguration & { ok: false } {
  const [first, ...more] = mistakes;
  const told = first === undefined ? `${file}: no configuration` : formatMistake(file, first);
  const rest = more.length === 0 ? "" : ` (and ${more.length} more; run tetherd check)`;
  return { ok: false, error: new TetherError("invalid", `${told}${rest}`), mistakes };
}

async function readText(
  path: string,
): Promise<{ readonly ok: true; readonly text: string } | (LoadedConfiguration & { ok: false })> {
  let bytes: Buffer;
  try {
    bytes = await readStart(path, CONFIGURATION.fileBytes + 1);
  } catch (thrown) {
    const { code, message } = asTetherError(thrown);
    const why = code === "not-found" ? "there is no such file" : message;
    const hint = "name a readable file with --config";
    return {
      ok: false,
      error: new TetherError(code, `${path}: ${why}`, { hint, cause: thrown }),
      mistakes: [],
    };
  }
  if (bytes.length > CONFIGURATION.fileBytes) return refused(path, [tooLarge()]);
  try {
    return { ok: true, text: new TextDecoder("utf-8", { fatal: true }).decode(bytes) };
  } catch {
    return refused(path, [notText(bytes)]);
  }
}

/** At most the first `most` bytes: a device or a pipe may have no end. */
async function readStart(path: string, most: number): Promise<Buffer> {
  const file = await open(path, "r");
  try {
    const buffer = Buffer.alloc(most);
    let length = 0;
    while (length < most) {
      const { bytesRead } = await file.read(buffer, length, most - length);
      if (bytesRead === 0) break;
      length += bytesRead;
    }
    return buffer.subarray(0, length);
  } finally {
    await file.close();
  }
}

function notText(bytes: Buffer): Mistake {
  const before = bytes.toString("utf8").split("\ufffd", 1).join("");
  const line = before.split("\n").length;
  const column = before.length - before.lastIndexOf("\n");
  return { line, column, message: "no text in UTF-8, allowed: UTF-8" };
}
