import { setTimeout as delay } from "node:timers/promises";
import { asTetherError, TetherError } from "../../../protocol/errors.ts";
import { FIRMATA, SERIAL } from "../../../protocol/limits.ts";
import { abortError, Exchange } from "../../exchange.ts";
import type { DriverPort } from "../driver.ts";
import { MessageReader } from "./message-reader.ts";
import type { FirmataMessage } from "./messages.ts";
import { PinTable } from "./pin-table.ts";
import { capabilityQuery, firmwareQuery, mappingQuery, systemReset, versionQuery } from "./requests.ts";

type MessageOf<Kind extends FirmataMessage["kind"]> = Extract<FirmataMessage, { readonly kind: Kind }>;

/** What a board has said of itself. */
export interface BoardFacts {
  /** Of the protocol. */
  readonly version: MessageOf<"version">;
  readonly firmware: MessageOf<"firmware">;
  readonly pins: PinTable;
}

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

/** A board with Firmata that has said what it is. */
export class StartedBoard {
  readonly facts: BoardFacts;
  readonly #options: BoardOptions;
  readonly #exchange: Exchange<FirmataMessage>;

  constructor(facts: BoardFacts, options: BoardOptions, exchange: Exchange<FirmataMessage>) {
    this.facts = facts;
    this.#options = options;
    this.#exchange = exchange;
  }

  /**
   * Sends, and gives what `accept` makes of the message that answers, undefined meaning another message.
   *
   * @param what names it in messages
   * @throws TetherError as {@link Exchange.run}, `timeout` when nothing answers, and what `accept` throws
   */
  async ask<Result>(
    bytes: Uint8Array,
    accept: (message: FirmataMessage) => Result | undefined,
    what: string,
    signal: AbortSignal,
  ): Promise<Result> {
    const { timeout } = this.#options;
    const late = Math.min(timeout, SERIAL.lateAnswer);
    return await ask(this.#exchange, bytes, accept, what, timeout, this.#options, signal, late);
  }

  /** Sends what the board says nothing to, and returns when it has taken it. Throws as {@link ask}. */
  async tell(bytes: Uint8Array, what: string, signal: AbortSignal): Promise<void> {
    // It does one thing after the other: when it says its version, it has done what came before.
    await this.ask(Buffer.concat([bytes, versionQuery()]), acceptOnly("version"), what, signal);
  }
}

/** What a start has come to. */
interface Start {
  readonly exchange: Exchange<FirmataMessage>;
  readonly started: Promise<StartedBoard>;
  readonly resolve: (board: StartedBoard | Promise<StartedBoard>) => void;
  readonly reject: (reason: TetherError) => void;
  facts: BoardFacts | undefined;
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
    before.exchange.end(reason);
    // Who waits for it to start has done nothing yet, and waits on.
    before.resolve(this.#start.started);
  }

  /** The link is gone: tells everyone who waits. */
  end(reason: TetherError): void {
    this.#ended = reason;
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
    const start: Start = { exchange, started, resolve, reject, facts: undefined, isKnown: false };
    void this.#run(start, reset);
    return start;
  }

  async #run(start: Start, reset: boolean): Promise<void> {
    let wantsReset = reset;
    while (this.#ended === undefined) {
      try {
        const facts = await this.#handshake(start.exchange, wantsReset);
        wantsReset = false;
        start.facts = facts;
        start.isKnown = true;
        const ready = new StartedBoard(facts, this.#options, start.exchange);
        await this.#options.restore(ready);
        start.resolve(ready);
        return;
      } catch (thrown) {
        if (this.#start !== start) return;
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

  async #handshake(exchange: Exchange<FirmataMessage>, reset: boolean): Promise<BoardFacts> {
    const { name } = this.#options;
    const firmware = await this.#greet(exchange);
    const version = await this.#insist(exchange, "its version", "version", versionQuery());
    const { major, minor } = version;
    if (major !== 2 || minor < 2) {
      const message = `${name} speaks Firmata ${major}.${minor}, which cannot tell its pins; allowed: 2.2 and later 2`;
      throw new TetherError("device-failed", message, { hint: "flash a newer StandardFirmata" });
    }
    if (reset) {
      const bytes = systemReset();
      await exchange.run({ bytes, timeout: this.#options.timeout, timedOut: () => this.#silent() }, NEVER);
    }
    const { pins } = await this.#insist(exchange, "what its pins can do", "capabilities", capabilityQuery());
    const { channels } = await this.#insist(exchange, "its analog pins", "mapping", mappingQuery());
    return { version, firmware, pins: new PinTable(name, pins, channels) };
  }

  /** Asks until an answer comes: many boards start when their port is opened, and hear nothing until then. */
  async #greet(exchange: Exchange<FirmataMessage>): Promise<MessageOf<"firmware">> {
    const { greeting, longestGreeting } = FIRMATA;
    for (let tries = 0; ; tries += 1) {
      // A board needs some seconds to start; what has said nothing for longer is no board with Firmata.
      const timeout = Math.min(greeting * 2 ** Math.floor(tries / 16), longestGreeting);
      try {
        const accept = acceptOnly("firmware");
        return await ask(exchange, firmwareQuery(), accept, "its firmware", timeout, this.#options, NEVER, 0);
      } catch (thrown) {
        if (asTetherError(thrown).code !== "timeout") throw thrown;
      }
    }
  }

  async #insist<Kind extends FirmataMessage["kind"]>(
    exchange: Exchange<FirmataMessage>,
    what: string,
    kind: Kind,
    bytes: Uint8Array,
  ): Promise<MessageOf<Kind>> {
    const { timeout } = this.#options;
    for (let left = FIRMATA.tries; ; left -= 1) {
      try {
        return await ask(exchange, bytes, acceptOnly(kind), what, timeout, this.#options, NEVER, 0);
      } catch (thrown) {
        if (asTetherError(thrown).code !== "timeout" || left <= 1) throw thrown;
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

const NEVER = new AbortController().signal;

function acceptOnly<Kind extends FirmataMessage["kind"]>(kind: Kind) {
  return (message: FirmataMessage) => (message.kind === kind ? (message as MessageOf<Kind>) : undefined);
}

async function ask<Result>(
  exchange: Exchange<FirmataMessage>,
  bytes: Uint8Array,
  accept: (message: FirmataMessage) => Result | undefined,
  what: string,
  timeout: number,
  { name }: BoardOptions,
  signal: AbortSignal,
  late: number,
): Promise<Result> {
  return await exchange.run(
    {
      bytes,
      timeout,
      accept: (message) => {
        const result = accept(message);
        return result === undefined ? undefined : { result };
      },
      timedOut: () => new TetherError("timeout", `${name}: ${what}: no answer within ${timeout} ms`),
      late: () => late,
    },
    signal,
  );
}
