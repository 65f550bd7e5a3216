import { GCODE_DEFAULTS, type GcodeSettings } from "../../firmware-bridge/index.ts";
import { SERIAL } from "../../protocol/index.ts";
import { choice, durationKey, type Group, integer, optional, standard } from "./shapes.ts";

const { dialect, buffer, lineLength, poll, timeout, onLost } = GCODE_DEFAULTS;

/** The keys of a machine that speaks G-code. */
export const GCODE = {
  dialect: standard(choice(["grbl", "marlin"]), dialect, dialect),
  buffer: standard<number>(integer(16, SERIAL.unit), buffer),
  lineLength: optional(integer(32, 4_096), `${lineLength.grbl} with grbl, ${lineLength.marlin} with marlin`),
  poll: durationKey(100, 60_000, poll),
  timeout: durationKey(500, 600_000, timeout),
  onLost: standard(choice(["hold", "stop", "continue"]), onLost, onLost),
};

/** The settings as the driver takes them. */
export function toGcode({ lineLength: characters, ...settings }: Group<typeof GCODE>): GcodeSettings {
  return { ...settings, lineLength: characters ?? lineLength[settings.dialect] };
}
