import {
  FIRMATA_DEFAULTS,
  type FirmataSettings,
  PIN_MODES,
  type PinProfile,
} from "../../firmware-bridge/index.ts";
import { CONFIGURATION, FIRMATA } from "../../protocol/index.ts";
import { present } from "./present.ts";
import {
  boolean,
  choice,
  durationKey,
  type Group,
  group,
  integer,
  map,
  mapKey,
  number,
  optional,
  plain,
  required,
  section,
  standard,
  text,
} from "./shapes.ts";
import { MEMBER_NAME, sentence } from "./texts.ts";

/** Microseconds of a pulse: 14 bits. */
const PULSE = [1, 0x3fff] as const;

const PIN = {
  pin: required(
    text({
      allowed: "a number from 0 to 127, or an analog channel as A0",
      pattern: /^A?(?:[0-9]|[1-9][0-9]|1[01][0-9]|12[0-7])$/,
      digits: true,
    }),
  ),
  mode: required(choice(PIN_MODES)),
  invert: standard(boolean(), false),
  scale: standard<number>(number(), FIRMATA_DEFAULTS.scale),
  offset: standard<number>(number(), FIRMATA_DEFAULTS.offset),
  initial: optional(plain(), "as the board has it"),
  minPulse: optional(integer(...PULSE), "the board's"),
  maxPulse: optional(integer(...PULSE), "the board's"),
  unit: optional(sentence()),
  deviceClass: optional(
    text({ allowed: "a device class of Home Assistant, as temperature", pattern: /^[a-z0-9_]{1,64}$/ }),
  ),
};

/** The keys of driver `firmata`. */
const BOARD = {
  samplingInterval: durationKey(1, 16_000, FIRMATA_DEFAULTS.samplingInterval),
  timeout: durationKey(10, 600_000, FIRMATA_DEFAULTS.timeout),
  resetOnConnect: standard<boolean>(boolean(), FIRMATA_DEFAULTS.resetOnConnect),
  pins: mapKey(map(MEMBER_NAME, group(PIN), CONFIGURATION.members)),
  i2c: optional(
    group({ delay: standard(integer(0, FIRMATA.i2cDelay), 0) }),
    "begun with the first call that needs it",
  ),
};

/** The section of a device that is a board with Firmata. */
export const FIRMATA_SECTION = section(BOARD);

export type BoardDraft = Group<typeof BOARD>;
export type PinDraft = BoardDraft["pins"][string];

/** The board as the firmware bridge takes it; a pin without a number or a mode is left out. */
export function toFirmata({ pins, i2c, ...board }: BoardDraft): FirmataSettings {
  const named: { [name: string]: PinProfile } = Object.create(null);
  for (const [name, { pin, mode, initial, ...rest }] of Object.entries(pins)) {
    if (pin === undefined || mode === undefined) continue;
    const { invert, scale, offset, ...others } = rest;
    named[name] = {
      pin: pin.startsWith("A") ? pin : Number(pin),
      mode,
      invert,
      scale,
      offset,
      ...present(others),
      ...(initial !== undefined && typeof initial !== "string" && { initial }),
    };
  }
  return { ...board, pins: named, ...(i2c !== undefined && { i2c }) };
}
