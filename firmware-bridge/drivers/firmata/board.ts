import { setTimeout as delay } from "node:timers/promises";
import { asTetherError, TetherError } from "../../../protocol/errors.ts";
import { FIRMATA } from "../../../protocol/limits.ts";
import { abortError, Exchange } from "../../exchange.ts";
import type { DriverPort } from "../driver.ts";
import { handshake } from "./handshake.ts";
import { MessageReader } from "./message-reader.ts";
import type { FirmataMessage } from "./messages.ts";
import { type BoardFacts, StartedBoard } from "./started-board.ts";

/** What a board needs around it. */
export interface BoardOptions {
  readonly name: string;
  /** Milliseconds that it has to answer. */
  readonly timeout: number;
  readonly port: DriverPort;
  /** Hears every message, before whoever asked for it. */
  readonly heard: (message: FirmataMessage, facts: BoardFacts | undefined) => void;
  /** Makes a board that has just told its facts what it is wanted to be; nobody else asks it meanwhile. */
  readonly restore: (start: StartedBoard) => Promise<void>;
}

/** What a start has come to. */
interface Start {
  readonly exchange: Exchange<FirmataMessage>;
  readonly started: Promise<StartedBoard>;
  readonly resolve: (board: StartedBoard | Promise<StartedBoard>) => void;
  readonly reject: (reason: TetherError) => void;
  /** Aborted when it is over, by the link's end or by another start. */
  readonly over: AbortController;
  facts: BoardFacts | undefined;
  board: StartedBoard | undefined;
  /** Only then does a report that nobody has asked for mean that the board has been reset. */
  isKnown: boolean;
}

/**
 * A board on a link, through its resets: it is asked what it is until it answers, then made what it is wanted to be.
 * One that is reset says its version and firmware unasked; everyone who waits is told, and all begins again.
 */
export class FirmataBoard {
  readonly #options: BoardOptions;
  readonly #reader = new MessageReader();
  #start: Start;
  #noise: Uint8Array | undefined;
  #ended: TetherError | undefined;

  constructor(options: BoardOptions, reset: boolean) {
    this.#options = options;
    this.#start = this.#begin(reset);
  }

  /** Takes bytes of the link. */
  received(bytes: Uint8Array): void {
    for (const message of this.#reader.push(bytes)) {
      const start = this.#start;
      if (message.kind === "noise") this.#noise = message.sample;
      this.#options.heard(message, start.facts);
      if (start.exchange.receive(message)) continue;
      if (start.isKnown && (message.kind === "version" || message.kind === "firmware")) {
        this.restart("was reset", false);
      }
    }
  }

  /**
   * The board once it has started.
   *
   * @throws TetherError `timeout` when it has not for long enough, what ended it, or the signal's reason
   */
  async ready(signal: AbortSignal): Promise<StartedBoard> {
    if (this.#ended) throw this.#ended;
    if (this.#start.board !== undefined) return this.#start.board;
    const waiting = new AbortController();
    const bound = AbortSignal.any([signal, waiting.signal]);
    const late = delay(FIRMATA.start, undefined, { signal: bound, ref: false }).then(
      () => {
        throw this.#silent();
      },
      (thrown: unknown) => {
        throw signal.aborted ? abortError(signal) : thrown;
      },
    );
    try {
      return await Promise.race([this.#start.started, late]);
    } finally {
      late.catch(() => {});
      waiting.abort();
    }
  }

  /**
   * Begins from the first again; whoever waits for an answer is told that the board `was` so.
   *
   * @param reset tells the board to forget everything
   */
  restart(was: string, reset: boolean): void {
    const before = this.#start;
    const reason = new TetherError("device-failed", `${this.#options.name} ${was}`, {
      hint: "its pins are set again as they were wanted; call again",
    });
    this.#start = this.#begin(reset);
    before.over.abort(reason);
    before.exchange.end(reason);
    // Who waits for it to start has done nothing yet, and waits on.
    before.resolve(this.#start.started);
  }

  /** The link is gone: tells everyone who waits. */
  end(reason: TetherError): void {
    this.#ended = reason;
    this.#start.over.abort(reason);
    this.#start.exchange.end(reason);
    this.#start.reject(reason);
  }

  #begin(reset: boolean): Start {
    const exchange = new Exchange<FirmataMessage>((bytes) => this.#options.port.write(bytes));
    let resolve: Start["resolve"] = () => {};
    let reject: Start["reject"] = () => {};
    const started = new Promise<StartedBoard>((fulfil, refuse) => {
      resolve = fulfil;
      reject = refuse;
    });
    started.catch(() => {});
    const over = new AbortController();
    const unknown = { facts: undefined, board: undefined, isKnown: false };
    const start: Start = { exchange, started, resolve, reject, over, ...unknown };
    void this.#run(start, reset);
    return start;
  }

  async #run(start: Start, reset: boolean): Promise<void> {
    const { name, timeout, restore } = this.#options;
    const { exchange, over } = start;
    let isAsked = reset;
    while (!over.signal.aborted) {
      try {
        start.facts = await handshake({ name, timeout, exchange, reset: isAsked }, over.signal);
        isAsked = false;
        start.isKnown = true;
        const board = new StartedBoard(start.facts, name, timeout, exchange);
        await restore(board);
        start.board = board;
        start.resolve(board);
        return;
      } catch (thrown) {
        if (over.signal.aborted) return;
        const error = asTetherError(thrown);
        if (error.code === "device-failed") {
          start.isKnown = true;
          start.reject(error);
          return;
        }
        // Somebody else has the port, or it has fallen silent: it is asked from the first again.
        start.isKnown = false;
        await delay(FIRMATA.greeting, undefined, { ref: false });
      }
    }
  }

  #silent(): TetherError {
    const { name } = this.#options;
    const came = this.#noise
      ? `, only what is no Firmata (${Buffer.from(this.#noise.subarray(0, 16)).toString("hex")})`
      : "";
    const message = `${name} has not said within ${FIRMATA.start} ms what it is${came}`;
    return new TetherError("timeout", message, {
      hint: "look at baudRate (StandardFirmata has 57600), and whether the board has Firmata on it",
    });
  }
}
