import { realpath } from "node:fs/promises";
import { TetherError } from "../protocol/errors.ts";

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
