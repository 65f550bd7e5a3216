import { asTetherError, COMPUTE, isErrorCode, TetherError } from "../../../protocol/index.ts";

/**
 * What a caller is told of something that a procedure threw. An error with a `code` of Tether's table keeps it,
 * with its message and hint; of any other the message also says where it was thrown.
 *
 * @param name of the procedure
 */
export function failureOf(name: string, thrown: unknown): TetherError {
  try {
    return describeFailure(name, thrown);
  } catch {
    // An error may be made so that reading it throws.
    return new TetherError("internal", `${name} threw something that cannot be read`);
  }
}

function describeFailure(name: string, thrown: unknown): TetherError {
  if (!(thrown instanceof Error)) {
    const what = typeof thrown === "string" ? JSON.stringify(thrown) : String(thrown);
    return new TetherError("internal", cut(`${name} threw ${what}, which is no error`));
  }
  const { code, hint } = thrown as { code?: unknown; hint?: unknown };
  if (isErrorCode(code)) {
    return new TetherError(code, cut(String(thrown.message)), {
      hint: typeof hint === "string" ? cut(hint) : undefined,
    });
  }
  const known = asTetherError(thrown).code;
  if (known === "cancelled" || known === "timeout") return new TetherError(known, `${name} was ${known}`);
  const place = placeOf(thrown);
  const where = place === undefined ? "" : ` (${place})`;
  return new TetherError(known, cut(`${name} failed: ${thrown.name}: ${thrown.message}${where}`));
}

/** The first place in a file, as its name, line and column; undefined where the error tells none. */
function placeOf(error: Error): string | undefined {
  const [, path, place] = /file:\/\/(\S+?):(\d+(?::\d+)?)\)?(?:\s|$)/.exec(String(error.stack)) ?? [];
  return path === undefined ? undefined : `${decodeURI(path.split("/").at(-1) ?? path)}:${place}`;
}

/**
 * Why a file cannot be loaded, beginning with the place where the error tells one.
 *
 * @param path of the file
 */
export function loadFailure(path: string, thrown: unknown, syntaxPlace: string | undefined): TetherError {
  if (!(thrown instanceof Error)) {
    return new TetherError("invalid", cut(`${path}: threw ${String(thrown)}, which is no error`));
  }
  const [, place] = new RegExp(`file://${escapePattern(encodeURI(path))}:(\\d+(?::\\d+)?)`).exec(
    String(thrown.stack),
  ) ?? [undefined, syntaxPlace];
  const where = place === undefined ? path : `${path}:${place}`;
  return new TetherError("invalid", cut(`${where}: ${thrown.name}: ${thrown.message}`));
}

function escapePattern(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}

function cut(text: string): string {
  return text.length > COMPUTE.messageLength ? `${text.slice(0, COMPUTE.messageLength)}…` : text;
}
