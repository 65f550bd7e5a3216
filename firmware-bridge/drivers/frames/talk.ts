import { setTimeout as delay } from "node:timers/promises";
import { asTetherError, TetherError } from "../../../protocol/errors.ts";
import { FRAMES, SERIAL } from "../../../protocol/limits.ts";
import { Exchange } from "../../exchange.ts";
import { CobsParser } from "../../framing/cobs.ts";
import { crc16 } from "../../framing/crc16.ts";
import type { DriverPort } from "../driver.ts";
import {
  type BoardMessage,
  CALL_HEAD,
  callQuestion,
  descriptionQuestion,
  FRAMES_VERSION,
  helloQuestion,
  readMessage,
} from "./message.ts";

export type Hello = Extract<BoardMessage, { kind: "hello" }>;

/** What a talk with a board needs around it. */
export interface TalkOptions {
  /** Names the board in messages. */
  readonly name: string;
  /** Milliseconds for one answer. */
  readonly timeout: number;
  /** True when the description that a board names in its hello is the one that is known already. */
  isKnown(hello: Hello): boolean;
  /** Takes the description that is new; throws TetherError `device-failed` when it is none. */
  describe(bytes: Buffer, hello: Hello): void;
  /** What the board has said about itself makes no sense, and asking again would not mend it. */
  refused(error: TetherError): void;
  /** A value or a text that came unasked. */
  heard(message: Extract<BoardMessage, { kind: "value" | "log" }>): void;
}

/** Bytes of a call's CRC. */
const CRC_BYTES = 2;

/**
 * Frames both ways on one link: first the board is asked what it is, again and again until it says so, then it can be
 * called. When it starts anew, everybody who waits is told, and it is asked again.
 */
export class FramesTalk {
  readonly #options: TalkOptions;
  readonly #port: DriverPort;
  readonly #parser = new CobsParser(FRAMES.largestPayload + CRC_BYTES);
  #exchange: Exchange<BoardMessage>;
  #sequence = 0;
  /** The board as it is now, once it has said what it is. */
  #hello: Hello | undefined;
  /** Why it has not yet. */
  #trouble: TetherError | undefined;
  #meeting: { readonly controller: AbortController; readonly done: Promise<void> } | undefined;
  #ended: TetherError | undefined;

  constructor(options: TalkOptions, port: DriverPort) {
    this.#options = options;
    this.#port = port;
    this.#exchange = this.#newExchange();
  }

  /** Begins to ask the board what it is. */
  start(): void {
    this.#meet();
  }

  /** Takes bytes of the board. */
  received(bytes: Uint8Array): void {
    for (const unit of this.#parser.push(bytes)) {
      const message = unit.kind === "frame" ? readMessage(unit.bytes) : undefined;
      if (message) this.#take(message);
    }
  }

  /**
   * Calls a command by its number and gives the bytes of its result.
   *
   * @throws TetherError `timeout` also while the board has not said what it is, `device-failed` what the board says, or
   * that it has started anew, `invalid` for more bytes than it takes, and as {@link Exchange.run}.
   */
  async call(command: () => number, parameters: Buffer, what: string, signal: AbortSignal): Promise<Buffer> {
    const { payload } = await this.described(signal);
    const room = payload - CALL_HEAD;
    if (parameters.length > room) {
      throw new TetherError("invalid", `${what}: arguments of ${parameters.length} bytes; allowed: ${room}`);
    }
    const accept = (message: BoardMessage): Buffer | undefined => {
      if (message.kind === "result") return message.value;
      if (message.kind === "error") throw failure(message, what);
      return undefined;
    };
    const { timeout } = this.#options;
    return await this.#ask(
      (sequence) => callQuestion(sequence, command(), parameters),
      accept,
      { what, timeout },
      signal,
    );
  }

  /** Resolves when the board has said what it is. Throws `timeout`, or what is wrong with what it said. */
  async described(signal: AbortSignal): Promise<Hello> {
    if (this.#hello) return this.#hello; // and no timer for each call
    const { name, timeout } = this.#options;
    const deadline = AbortSignal.timeout(timeout);
    while (!this.#hello) {
      if (this.#ended) throw this.#ended;
      if (this.#trouble?.code === "device-failed") throw this.#trouble;
      await settled(this.#meeting?.done ?? Promise.resolve(), AbortSignal.any([signal, deadline]));
      if (signal.aborted) throw asTetherError(signal.reason);
      if (this.#hello || !deadline.aborted) continue;
      const why = this.#trouble === undefined ? "" : `: ${this.#trouble.message}`;
      throw new TetherError("timeout", `${name} has not said what it is within ${timeout} ms${why}`, {
        hint: "look at baudRate, and whether its program uses tether_frames",
      });
    }
    return this.#hello;
  }

  /** Tells everyone who waits that it is over. */
  end(reason: TetherError): void {
    this.#ended = reason;
    this.#hello = undefined;
    this.#meeting?.controller.abort();
    this.#exchange.end(reason);
  }

  #take(message: BoardMessage): void {
    if (message.kind === "hello" && message.sequence === 0) this.#startAnew(message);
    else if (this.#hello && message.instance !== this.#hello.instance) this.#startAnew();
    else if (message.kind !== "value" && message.kind !== "log") this.#exchange.receive(message);
    else if (this.#hello) this.#options.heard(message);
  }

  /** The board has forgotten whatever it was asked. */
  #startAnew(hello?: Hello): void {
    const { name } = this.#options;
    this.#meeting?.controller.abort();
    this.#exchange.end(
      new TetherError("device-failed", `${name} has started anew: what it was doing is lost`),
    );
    this.#exchange = this.#newExchange();
    this.#hello = undefined;
    this.#trouble = undefined;
    this.#meet(hello);
  }

  #meet(hello?: Hello): void {
    const controller = new AbortController();
    const done = this.#getToKnow(hello, controller.signal);
    this.#meeting = { controller, done };
  }

  /** Ends when the board has said what it is, or something that asking again would not mend. */
  async #getToKnow(unasked: Hello | undefined, signal: AbortSignal): Promise<void> {
    let hello = unasked;
    for (let pause: number = FRAMES.firstPause; !signal.aborted; ) {
      try {
        hello ??= await this.#askHello(signal);
        await this.#askDescription(hello, signal);
        if (signal.aborted) return;
        this.#trouble = undefined;
        this.#hello = hello;
        return;
      } catch (thrown) {
        if (signal.aborted) return;
        this.#trouble = asTetherError(thrown);
        if (this.#trouble.code === "device-failed") {
          this.#options.refused(this.#trouble);
          return;
        }
      }
      hello = undefined;
      await delay(pause, undefined, { signal }).catch(() => {});
      pause = Math.min(2 * pause, FRAMES.longestPause);
    }
  }

  async #askHello(signal: AbortSignal): Promise<Hello> {
    const timeout = Math.min(this.#options.timeout, FRAMES.helloTime);
    const accept = (message: BoardMessage) => (message.kind === "hello" ? message : undefined);
    return await this.#ask(helloQuestion, accept, { what: this.#options.name, timeout }, signal);
  }

  async #askDescription(hello: Hello, signal: AbortSignal): Promise<void> {
    const { name, timeout } = this.#options;
    checkHello(hello, name);
    if (this.#options.isKnown(hello)) return;
    const pieces: Buffer[] = [];
    for (let offset = 0; offset < hello.length; ) {
      const accept = (message: BoardMessage) =>
        message.kind === "piece" && message.offset === offset ? message.bytes : undefined;
      const what = `${name}, its description`;
      const piece = await this.#ask(
        (sequence) => descriptionQuestion(sequence, offset),
        accept,
        { what, timeout },
        signal,
      );
      if (piece.length === 0) throw new TetherError("integrity", `${name}: its description ends too soon`);
      pieces.push(piece);
      offset += piece.length;
    }
    const bytes = Buffer.concat(pieces);
    if (bytes.length !== hello.length || crc16(bytes) !== hello.check) {
      throw new TetherError("integrity", `${name}: its description came with a wrong CRC`);
    }
    if (!signal.aborted) this.#options.describe(bytes, hello);
  }

  /** Asks with a fresh sequence number; only an answer with that number can be one. */
  async #ask<Result>(
    question: (sequence: number) => Buffer,
    accept: (message: BoardMessage) => Result | undefined,
    { what, timeout }: { readonly what: string; readonly timeout: number },
    signal: AbortSignal,
  ): Promise<Result> {
    this.#sequence = (this.#sequence % 0xff) + 1;
    const sequence = this.#sequence;
    return await this.#exchange.run(
      {
        bytes: question(sequence),
        timeout,
        accept: (message) => {
          if (!("sequence" in message) || message.sequence !== sequence) return undefined;
          const result = accept(message);
          return result === undefined ? undefined : { result };
        },
        timedOut: () => new TetherError("timeout", `${what}: no answer within ${timeout} ms`),
        // A board does one thing at a time: while it is at this, the next question would be lost.
        late: () => Math.min(timeout, SERIAL.lateAnswer),
      },
      signal,
    );
  }

  #newExchange(): Exchange<BoardMessage> {
    return new Exchange((bytes) => this.#port.write(bytes));
  }
}

function checkHello({ version, payload, length }: Hello, name: string): void {
  if (version !== FRAMES_VERSION) {
    const message = `${name} speaks version ${version} of frames; allowed: ${FRAMES_VERSION}`;
    throw new TetherError("device-failed", message, {
      hint: "build its program with the library of this version",
    });
  }
  if (payload < FRAMES.smallestPayload || payload > FRAMES.largestPayload) {
    const allowed = `${FRAMES.smallestPayload} to ${FRAMES.largestPayload}`;
    throw new TetherError("device-failed", `${name} takes messages of ${payload} bytes; allowed: ${allowed}`);
  }
  if (length > FRAMES.description) {
    const message = `${name} has a description of ${length} bytes; allowed: ${FRAMES.description}`;
    throw new TetherError("device-failed", message);
  }
}

function failure({ code, text }: Extract<BoardMessage, { kind: "error" }>, what: string): TetherError {
  switch (code) {
    case 1:
      return new TetherError("device-failed", `${what}: the board has described it and does not have it`, {
        hint: "its table of handlers is shorter than its description",
      });
    case 2:
      return new TetherError("invalid", `${what}: the board reads other arguments than it has described`);
    default:
      return new TetherError("device-failed", `${what}: ${text === "" ? `error ${code}` : text}`);
  }
}

/** Resolves when either is over, however it went. */
async function settled(work: Promise<void>, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  let stop = () => {};
  const aborted = new Promise<void>((resolve) => {
    stop = resolve;
    signal.addEventListener("abort", stop, { once: true });
  });
  await Promise.race([work, aborted]);
  signal.removeEventListener("abort", stop);
}
