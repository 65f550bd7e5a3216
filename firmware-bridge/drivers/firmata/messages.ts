import { FIRMATA } from "../../../protocol/limits.ts";
import { NONE, SYSEX } from "./protocol.ts";

/** What a board says. */
export type FirmataMessage =
  | { readonly kind: "analog"; readonly channel: number; readonly value: number }
  /** One bit a pin, the lowest for the first. */
  | { readonly kind: "digital"; readonly port: number; readonly value: number }
  | { readonly kind: "version"; readonly major: number; readonly minor: number }
  | { readonly kind: "firmware"; readonly major: number; readonly minor: number; readonly name: string }
  /** For each pin its modes, each with its resolution. */
  | { readonly kind: "capabilities"; readonly pins: readonly ReadonlyMap<number, number>[] }
  /** For each pin its analog channel. */
  | { readonly kind: "mapping"; readonly channels: readonly (number | undefined)[] }
  /** Without a mode: there is no such pin. */
  | {
      readonly kind: "pinState";
      readonly pin: number;
      readonly mode: number | undefined;
      readonly state: number;
    }
  | { readonly kind: "string"; readonly text: string }
  | {
      readonly kind: "i2c";
      readonly address: number;
      readonly register: number;
      readonly bytes: readonly number[];
    }
  /** A sysex message of a kind that is not known here. */
  | { readonly kind: "sysex"; readonly id: number }
  /** Bytes that are no Firmata: another baud rate, another program, a message cut short. */
  | { readonly kind: "noise"; readonly sample: Uint8Array };

/** What a whole sysex message says: its bytes between 0xF0 and 0xF7, all below 0x80. */
export function readSysex(bytes: Uint8Array): FirmataMessage {
  const id = bytes[0] ?? 0;
  const body = bytes.subarray(1);
  const noise = { kind: "noise", sample: bytes } as const;
  switch (id) {
    case SYSEX.firmware: {
      const [major, minor] = body;
      if (major === undefined || minor === undefined) return noise;
      return { kind: "firmware", major, minor, name: textOf(body.subarray(2)) };
    }
    case SYSEX.capabilities:
      return { kind: "capabilities", pins: capabilitiesOf(body) };
    case SYSEX.mapping: {
      const channels = Array.from(body.subarray(0, FIRMATA.pins), (each) =>
        each === NONE ? undefined : each,
      );
      return { kind: "mapping", channels };
    }
    case SYSEX.pinState: {
      const [pin, mode] = body;
      return pin === undefined ? noise : { kind: "pinState", pin, mode, state: numberOf(body.subarray(2)) };
    }
    case SYSEX.extendedAnalog: {
      const [channel] = body;
      return channel === undefined || body.length < 2
        ? noise
        : { kind: "analog", channel, value: numberOf(body.subarray(1)) };
    }
    case SYSEX.string:
      return { kind: "string", text: textOf(body) };
    case SYSEX.i2cReply: {
      const [address, register, ...data] = pairsOf(body);
      if (address === undefined || register === undefined) return noise;
      // The bits above the address are a transaction's number, which is not used here.
      return { kind: "i2c", address: address & 0x7f, register, bytes: data.map((each) => each & 0xff) };
    }
    default:
      return { kind: "sysex", id };
  }
}

/** Numbers of 14 bits, the low seven first. */
function pairsOf(bytes: Uint8Array): number[] {
  return Array.from(
    { length: Math.ceil(bytes.length / 2) },
    (_, index) => (bytes[2 * index] ?? 0) | ((bytes[2 * index + 1] ?? 0) << 7),
  );
}

/** One number, seven bits a byte, the lowest first; up to 32 bits in 5 bytes. */
function numberOf(bytes: Uint8Array): number {
  let value = 0;
  for (const [index, byte] of bytes.subarray(0, 5).entries()) value += byte * 128 ** index;
  return value;
}

/** A text whose bytes come in two pieces each; boards write UTF-8. */
function textOf(bytes: Uint8Array): string {
  const whole = Uint8Array.from(pairsOf(bytes.subarray(0, 2 * FIRMATA.text)));
  return new TextDecoder().decode(whole);
}

function capabilitiesOf(bytes: Uint8Array): ReadonlyMap<number, number>[] {
  const pins: Map<number, number>[] = [];
  let modes = new Map<number, number>();
  for (let at = 0; at < bytes.length && pins.length < FIRMATA.pins; at += 1) {
    const mode = bytes[at] ?? NONE;
    if (mode === NONE) {
      pins.push(modes);
      modes = new Map();
    } else {
      at += 1;
      modes.set(mode, bytes[at] ?? 0);
    }
  }
  return pins;
}
