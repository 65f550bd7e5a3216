import { TetherError } from "../../protocol/errors.ts";
import { SERIAL } from "../../protocol/limits.ts";
import { Exchange } from "../exchange.ts";
import { LineParser, type LineUnit } from "../framing/lines.ts";
import type { DeviceResult } from "../value.ts";
import { type Answer, AnswerFormat } from "./answer.ts";
import type { DriverPort } from "./driver.ts";

/** One line to send, how its answer is known and how long it may take. */
export interface LineQuestion {
  readonly bytes: Uint8Array;
  /** Absent: none is awaited. */
  readonly answer: Answer | undefined;
  /** Milliseconds. */
  readonly timeout: number;
  /** Names the question in errors. */
  readonly what: string;
}

/** Any line that is no reading. */
const ANY_LINE = new AnswerFormat({ send: "", parameters: {} });

/** Lines both ways on one link, one question at a time. */
export class LineTalk {
  readonly #terminator: string;
  readonly #parser: LineParser;
  readonly #exchange: Exchange<LineUnit>;

  constructor(terminator: string, port: DriverPort) {
    this.#terminator = terminator;
    this.#parser = new LineParser({ terminator });
    this.#exchange = new Exchange((bytes) => port.write(bytes));
  }

  /** Takes bytes of the device; `heard` gets each line of them before it may answer a question. */
  received(bytes: Uint8Array, heard: (line: string) => void = () => {}): void {
    for (const unit of this.#parser.push(bytes)) {
      if (unit.kind === "line") heard(unit.text);
      this.#exchange.receive(unit);
    }
  }

  /** Asks in turn. Throws as {@link Exchange.run} and {@link Answer.accept}; gives null when nothing is awaited. */
  async ask({ bytes, answer, timeout, what }: LineQuestion, signal: AbortSignal): Promise<DeviceResult> {
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
    if (/[\r\n]/.test(text) || text.includes(this.#terminator)) {
      throw new TetherError("invalid", "the text has several lines; one is allowed, without its terminator");
    }
    const bytes = Buffer.from(text + this.#terminator, "utf8");
    if (bytes.length > SERIAL.unit) {
      throw new TetherError("invalid", `a line of ${bytes.length} bytes; ${SERIAL.unit} are allowed`);
    }
    const answer = ANY_LINE.begin("send", options.isReading ?? (() => false));
    return String(await this.ask({ bytes, answer, timeout: options.timeout, what: "send" }, signal));
  }

  /** Tells everyone who waits that it is over. */
  end(reason: TetherError): void {
    this.#exchange.end(reason);
  }
}
