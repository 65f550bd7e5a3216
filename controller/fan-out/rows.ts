import { promises } from "node:fs";
import {
  asTetherError,
  FAN_OUT,
  type JsonObject,
  type JsonValue,
  parseJson,
  TetherError,
} from "../../protocol/index.ts";
import { argumentValue } from "../arguments.ts";
import type { CommandContext } from "../command-context.ts";
import { readWords } from "../shell/words.ts";

/** The arguments of one call among many. */
export interface Row {
  /** Its line in the file, from 1. */
  readonly number: number;
  readonly params: JsonValue[] | JsonObject;
}

/**
 * Reads a file of rows, `-` for stdin: a call a line, a JSON array or object of arguments, or words as `tether call`
 * has them, with quotes as in a shell. Empty lines are passed over. All of it is read before the first call, so that
 * a mistake in the last row is not found after hours.
 *
 * @throws TetherError `usage` with the place of a mistake, `limit`
 */
export async function readRows(file: string, context: CommandContext): Promise<Row[]> {
  const text = file === "-" ? await readInput(context.stdin) : await readText(file);
  const rows: Row[] = [];
  for (const [index, line] of text.split("\n").entries()) {
    if (line.trim() === "") continue;
    if (rows.length === FAN_OUT.rows)
      throw new TetherError("limit", `${file} has more than ${FAN_OUT.rows} rows`);
    rows.push({ number: index + 1, params: readParams(line, `${file}:${index + 1}`) });
  }
  return rows;
}

function readParams(line: string, where: string): Row["params"] {
  try {
    if (!/^\s*[[{]/.test(line)) return readWords(line).map(argumentValue);
    return parseJson(line) as JsonValue[] | JsonObject;
  } catch (thrown) {
    const { message } = asTetherError(thrown);
    throw new TetherError("usage", `${where}: ${message}; allowed: [6, 7], {"a": 6, "b": 7}, or 6 7`);
  }
}

async function readText(file: string): Promise<string> {
  const { size } = await promises.stat(file);
  if (size > FAN_OUT.rowsBytes) throw tooLong(file);
  return promises.readFile(file, "utf8");
}

async function readInput(stdin: NodeJS.ReadStream): Promise<string> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of stdin as AsyncIterable<Buffer>) {
    bytes += piece.length;
    if (bytes > FAN_OUT.rowsBytes) throw tooLong("stdin");
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString("utf8");
}

function tooLong(file: string): TetherError {
  return new TetherError("limit", `${file} has more than ${FAN_OUT.rowsBytes} bytes`, {
    hint: "split it, and spread its parts one after the other",
  });
}
