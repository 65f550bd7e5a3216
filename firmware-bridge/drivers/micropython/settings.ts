import { MICROPYTHON } from "../../../protocol/limits.ts";

/** How a board with MicroPython is spoken to. */
export interface MicroPythonSettings {
  /** Milliseconds that the board may be silent over one step of a command; `exec` and `run` have no such bound. */
  readonly timeout: number;
}

export const MICROPYTHON_DEFAULTS: MicroPythonSettings = { timeout: MICROPYTHON.silence };
