import { TetherError } from "../../../protocol/errors.ts";
import { SERIAL } from "../../../protocol/limits.ts";
import type { Exchange } from "../../exchange.ts";
import type { FirmataMessage } from "./messages.ts";
import type { PinTable } from "./pin-table.ts";
import { versionQuery } from "./requests.ts";

export type MessageOf<Kind extends FirmataMessage["kind"]> = Extract<FirmataMessage, { readonly kind: Kind }>;

/** What a board has said of itself. */
export interface BoardFacts {
  /** Of the protocol. */
  readonly version: MessageOf<"version">;
  readonly firmware: MessageOf<"firmware">;
  readonly pins: PinTable;
}

/** One question to a board. */
interface Question<Result> {
  readonly bytes: Uint8Array;
  /** What a message is as the answer; undefined: it is none. */
  readonly accept: (message: FirmataMessage) => Result | undefined;
  /** Names it in messages. */
  readonly what: string;
  /** Milliseconds for the answer, and for one that is merely late. */
  readonly timeout: number;
  readonly late: number;
}

/**
 * Asks in turn, and gives what `accept` makes of the message that answers.
 *
 * @throws TetherError as {@link Exchange.run}, `timeout` when nothing answers, and what `accept` throws
 */
export async function ask<Result>(
  exchange: Exchange<FirmataMessage>,
  { bytes, accept, what, timeout, late }: Question<Result>,
  signal: AbortSignal,
): Promise<Result> {
  return await exchange.run(
    {
      bytes,
      timeout,
      accept: (message) => {
        const result = accept(message);
        return result === undefined ? undefined : { result };
      },
      timedOut: () => new TetherError("timeout", `${what}: no answer within ${timeout} ms`),
      late: () => late,
    },
    signal,
  );
}

/** Takes the next message of a kind for the answer. */
export function acceptOnly<Kind extends FirmataMessage["kind"]>(kind: Kind) {
  return (message: FirmataMessage) => (message.kind === kind ? (message as MessageOf<Kind>) : undefined);
}

/** A board with Firmata that has said what it is. */
export class StartedBoard {
  readonly facts: BoardFacts;
  readonly #name: string;
  readonly #timeout: number;
  readonly #exchange: Exchange<FirmataMessage>;

  /**
   * @param name names it in messages
   * @param timeout milliseconds that it has to answer
   */
  constructor(facts: BoardFacts, name: string, timeout: number, exchange: Exchange<FirmataMessage>) {
    this.facts = facts;
    this.#name = name;
    this.#timeout = timeout;
    this.#exchange = exchange;
  }

  /** Asks as {@link ask} does; `what` names the question in messages. */
  async ask<Result>(
    bytes: Uint8Array,
    accept: (message: FirmataMessage) => Result | undefined,
    what: string,
    signal: AbortSignal,
  ): Promise<Result> {
    const timeout = this.#timeout;
    const late = Math.min(timeout, SERIAL.lateAnswer);
    return await ask(
      this.#exchange,
      { bytes, accept, what: `${this.#name}: ${what}`, timeout, late },
      signal,
    );
  }

  /** Sends what the board says nothing to, and returns when it has taken it. Throws as {@link ask}. */
  async tell(bytes: Uint8Array, what: string, signal: AbortSignal): Promise<void> {
    // It does one thing after the other: when it says its version, it has done what came before.
    await this.ask(Buffer.concat([bytes, versionQuery()]), acceptOnly("version"), what, signal);
  }
}
