/** Numbers of the Firmata protocol, 2.8.0 (github.com/firmata/protocol, protocol.md, i2c.md, servos.md). */

/** Messages; those below 0xF0 have a port, channel or pin in their low nibble. */
export const MESSAGE = {
  digital: 0x90,
  reportAnalog: 0xc0,
  reportDigital: 0xd0,
  analog: 0xe0,
  startSysex: 0xf0,
  setPinMode: 0xf4,
  setPinValue: 0xf5,
  endSysex: 0xf7,
  version: 0xf9,
  systemReset: 0xff,
} as const;

/** What the second byte of a sysex message says that it is. */
export const SYSEX = {
  extendedReportAnalog: 0x64,
  mappingQuery: 0x69,
  mapping: 0x6a,
  capabilityQuery: 0x6b,
  capabilities: 0x6c,
  pinStateQuery: 0x6d,
  pinState: 0x6e,
  extendedAnalog: 0x6f,
  servoConfig: 0x70,
  string: 0x71,
  i2cRequest: 0x76,
  i2cReply: 0x77,
  i2cConfig: 0x78,
  firmware: 0x79,
  samplingInterval: 0x7a,
} as const;

/** Ends the list of one pin's modes, and says in the analog mapping that a pin has no channel. */
export const NONE = 0x7f;

/** Names of the modes, by number. */
export const MODE_NAMES = [
  "input",
  "output",
  "analog",
  "pwm",
  "servo",
  "shift",
  "i2c",
  "onewire",
  "stepper",
  "encoder",
  "serial",
  "pullup",
  "spi",
  "sonar",
  "tone",
  "dht",
] as const;

export type ModeName = (typeof MODE_NAMES)[number];

/** The number of a mode. */
export function modeNumber(name: ModeName): number {
  return MODE_NAMES.indexOf(name);
}

/** The name of a mode, or its number for one that has none here. */
export function modeName(mode: number): string {
  return MODE_NAMES[mode] ?? String(mode);
}
