import { MESSAGE, SYSEX } from "./protocol.ts";

/** What is sent to a board, as bytes. Pins, channels and ports are in range: the caller has checked. */

const READ_ONCE = 0b01 << 3;

/** Asks for the name and version of the firmware. What comes before ends a message that was cut short. */
export function firmwareQuery(): Uint8Array {
  return Uint8Array.of(MESSAGE.endSysex, ...sysex(SYSEX.firmware));
}

export function versionQuery(): Uint8Array {
  return Uint8Array.of(MESSAGE.version);
}

export function systemReset(): Uint8Array {
  return Uint8Array.of(MESSAGE.systemReset);
}

export function capabilityQuery(): Uint8Array {
  return sysex(SYSEX.capabilityQuery);
}

export function mappingQuery(): Uint8Array {
  return sysex(SYSEX.mappingQuery);
}

export function pinStateQuery(pin: number): Uint8Array {
  return sysex(SYSEX.pinStateQuery, pin);
}

export function setPinMode(pin: number, mode: number): Uint8Array {
  return Uint8Array.of(MESSAGE.setPinMode, pin, mode);
}

/** Since protocol 2.5. */
export function setPinValue(pin: number, value: number): Uint8Array {
  return Uint8Array.of(MESSAGE.setPinValue, pin, value);
}

/** Sets the eight pins of a port that are outputs; before protocol 2.5 the only way. */
export function setPort(port: number, value: number): Uint8Array {
  return Uint8Array.of(MESSAGE.digital | port, value & 0x7f, value >> 7);
}

/** A value for a pin in mode PWM or servo. */
export function writeAnalog(pin: number, value: number): Uint8Array {
  if (pin < 16 && value < 0x4000) return Uint8Array.of(MESSAGE.analog | pin, value & 0x7f, value >> 7);
  return sysex(SYSEX.extendedAnalog, pin, ...septets(value));
}

export function reportAnalog(channel: number, isWanted: boolean): Uint8Array {
  return channel < 16
    ? Uint8Array.of(MESSAGE.reportAnalog | channel, Number(isWanted))
    : sysex(SYSEX.extendedReportAnalog, channel, Number(isWanted));
}

export function reportDigital(port: number, isWanted: boolean): Uint8Array {
  return Uint8Array.of(MESSAGE.reportDigital | port, Number(isWanted));
}

/** Microseconds of a servo's pulse at its ends. */
export function configureServo(pin: number, minPulse: number, maxPulse: number): Uint8Array {
  return sysex(SYSEX.servoConfig, pin, ...pair(minPulse), ...pair(maxPulse));
}

/** Milliseconds. */
export function setSamplingInterval(interval: number): Uint8Array {
  return sysex(SYSEX.samplingInterval, ...pair(interval));
}

/** Begins I2C; microseconds between a register's number and reading it. */
export function configureI2c(delay: number): Uint8Array {
  return sysex(SYSEX.i2cConfig, ...pair(delay));
}

/** To an address of 7 bits. */
export function writeI2c(address: number, bytes: readonly number[]): Uint8Array {
  return sysex(SYSEX.i2cRequest, address, 0, ...bytes.flatMap(pair));
}

/** Reads once; `register` undefined: without naming one first. */
export function readI2c(address: number, register: number | undefined, count: number): Uint8Array {
  const from = register === undefined ? [] : pair(register);
  return sysex(SYSEX.i2cRequest, address, READ_ONCE, ...from, ...pair(count));
}

function sysex(...bytes: readonly number[]): Uint8Array {
  return Uint8Array.of(MESSAGE.startSysex, ...bytes, MESSAGE.endSysex);
}

/** 14 bits, the low seven first. */
function pair(value: number): number[] {
  return [value & 0x7f, (value >> 7) & 0x7f];
}

/** As many groups of seven bits as the value has, two at least. */
function septets(value: number): number[] {
  const rest = Math.floor(value / 0x4000);
  return rest === 0 ? pair(value) : [...pair(value % 0x4000), ...septets(rest)];
}
