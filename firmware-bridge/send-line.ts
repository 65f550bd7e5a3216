import { realpath } from "node:fs/promises";
import { TetherError } from "../protocol/errors.ts";
import { SERIAL } from "../protocol/limits.ts";
import { LineTalk } from "./drivers/line-talk.ts";
import { openTty } from "./link/tty.ts";

/** A line for a port that no device has. */
export interface LineToSend {
  /** As {@link serialPath} gives it. */
  readonly path: string;
  /** Bits a second. */
  readonly baudRate: number;
  readonly text: string;
}

/** What serial ports are called, behind whatever links; consoles and all other devices are not. */
const PORT_PATH = /^\/dev\/(tty[A-Za-z][A-Za-z0-9]*|pts\/[0-9]+|rfcomm[0-9]+)$/;

/**
 * The serial port that a path leads to.
 *
 * @throws TetherError `device-missing` when there is none: whether there is anything else stays unsaid, for this
 * is asked by those who may not see other files.
 */
export async function serialPath(path: string): Promise<string> {
  const target = await realpath(path).catch(() => "");
  if (PORT_PATH.test(target)) return target;
  throw new TetherError("device-missing", `there is no serial port at ${path}`, {
    hint: "`tether serial list` shows those that there are",
  });
}

/**
 * Opens a port, sends one line, gives the first one that comes back and closes the port again.
 *
 * @throws TetherError `device-missing`, `busy`, `device-failed`, `timeout`, `invalid` for several lines
 */
export async function sendLine({ path, baudRate, text }: LineToSend, signal: AbortSignal): Promise<string> {
  let talk: LineTalk | undefined;
  const link = await openTty(
    { path, baudRate },
    { received: (bytes) => talk?.received(bytes), ended: (reason) => talk?.end(reason) },
  );
  try {
    talk = new LineTalk("\n", link);
    return await talk.say(text, { timeout: SERIAL.answerTimeout }, signal);
  } finally {
    talk?.end(new TetherError("cancelled", "the port has been given back"));
    await link.close();
  }
}
