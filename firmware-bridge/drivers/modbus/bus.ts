import { setTimeout as delay } from "node:timers/promises";
import { asTetherError, TetherError } from "../../../protocol/errors.ts";
import { MODBUS, SERIAL } from "../../../protocol/limits.ts";
import { Exchange, type Transaction } from "../../exchange.ts";
import type { DriverPort } from "../driver.ts";
import { ModbusException } from "./exceptions.ts";
import type { OverdueAnswers } from "./overdue.ts";
import { loopback, type ModbusRequest } from "./pdu.ts";
import { type RtuAnswer, RtuAnswerReader, rtuFrame } from "./rtu.ts";

/** How a bus is spoken to. */
export interface BusSettings {
  /** Names the bus in messages. */
  readonly name: string;
  /** Bits a second. */
  readonly baudRate: number;
  /** Milliseconds for an answer, beside the time that its bytes and the question's need on the wire. */
  readonly timeout: number;
  readonly retries: number;
  readonly writeRetries: number;
  /** The adapter gives back what is sent. */
  readonly echo: boolean;
}

/** Bits of a character: start, eight of data, parity or a second stop, stop (Modbus over Serial Line 1.02, §2.5.1). */
const CHARACTER_BITS = 11;
/** From this rate on the silence between frames is the same for all (§2.5.1.1). */
const FAST = 19_200;
const FAST_SILENCE = 1.75;

/** Milliseconds that some characters take on the wire. */
function lineTime(characters: number, baudRate: number): number {
  return (characters * CHARACTER_BITS * 1_000) / baudRate;
}

/** Milliseconds of silence between two frames: 3.5 characters. */
function frameSilence(baudRate: number): number {
  return baudRate > FAST ? FAST_SILENCE : lineTime(3.5, baudRate);
}

/**
 * One Modbus line with all its units, one question at a time.
 *
 * An answer says which unit and which function it is of, but not which question it answers. So when an answer has
 * not come, the next question of that function waits until the unit has sent back a number made for the occasion
 * (function 8): units answer in order, and whatever was late has come by then.
 */
export class ModbusBus {
  readonly #settings: BusSettings;
  readonly #port: DriverPort;
  readonly #exchange: Exchange<Uint8Array>;
  readonly #overdue: OverdueAnswers;
  /** When the line has been silent for long enough. */
  #quietAt = 0;
  #loopbacks = 0;
  #ended = false;

  /** @param overdue outlives the bus: a unit may answer what was asked before its line was unplugged. */
  constructor(settings: BusSettings, port: DriverPort, overdue: OverdueAnswers) {
    this.#settings = settings;
    this.#overdue = overdue;
    this.#port = port;
    this.#exchange = new Exchange((bytes) => this.#write(bytes));
  }

  /** Takes bytes of the line. */
  received(bytes: Uint8Array): void {
    this.#quiet(0);
    this.#exchange.receive(bytes);
  }

  /**
   * Asks in turn, again where the settings say so, and gives what the unit answers; null at once for all units.
   *
   * @throws ModbusException, or TetherError `timeout`, `integrity` for a broken answer, and as {@link Exchange.run}.
   */
  async ask<Result>(
    request: ModbusRequest<Result>,
    signal: AbortSignal,
    options: { readonly retries?: number } = {},
  ): Promise<Result | null> {
    if (request.unitId === 0) return await this.#tellAll(request, signal);
    const { retries, writeRetries } = this.#settings;
    let left = request.writes ? writeRetries : (options.retries ?? retries);
    for (;;) {
      try {
        return await this.#exchange.run(this.#transaction(request), signal);
      } catch (thrown) {
        const error = asTetherError(thrown);
        if (this.#ended) this.#overdue.add(request);
        const again = error.code === "timeout" || error.code === "integrity";
        if (!again || left <= 0 || signal.aborted || error instanceof ModbusException) throw error;
        left -= 1;
      }
    }
  }

  /** Tells everyone who waits that it is over. */
  end(reason: TetherError): void {
    this.#ended = true;
    this.#exchange.end(reason);
  }

  async #tellAll<Result>(request: ModbusRequest<Result>, signal: AbortSignal): Promise<null> {
    const { name, timeout, baudRate } = this.#settings;
    if (!request.writes) {
      throw new TetherError(
        "invalid",
        `${name}: unit 0 is all units, and none would answer; allowed: 1 to 255`,
      );
    }
    const bytes = rtuFrame(request);
    const silence = 2 * frameSilence(baudRate);
    const sending = Math.ceil(timeout + MODBUS.turnaround + this.#lineTime(bytes.length) + silence);
    const timedOut = () => new TetherError("timeout", `${name}: could not be sent within ${sending} ms`);
    await this.#exchange.run({ bytes, timeout: sending, timedOut }, signal);
    return null;
  }

  #transaction<Result>(request: ModbusRequest<Result>): Transaction<Uint8Array, Result> {
    const asked = `${this.#settings.name}: unit ${request.unitId}, ${request.what}`;
    const question = this.#question(request, asked, () => this.#overdue.add(request));
    return {
      ...question,
      accept: (bytes) => {
        const accepted = question.accept(bytes);
        // Also the late one: nothing of this question is on its way any more.
        if (accepted) this.#overdue.delete(request);
        return accepted;
      },
      first: () => (this.#overdue.threatens(request) ? this.#proof(request.unitId) : undefined),
      late: () => Math.min(this.#settings.timeout, SERIAL.lateAnswer),
    };
  }

  /** The question that a unit answers in a way that nothing late can: all that was late has come before it. */
  #proof(unitId: number): Transaction<Uint8Array, null> {
    this.#loopbacks = (this.#loopbacks + 1) & 0xffff;
    const request = loopback(unitId, this.#loopbacks);
    const asked = `${this.#settings.name}: unit ${unitId}`;
    const question = this.#question(request, asked, () => {});
    return {
      ...question,
      accept: (bytes) => {
        try {
          const accepted = question.accept(bytes);
          if (accepted) this.#overdue.forget(unitId);
          return accepted;
        } catch (thrown) {
          // Units without the function say so, after whatever else they had to say.
          if (!(thrown instanceof ModbusException)) throw thrown;
          this.#overdue.forget(unitId);
          return { result: null };
        }
      },
    };
  }

  #question<Result>(request: ModbusRequest<Result>, asked: string, missed: () => void) {
    const bytes = rtuFrame(request);
    const reader = new RtuAnswerReader(request, this.#settings.echo ? bytes : undefined);
    const wire = this.#lineTime(bytes.length * (this.#settings.echo ? 2 : 1) + request.answerBytes + 3);
    const timeout = Math.ceil(this.#settings.timeout + wire + frameSilence(this.#settings.baudRate));
    return {
      bytes,
      timeout,
      accept: (received: Uint8Array) => {
        const answer = reader.push(received);
        if (answer?.kind === "broken") missed();
        return answer && accepted(answer, asked);
      },
      timedOut: () => {
        missed();
        const came = reader.skipped === 0 ? "no answer" : `${reader.skipped} bytes that are no answer`;
        return new TetherError("timeout", `${asked}: ${came} within ${timeout} ms`, {
          hint: "look at unitId, baudRate and parity, and whether the two wires are swapped",
        });
      },
    };
  }

  /** Sends when the line has been silent for long enough; to all units also waits until they have done it. */
  async #write(bytes: Uint8Array): Promise<void> {
    await this.#untilQuiet();
    await this.#port.write(bytes);
    this.#quiet(this.#lineTime(bytes.length));
    if (bytes[0] !== 0) return;
    this.#quiet(this.#lineTime(bytes.length) + MODBUS.turnaround);
    await this.#untilQuiet();
  }

  async #untilQuiet(): Promise<void> {
    const wait = this.#quietAt - performance.now();
    if (wait > 0) await delay(Math.ceil(wait));
  }

  /** The line is in use for some milliseconds more. */
  #quiet(after: number): void {
    this.#quietAt = performance.now() + after + frameSilence(this.#settings.baudRate);
  }

  #lineTime(characters: number): number {
    return lineTime(characters, this.#settings.baudRate);
  }
}

function accepted<Result>(answer: RtuAnswer<Result>, asked: string): { readonly result: Result } {
  switch (answer.kind) {
    case "answer":
      return answer;
    case "exception":
      throw new ModbusException(answer.code, asked);
    case "broken":
      throw new TetherError("integrity", `${asked}: an answer with a wrong CRC`, {
        hint: "look at parity, the termination of the line and its length",
      });
  }
}
