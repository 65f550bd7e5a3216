import { asTetherError, TetherError } from "../../../protocol/errors.ts";
import { FIRMATA } from "../../../protocol/limits.ts";
import type { Exchange } from "../../exchange.ts";
import type { FirmataMessage } from "./messages.ts";
import { PinTable } from "./pin-table.ts";
import { capabilityQuery, firmwareQuery, mappingQuery, systemReset, versionQuery } from "./requests.ts";
import { acceptOnly, ask, type BoardFacts, type MessageOf } from "./started-board.ts";

/** How a board is asked what it is. */
export interface HandshakeOptions {
  /** Names it in messages. */
  readonly name: string;
  /** Milliseconds that it has to answer, once it has answered at all. */
  readonly timeout: number;
  readonly exchange: Exchange<FirmataMessage>;
  /** Whether it is told to forget everything. */
  readonly reset: boolean;
}

/**
 * Asks a board what it is, over and over until it answers for the first time.
 *
 * @throws TetherError `device-failed` for a version that cannot tell its pins, `timeout` when it falls silent, and
 * what the exchange ends with or sending fails with
 */
export async function handshake(options: HandshakeOptions, signal: AbortSignal): Promise<BoardFacts> {
  const { name, exchange, reset } = options;
  const firmware = await greet(options, signal);
  const version = await insist(options, "its version", "version", versionQuery(), signal);
  const { major, minor } = version;
  if (major !== 2 || minor < 2) {
    const message = `${name} speaks Firmata ${major}.${minor}, which cannot tell its pins; allowed: 2.2 and later 2`;
    throw new TetherError("device-failed", message, { hint: "flash a newer StandardFirmata" });
  }
  if (reset) {
    const timedOut = () => new TetherError("timeout", `${name}: could not be sent`);
    await exchange.run({ bytes: systemReset(), timeout: options.timeout, timedOut }, signal);
  }
  const what = "what its pins can do";
  const { pins } = await insist(options, what, "capabilities", capabilityQuery(), signal);
  const { channels } = await insist(options, "its analog pins", "mapping", mappingQuery(), signal);
  return { version, firmware, pins: new PinTable(name, pins, channels) };
}

/** Asks until an answer comes: many boards start when their port is opened, and hear nothing until then. */
async function greet(
  { name, exchange }: HandshakeOptions,
  signal: AbortSignal,
): Promise<MessageOf<"firmware">> {
  const { greeting, longestGreeting } = FIRMATA;
  const question = { bytes: firmwareQuery(), accept: acceptOnly("firmware"), what: name, late: 0 };
  for (let tries = 0; ; tries += 1) {
    // A board needs some seconds to start; what has said nothing for longer is no board with Firmata.
    const timeout = Math.min(greeting * 2 ** Math.floor(tries / 16), longestGreeting);
    try {
      return await ask(exchange, { ...question, timeout }, signal);
    } catch (thrown) {
      if (asTetherError(thrown).code !== "timeout" || signal.aborted) throw thrown;
    }
  }
}

/** Asks a board that has answered before; a message may have been lost while it started. */
async function insist<Kind extends FirmataMessage["kind"]>(
  { name, timeout, exchange }: HandshakeOptions,
  what: string,
  kind: Kind,
  bytes: Uint8Array,
  signal: AbortSignal,
): Promise<MessageOf<Kind>> {
  const question = { bytes, accept: acceptOnly(kind), what: `${name}: ${what}`, timeout, late: 0 };
  for (let left = FIRMATA.tries; ; left -= 1) {
    try {
      return await ask(exchange, question, signal);
    } catch (thrown) {
      if (asTetherError(thrown).code !== "timeout" || left <= 1 || signal.aborted) throw thrown;
    }
  }
}
