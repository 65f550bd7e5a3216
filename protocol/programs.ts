import { TetherError } from "./errors.ts";
import { parseJson, writeJson } from "./exact-json.ts";
import type { JsonObject, JsonValue } from "./json.ts";
import { PROGRAMS } from "./limits.ts";

/** Channels of DATA on a stream of kind `exec`. */
export const PROGRAM_CHANNEL = {
  /** To the agent: what the program reads; from it: what it writes. */
  standard: 0,
  /** From the agent: what the program writes to stderr. */
  error: 1,
  /** From the agent: the content of a file that was asked for. */
  file: 2,
} as const;

/** A terminal's size, in characters. */
export interface TerminalSize {
  readonly columns: number;
  readonly rows: number;
}

/** What a controller wants run. */
export interface ProgramRequest {
  /** The program and its arguments; for a script the arguments alone. */
  readonly command: readonly string[];
  /** Where to run it; absolute, or from the home folder, which it is unless given. */
  readonly cwd?: string;
  /** Variables beside the stated environment, or in their place. */
  readonly environment?: { readonly [name: string]: string };
  /** A terminal for it. */
  readonly terminal?: TerminalSize & { readonly type: string };
  /** A script that is sent along, and runs in a fresh work folder. */
  readonly script?: { readonly name: string; readonly content: Buffer };
  /** Patterns of the files of the work folder that come back. */
  readonly fetch?: readonly string[];
}

/** What a controller says while the program runs. */
export type ProgramOrder =
  | { readonly order: "end-of-input" }
  /** SIGTERM to the whole process group, SIGKILL to what is left of it after `PROGRAMS.killAfter`. */
  | { readonly order: "terminate" }
  | ({ readonly order: "resize" } & TerminalSize);

/** What an agent says of the program. */
export type ProgramReport =
  /** The content follows in DATA. */
  | { readonly report: "file"; readonly path: string; readonly size: number; readonly mode: number }
  /** The last; `note` is for people. */
  | { readonly report: "ended"; readonly code: number; readonly signal?: string; readonly note?: string };

/** The request as the first document of a stream. */
export function writeProgramRequest({ script, ...request }: ProgramRequest): string {
  const sent = script && { name: script.name, content: script.content.toString("base64") };
  return writeJson({ ...request, ...(sent && { script: sent }) } as unknown as JsonObject);
}

/** Reads what {@link writeProgramRequest} gives. Throws `invalid`. */
export function readProgramRequest(text: string): ProgramRequest {
  const value = asObject(parseJson(text), "a program's request");
  const { command, cwd, environment, terminal, script, fetch } = value;
  const words = texts(command, "command");
  if (words.length === 0 && script === undefined) throw new TetherError("invalid", "a command is missing");
  return {
    command: words,
    ...(cwd !== undefined && { cwd: oneText(cwd, "cwd") }),
    ...(environment !== undefined && { environment: readEnvironment(environment) }),
    ...(terminal !== undefined && { terminal: readTerminal(terminal) }),
    ...(script !== undefined && { script: readScript(script) }),
    ...(fetch !== undefined && { fetch: texts(fetch, "fetch") }),
  };
}

/** Checks a command: texts without a zero, of at most `PROGRAMS.commandBytes` in all. Throws `invalid`. */
function checkCommand(command: readonly string[]): void {
  for (const word of command) {
    if (word.includes("\0")) throw new TetherError("invalid", "a command with a zero character in it");
  }
  const bytes = command.reduce((sum, word) => sum + Buffer.byteLength(word) + 1, 0);
  if (bytes > PROGRAMS.commandBytes) {
    throw new TetherError("invalid", `a command of ${bytes} bytes; allowed are ${PROGRAMS.commandBytes}`);
  }
}

/** Reads variables of an environment. Throws `invalid`. */
export function readEnvironment(value: JsonValue): { readonly [name: string]: string } {
  const entries = Object.entries(asObject(value, "environment"));
  for (const [name, text] of entries) {
    if (name === "" || /[=\0]/.test(name)) {
      throw new TetherError("invalid", `${JSON.stringify(name)} is no name of a variable`);
    }
    oneText(text, `the variable ${name}`);
  }
  checkCommand(entries.flat() as string[]);
  return Object.fromEntries(entries) as { [name: string]: string };
}

/** Reads an order; undefined for one that this side does not know. Throws `invalid` for what is no order. */
export function readProgramOrder(text: string): ProgramOrder | undefined {
  const { order, ...facts } = asObject(parseJson(text), "an order");
  if (order === "end-of-input" || order === "terminate") return { order };
  if (order === "resize") return { order, ...readSize(facts) };
  return undefined;
}

/** Reads a report; undefined for one that this side does not know. Throws `invalid` for what is no report. */
export function readProgramReport(text: string): ProgramReport | undefined {
  const { report, path, size, mode, code, signal, note } = asObject(parseJson(text), "a program's report");
  if (report === "file") {
    const whole = [size, mode].every((one) => Number.isSafeInteger(one) && (one as number) >= 0);
    if (!whole || typeof path !== "string") throw new TetherError("invalid", "a file without path and size");
    return { report, path, size: size as number, mode: mode as number };
  }
  if (report !== "ended") return undefined;
  if (typeof code !== "number" || !Number.isInteger(code)) {
    throw new TetherError("invalid", "a program that ended without an exit code");
  }
  return {
    report,
    code,
    ...(typeof signal === "string" && { signal }),
    ...(typeof note === "string" && { note }),
  };
}

function readTerminal(value: JsonValue): NonNullable<ProgramRequest["terminal"]> {
  const { type, ...size } = asObject(value, "terminal");
  return { ...readSize(size), type: oneText(type, "the terminal's type") };
}

function readSize({ columns, rows }: JsonObject): TerminalSize {
  const fits = (one: JsonValue | undefined): one is number =>
    typeof one === "number" && Number.isInteger(one) && one >= 0 && one <= 0xffff;
  if (fits(columns) && fits(rows)) return { columns, rows };
  throw new TetherError("invalid", "a terminal's columns and rows are whole numbers up to 65535");
}

function readScript(value: JsonValue): NonNullable<ProgramRequest["script"]> {
  const { name, content } = asObject(value, "script");
  const bytes = Buffer.from(oneText(content, "the script's content"), "base64");
  if (bytes.length > PROGRAMS.scriptBytes) {
    throw new TetherError("limit", `a script of ${bytes.length} bytes; allowed are ${PROGRAMS.scriptBytes}`);
  }
  return { name: oneText(name, "the script's name"), content: bytes };
}

function texts(value: JsonValue | undefined, what: string): string[] {
  if (!Array.isArray(value)) throw new TetherError("invalid", `${what} is not a list of texts`);
  const words = value.map((word) => oneText(word, what));
  checkCommand(words);
  return words;
}

function oneText(value: JsonValue | undefined, what: string): string {
  if (typeof value === "string" && !value.includes("\0")) return value;
  throw new TetherError("invalid", `${what} is not a text without zero characters`);
}

function asObject(value: JsonValue, what: string): JsonObject {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value;
  throw new TetherError("invalid", `${what} is not an object`);
}
