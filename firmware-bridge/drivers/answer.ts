import { asTetherError, TetherError } from "../../protocol/errors.ts";
import { SERIAL } from "../../protocol/limits.ts";
import type { LineUnit } from "../framing/lines.ts";
import type { CommandProfile } from "../profile.ts";
import { type DeviceRecord, type DeviceResult, type DeviceValue, type JsonSchema, shown } from "../value.ts";
import { type LineReader, lineTest, recordReader, valueReader } from "./pattern.ts";

/** How the answer to a command is known, and what it is made of. */
export class AnswerFormat {
  /** JSON Schema of what an answer gives. */
  readonly schema: JsonSchema;
  readonly reader: LineReader<DeviceValue | DeviceRecord> | undefined;
  readonly isEnd: ((line: string) => boolean) | undefined;
  readonly isError: ((line: string) => boolean) | undefined;
  /** Lines that are awaited; undefined: until the end's own line. */
  readonly count: number | undefined;
  /** True when the answer is an array. */
  readonly several: boolean;
  /** What is awaited, for people. */
  readonly awaited: string;

  /** @throws TetherError `invalid` when the profile's keys do not go together or an expression is none. */
  constructor(profile: CommandProfile) {
    const { expect, until, lines, error } = profile;
    this.reader = readerOf(profile);
    this.isEnd = until === undefined ? undefined : lineTest(until);
    this.isError = error === undefined ? undefined : lineTest(error);
    if (until !== undefined && lines !== undefined) {
      throw new TetherError("invalid", "lines and until do not go together: either ends the answer");
    }
    this.count = until === undefined ? (lines ?? 1) : undefined;
    this.several = until !== undefined || lines !== undefined;
    this.schema = this.several ? { type: "array", items: lineSchema(profile) } : lineSchema(profile);
    const matching = expect === undefined ? "" : ` matching ${expect}`;
    this.awaited =
      until === undefined ? `${this.several ? "lines" : "answer"}${matching}` : `line matching ${until}`;
  }

  /**
   * Begins to gather one answer.
   *
   * @param what names the command in errors.
   * @param isReading tells lines that came unasked.
   * @param prompt what the board writes after every answer, where it does.
   */
  begin(what: string, isReading: (line: string) => boolean, prompt?: string): Answer {
    return new Answer(this, what, isReading, prompt);
  }
}

/** One answer while it comes. */
export class Answer {
  readonly #format: AnswerFormat;
  readonly #what: string;
  readonly #isReading: (line: string) => boolean;
  readonly #prompt: string | undefined;
  readonly #values: (DeviceValue | DeviceRecord)[] = [];
  #bytes = 0;
  /** What the answer gives, while the prompt after it is awaited. */
  #result: { readonly value: DeviceResult } | undefined;
  #failure: TetherError | undefined;
  /** The last line or noise that was neither of the answer nor a reading. */
  #other: LineUnit | undefined;

  constructor(
    format: AnswerFormat,
    what: string,
    isReading: (line: string) => boolean,
    prompt: string | undefined,
  ) {
    this.#format = format;
    this.#what = what;
    this.#isReading = isReading;
    this.#prompt = prompt;
  }

  /** True while the device may still be about to answer: it has said nothing else instead. */
  get isAwaited(): boolean {
    return this.#other === undefined;
  }

  /**
   * Takes a unit; gives the result when it completes the answer, undefined otherwise.
   *
   * @throws TetherError `device-failed` or `limit` when the answer is complete and no good.
   */
  accept(unit: LineUnit): { readonly result: DeviceResult } | undefined {
    if (unit.kind === "noise") {
      this.#other = unit;
      return undefined;
    }
    if (unit.kind === "prompt") return this.#prompted(unit.text);
    if (this.#result !== undefined) return undefined; // only the prompt is still to come
    const { isError, isEnd, count, several } = this.#format;
    if (isError?.(unit.text)) {
      this.#failure = new TetherError(
        "device-failed",
        `${this.#what}: the device answered ${shown(unit.text)}`,
      );
      return this.#complete();
    }
    if (isEnd?.(unit.text)) return this.#complete();
    const value = this.#read(unit.text);
    if (value === undefined) {
      if (!this.#isReading(unit.text)) this.#other = unit;
      return undefined;
    }
    this.#keep(value, unit.text);
    if (this.#values.length !== count) return undefined;
    return this.#complete(several ? undefined : (this.#values[0] ?? null));
  }

  /** The board awaits the next command: the answer is over, if it has come. */
  #prompted(text: string): { readonly result: DeviceResult } | undefined {
    if (this.#result !== undefined) return { result: this.#checked(this.#result.value) };
    const { isEnd, count } = this.#format;
    if (isEnd?.(text)) return { result: this.#checked(this.#values) };
    return count === 0 ? { result: null } : undefined;
  }

  /** What is missing after so many milliseconds. */
  timedOut(timeout: number): TetherError {
    const { awaited, count, several } = this.#format;
    if (this.#result !== undefined || count === 0) {
      const prompt = shown(this.#prompt ?? "");
      const where = count === 0 ? "" : " after the answer";
      return new TetherError("timeout", `${this.#what}: no prompt ${prompt}${where} within ${timeout} ms`);
    }
    const came = this.#values.length;
    const part = several && count !== undefined ? `only ${came} of ${count}` : "no";
    const before = several && count === undefined && came > 0 ? ` (${came} lines came before it)` : "";
    const instead = this.#other === undefined ? "" : `; ${described(this.#other)} came instead`;
    const message = `${this.#what}: ${part} ${awaited} within ${timeout} ms${before}${instead}`;
    return new TetherError("timeout", message);
  }

  #read(line: string): DeviceValue | DeviceRecord | undefined {
    const { reader } = this.#format;
    if (!reader) return this.#isReading(line) ? undefined : line;
    try {
      return reader.read(line, this.#what);
    } catch (thrown) {
      // The lines that follow still belong to this answer: the caller is told when it is whole.
      this.#failure ??= asTetherError(thrown);
      return null;
    }
  }

  #keep(value: DeviceValue | DeviceRecord, line: string): void {
    this.#bytes += line.length;
    const { answerLines, answerBytes } = SERIAL;
    if (this.#values.length < answerLines && this.#bytes <= answerBytes) this.#values.push(value);
    else {
      const message = `${this.#what}: an answer of more than ${answerLines} lines or ${answerBytes} bytes`;
      this.#failure ??= new TetherError("limit", message);
    }
  }

  /** The answer has come; where the board prompts after it, that is awaited too. */
  #complete(result: DeviceResult = this.#values): { readonly result: DeviceResult } | undefined {
    if (this.#prompt === undefined) return { result: this.#checked(result) };
    this.#result = { value: result };
    return undefined;
  }

  #checked(result: DeviceResult): DeviceResult {
    if (this.#failure) throw this.#failure;
    return result;
  }
}

/** The format of a command's answer, undefined when none is awaited. Throws as {@link AnswerFormat}. */
export function answerFormat(profile: CommandProfile): AnswerFormat | undefined {
  const { expect, lines, until, error, result, type, fields } = profile;
  if (expect === undefined && (result ?? type ?? fields) !== undefined) {
    throw new TetherError("invalid", "result, type and fields need an expect that they are taken from");
  }
  if (fields !== undefined && (result ?? type) !== undefined) {
    throw new TetherError("invalid", "fields do not go together with result and type");
  }
  if (expect !== undefined || lines !== undefined || until !== undefined) return new AnswerFormat(profile);
  if (error !== undefined) throw new TetherError("invalid", "error needs one of expect, lines and until");
  return undefined;
}

function readerOf(profile: CommandProfile): LineReader<DeviceValue | DeviceRecord> | undefined {
  const { expect, result, type, fields } = profile;
  if (expect === undefined) return undefined;
  return fields === undefined ? valueReader(expect, result, type) : recordReader(expect, fields);
}

function lineSchema({ type = "string", fields }: CommandProfile): JsonSchema {
  if (fields === undefined) return { type };
  const properties = Object.entries(fields).map(([name, each]) => [name, { type: each }]);
  return { type: "object", properties: Object.fromEntries(properties) };
}

function described(unit: LineUnit): string {
  if (unit.kind !== "noise") return shown(unit.text);
  const sample = `(${Buffer.from(unit.sample).toString("hex")})`;
  if (unit.why === "checksum") return `a line without the right checksum ${sample}`;
  if (unit.why === "too-long") return `a line without end ${sample}`;
  return `what is no UTF-8 text ${sample}, as at a wrong baudRate,`;
}
