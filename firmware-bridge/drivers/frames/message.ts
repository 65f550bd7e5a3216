import { FRAMES } from "../../../protocol/limits.ts";
import { cobsEncode } from "../../framing/cobs.ts";
import { crc16 } from "../../framing/crc16.ts";

/** The version of the protocol that this side speaks. */
export const FRAMES_VERSION = 1;

/** Bytes before the arguments of a call, and before the bytes of a piece. */
export const CALL_HEAD = 3;

/** First bytes of the questions. */
const ASK = { hello: 0x01, description: 0x02, call: 0x03 } as const;

/** What a board says; docs/drivers/frames.md has the bytes. Sequence 0 is unasked. */
export type BoardMessage = {
  /** Another one: the board has started anew. */
  readonly instance: number;
} & (
  | {
      readonly kind: "hello";
      readonly sequence: number;
      readonly version: number;
      /** Bytes of the largest message that it takes. */
      readonly payload: number;
      /** Bytes and CRC-16 of its description. */
      readonly length: number;
      readonly check: number;
    }
  | {
      readonly kind: "piece";
      readonly sequence: number;
      readonly offset: number;
      readonly bytes: Buffer;
    }
  | { readonly kind: "result"; readonly sequence: number; readonly value: Buffer }
  | { readonly kind: "error"; readonly sequence: number; readonly code: number; readonly text: string }
  | { readonly kind: "value"; readonly index: number; readonly value: Buffer }
  | { readonly kind: "log"; readonly text: string }
);

export function helloQuestion(sequence: number): Buffer {
  return framed(Buffer.of(ASK.hello, sequence));
}

export function descriptionQuestion(sequence: number, offset: number): Buffer {
  return framed(Buffer.of(ASK.description, sequence, offset & 0xff, offset >> 8));
}

export function callQuestion(sequence: number, command: number, parameters: Buffer): Buffer {
  return framed(Buffer.concat([Buffer.of(ASK.call, sequence, command), parameters]));
}

/** The message in a frame; undefined when it is none: broken, too short, or of a kind that is not known. */
export function readMessage(frame: Uint8Array): BoardMessage | undefined {
  if (frame.length < 4 || crc16(frame) !== 0) return undefined;
  const bytes = Buffer.from(frame.subarray(0, -2));
  const [kind = 0, instance = 0, third = 0] = bytes;
  switch (kind) {
    case 0x81: {
      if (bytes.length < 9) return undefined;
      const [version = 0, payload = 0] = bytes.subarray(3);
      const [length, check] = [bytes.readUInt16LE(5), bytes.readUInt16LE(7)];
      return { kind: "hello", instance, sequence: third, version, payload, length, check };
    }
    case 0x82:
      if (bytes.length < 5) return undefined;
      return {
        kind: "piece",
        instance,
        sequence: third,
        offset: bytes.readUInt16LE(3),
        bytes: bytes.subarray(5),
      };
    case 0x83:
      return bytes.length < 3
        ? undefined
        : { kind: "result", instance, sequence: third, value: bytes.subarray(3) };
    case 0x84: {
      if (bytes.length < 4) return undefined;
      return {
        kind: "error",
        instance,
        sequence: third,
        code: bytes[3] ?? 0,
        text: prose(bytes.subarray(4)),
      };
    }
    case 0x85:
      return bytes.length < 3
        ? undefined
        : { kind: "value", instance, index: third, value: bytes.subarray(3) };
    case 0x86:
      return { kind: "log", instance, text: prose(bytes.subarray(2)) };
    default:
      return undefined;
  }
}

/** A zero goes before it too: what a board has half received before is then no part of it. */
function framed(payload: Buffer): Buffer {
  const crc = crc16(payload);
  const covered = Buffer.concat([payload, Buffer.of(crc & 0xff, crc >> 8)]);
  return Buffer.concat([Buffer.of(0), cobsEncode(covered), Buffer.of(0)]);
}

/** Text of a board for people: one line, without control characters. */
function prose(bytes: Buffer): string {
  return bytes
    .toString("utf8")
    .replace(/\p{Cc}+/gu, " ")
    .slice(0, FRAMES.proseLength)
    .trim();
}
