import { TetherError } from "../../protocol/errors.ts";
import { SERIAL } from "../../protocol/limits.ts";
import { Exchange } from "../exchange.ts";
import { sealed } from "../framing/checksum.ts";
import { LineParser, type LineUnit } from "../framing/lines.ts";
import type { LineSettings } from "../profile.ts";
import type { DeviceResult } from "../value.ts";
import { type Answer, AnswerFormat } from "./answer.ts";
import type { DriverPort } from "./driver.ts";

/** One line to send, how its answer is known and how long it may take. */
export interface LineQuestion {
  /** Without the last terminator. */
  readonly text: string;
  /** Absent: none is awaited. */
  readonly answer: Answer | undefined;
  /** Milliseconds. */
  readonly timeout: number;
  /** Names the question in errors. */
  readonly what: string;
}

/** What of {@link LineSettings} tells how lines look. */
export type TalkSettings = Pick<LineSettings, "terminator" | "prompt" | "checksum" | "echo">;

/** Any line that is no reading. */
const ANY_LINE = new AnswerFormat({ send: "", parameters: {} });

/** Lines both ways on one link, one question at a time. */
export class LineTalk {
  readonly #settings: TalkSettings;
  readonly #parser: LineParser;
  readonly #exchange: Exchange<LineUnit>;
  /** Lines that are out and have not come back yet, where the board repeats them. */
  #echoes: string[] = [];

  constructor(settings: TalkSettings, port: DriverPort) {
    this.#settings = settings;
    this.#parser = new LineParser(settings);
    this.#exchange = new Exchange((bytes) => {
      if (settings.echo) this.#echoes = Buffer.from(bytes).toString().split(settings.terminator).map(trimmed);
      return port.write(bytes);
    });
  }

  /** The bytes of a line, or of several with terminators between, as they are sent. */
  encode(text: string): Buffer {
    const { terminator, checksum } = this.#settings;
    const lines = text
      .split(terminator)
      .map((line) => (checksum === undefined ? line : sealed(line, checksum)));
    return Buffer.from(lines.join(terminator) + terminator, "utf8");
  }

  /** Takes bytes of the device; `heard` gets each line of them before it may answer a question. */
  received(bytes: Uint8Array, heard: (line: string) => void = () => {}): void {
    for (const unit of this.#parser.push(bytes)) {
      if (unit.kind === "line") {
        if (this.#isEcho(unit.text)) continue;
        heard(unit.text);
      }
      this.#exchange.receive(unit);
    }
  }

  #isEcho(line: string): boolean {
    const place = this.#echoes.indexOf(trimmed(line));
    if (place < 0 || trimmed(line) === "") return false;
    this.#echoes.splice(place, 1);
    return true;
  }

  /** Asks in turn. Throws as {@link Exchange.run} and {@link Answer.accept}; gives null when nothing is awaited. */
  async ask({ text, answer, timeout, what }: LineQuestion, signal: AbortSignal): Promise<DeviceResult> {
    const bytes = this.encode(text);
    if (bytes.length > SERIAL.unit) {
      throw new TetherError("invalid", `${what}: ${bytes.length} bytes; ${SERIAL.unit} are allowed`);
    }
    if (!answer) {
      const timedOut = () => new TetherError("timeout", `${what}: could not be sent within ${timeout} ms`);
      await this.#exchange.run<void>({ bytes, timeout, timedOut }, signal);
      return null;
    }
    return await this.#exchange.run(
      {
        bytes,
        timeout,
        accept: (unit) => answer.accept(unit),
        timedOut: () => answer.timedOut(timeout),
        late: () => (answer.isAwaited ? Math.min(timeout, SERIAL.lateAnswer) : 0),
      },
      signal,
    );
  }

  /**
   * Sends a line that somebody wrote by hand and gives the next one that is no reading. Throws as {@link ask},
   * and `invalid` for several lines.
   */
  async say(
    text: string,
    options: { readonly timeout: number; readonly isReading?: (line: string) => boolean },
    signal: AbortSignal,
  ): Promise<string> {
    if (/[\r\n]/.test(text) || text.includes(this.#settings.terminator)) {
      throw new TetherError("invalid", "the text has several lines; one is allowed, without its terminator");
    }
    const answer = ANY_LINE.begin("send", options.isReading ?? (() => false), this.#settings.prompt);
    return String(await this.ask({ text, answer, timeout: options.timeout, what: "send" }, signal));
  }

  /** Tells everyone who waits that it is over. */
  end(reason: TetherError): void {
    this.#exchange.end(reason);
  }
}

/** A board may repeat a line with another end than the one that it was sent. */
function trimmed(line: string): string {
  return line.replace(/^[\r\n]+|[\r\n]+$/g, "");
}
