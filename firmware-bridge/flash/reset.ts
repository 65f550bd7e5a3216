import { TetherError } from "../../protocol/errors.ts";
import type { OutputLines } from "../link/link.ts";
import type { PortSettings } from "../link/settings.ts";
import type { ResetName } from "./settings.ts";

/** What a reset needs of a port. */
export interface ResetPort {
  configure(change: Partial<PortSettings>): Promise<PortSettings>;
  /** Sets all lines given at one moment; false when the port has none. */
  setLines(lines: OutputLines): Promise<boolean>;
}

/** One step: the lines, all at one moment, and the milliseconds until the next. */
interface ResetStep {
  readonly baudRate?: number;
  readonly lines: OutputLines;
  readonly hold: number;
}

/**
 * The sequences. Lines that go together change in one call: in between, the two transistors of an ESP board would
 * reset it without its bootloader.
 */
const STEPS: { readonly [reset in ResetName]: readonly ResetStep[] } = {
  none: [],
  // The capacitor between DTR and the reset pin of an Arduino makes a pulse of the falling edge (active: low).
  pulse: [
    { lines: { dtr: false, rts: false }, hold: 250 },
    { lines: { dtr: true, rts: true }, hold: 50 },
  ],
  // RTS is the reset, DTR the pin that chooses the bootloader; both at once are neither.
  esp: [
    { lines: { dtr: false, rts: true }, hold: 100 },
    { lines: { dtr: true, rts: false }, hold: 50 },
    { lines: { dtr: false, rts: false }, hold: 0 },
  ],
  // Boards whose USB port is their own: 1200 bits a second, and DTR going off, start the bootloader.
  touch: [{ baudRate: 1200, lines: { dtr: false }, hold: 0 }],
};

/**
 * Brings a board into its bootloader. The port has to be closed afterwards, for settings and lines stay.
 *
 * @param wait resolves after so many milliseconds, or throws when nobody wants the reset any more
 * @throws TetherError `device-failed` when the port has no such lines, and as the port
 */
export async function playReset(
  reset: ResetName,
  port: ResetPort,
  wait: (milliseconds: number) => Promise<void>,
): Promise<void> {
  for (const { baudRate, lines, hold } of STEPS[reset]) {
    if (baudRate !== undefined) await port.configure({ baudRate });
    const set = await port.setLines(lines);
    if (!set && reset !== "touch") {
      throw new TetherError("device-failed", `the port has no DTR and RTS, which the reset ${reset} needs`);
    }
    if (hold > 0) await wait(hold);
  }
}
