import { TetherError } from "../../../protocol/errors.ts";
import { portOf } from "./pin-table.ts";
import { modeName, modeNumber } from "./protocol.ts";
import {
  configureServo,
  pinStateQuery,
  reportAnalog,
  reportDigital,
  setPinMode,
  setPinValue,
  setPort,
  writeAnalog,
} from "./requests.ts";
import type { StartedBoard } from "./started-board.ts";
import type { PinWish } from "./wishes.ts";

/** What the board says of a pin: its mode, and what was last written to it, which is not what it measures. */
export interface PinState {
  readonly mode: string;
  readonly state: number;
}

/** Asks for a pin's state. Throws as {@link StartedBoard.ask}. */
export async function pinState(board: StartedBoard, pin: number, signal: AbortSignal): Promise<PinState> {
  return await askState(board, [], pin, signal);
}

/** True when a pin is what it is wanted to be. */
export function fulfils({ mode, state }: PinState, wish: PinWish): boolean {
  return mode === wish.mode && (wish.value === undefined || state === wish.value);
}

/**
 * Makes a pin what it is wanted to be, and asks the board whether it is.
 *
 * @param isMode it should have the mode already: only the value is sent first
 * @throws TetherError `device-failed` when it is not, and as {@link StartedBoard.ask}
 */
export async function fulfil(
  board: StartedBoard,
  pin: number,
  wish: PinWish,
  isMode: boolean,
  signal: AbortSignal,
): Promise<void> {
  const mode = setPinMode(pin, modeNumber(wish.mode));
  const { pulses, value } = wish;
  const servo = pulses === undefined ? [] : [configureServo(pin, pulses.least, pulses.most)];
  const written = value === undefined ? [] : [await valueBytes(board, pin, wish.mode, value, signal)];
  let state = await askState(board, isMode ? written : [...servo, mode, ...written], pin, signal);
  // A byte may have been lost, or the mode by a reset that nobody has noticed.
  if (!fulfils(state, wish)) state = await askState(board, [...servo, mode, ...written], pin, signal);
  if (fulfils(state, wish)) return;
  const wanted = value === undefined ? wish.mode : `${wish.mode} ${value}`;
  throw new TetherError("device-failed", `pin ${pin} is ${state.mode} ${state.state} and not ${wanted}`);
}

/** What an input measures now. `isKept`: the board goes on reporting the port it is in. */
export async function readDigital(
  board: StartedBoard,
  pin: number,
  isKept: boolean,
  signal: AbortSignal,
): Promise<boolean> {
  const { port, bit } = portOf(pin);
  // To ask for reports anew is to be told at once (since Firmata 2.4).
  const value = await board.ask(
    reportDigital(port, true),
    (message) => (message.kind === "digital" && message.port === port ? message.value : undefined),
    `pin ${pin}`,
    signal,
  );
  if (!isKept) await board.tell(reportDigital(port, false), `pin ${pin}`, signal);
  return (value & bit) !== 0;
}

/** The same of an analog channel. */
export async function readAnalog(
  board: StartedBoard,
  channel: number,
  isKept: boolean,
  signal: AbortSignal,
): Promise<number> {
  const value = await board.ask(
    reportAnalog(channel, true),
    (message) => (message.kind === "analog" && message.channel === channel ? message.value : undefined),
    `A${channel}`,
    signal,
  );
  if (!isKept) await board.tell(reportAnalog(channel, false), `A${channel}`, signal);
  return value;
}

async function askState(
  board: StartedBoard,
  before: readonly Uint8Array[],
  pin: number,
  signal: AbortSignal,
): Promise<PinState> {
  return await board.ask(
    Buffer.concat([...before, pinStateQuery(pin)]),
    (message) => {
      if (message.kind !== "pinState" || message.pin !== pin) return undefined;
      return { mode: message.mode === undefined ? "none" : modeName(message.mode), state: message.state };
    },
    `pin ${pin}`,
    signal,
  );
}

async function valueBytes(
  board: StartedBoard,
  pin: number,
  mode: PinWish["mode"],
  value: number,
  signal: AbortSignal,
): Promise<Uint8Array> {
  if (mode !== "output") return writeAnalog(pin, value);
  const { version, pins } = board.facts;
  if (version.minor >= 5) return setPinValue(pin, value);
  // The whole port is set: what others of it have been set to, pull-ups too, is set to the same again.
  const { port, bit } = portOf(pin);
  let bits = value === 0 ? 0 : bit;
  for (let other = port * 8; other < Math.min(port * 8 + 8, pins.count); other += 1) {
    if (other === pin) continue;
    const { mode: its, state } = await pinState(board, other, signal);
    if ((its === "output" || its === "input") && state === 1) bits |= portOf(other).bit;
  }
  return setPort(port, bits);
}
