import { crc16 } from "../../framing/crc16.ts";
import type { ModbusRequest } from "./pdu.ts";

/** Bytes of a frame beside its PDU: the unit before it, the CRC behind. */
const AROUND = 3;
/** Bytes of an answer that is an exception: unit, function, code, CRC. */
const EXCEPTION_BYTES = 5;

/** What the bytes since a question were. */
export type RtuAnswer<Result> =
  | { readonly kind: "answer"; readonly result: Result }
  | { readonly kind: "exception"; readonly code: number }
  | { readonly kind: "broken" };

/** A question as it goes out: unit, PDU and CRC, low byte first (Modbus over Serial Line 1.02, §2.5.1). */
export function rtuFrame({ unitId, pdu }: { readonly unitId: number; readonly pdu: Uint8Array }): Buffer {
  const frame = Buffer.alloc(pdu.length + AROUND);
  frame[0] = unitId;
  frame.set(pdu, 1);
  frame.writeUInt16LE(crc16(frame.subarray(0, -2)), frame.length - 2);
  return frame;
}

/**
 * Finds the answer to one question in what comes after it.
 *
 * Frames have no length of their own and are told apart by silence on the wire, of which nothing is left behind a
 * USB adapter. But the length of every answer follows from its question, so that silence is not needed: whatever
 * does not begin as the answer has to is skipped, byte by byte, and what does is believed by its CRC.
 */
export class RtuAnswerReader<Result> {
  readonly #request: ModbusRequest<Result>;
  #pending: Buffer = Buffer.alloc(0);
  /** Bytes of our own question that an adapter may still give back. */
  #echo: Buffer;
  /** Bytes that were not the answer. */
  skipped = 0;

  /** @param echo the question, where the adapter hears itself. */
  constructor(request: ModbusRequest<Result>, echo: Uint8Array = Buffer.alloc(0)) {
    this.#request = request;
    this.#echo = Buffer.from(echo);
  }

  /** Takes the next bytes. `broken`: the answer, with a wrong CRC. Undefined: not all of it is there. */
  push(bytes: Uint8Array): RtuAnswer<Result> | undefined {
    this.#pending = Buffer.concat([this.#pending, bytes]);
    this.#skipEcho();
    let broken = false;
    while (this.#pending.length >= 2) {
      const length = this.#expectedLength();
      if (length === undefined) {
        this.#skip(1);
      } else if (this.#pending.length < length) {
        return undefined;
      } else if (crc16(this.#pending.subarray(0, length)) !== 0) {
        broken = true;
        this.#skip(1);
      } else {
        const answer = this.#read(this.#pending.subarray(1, length - 2));
        if (answer) return answer;
        this.#skip(length);
      }
    }
    return broken ? { kind: "broken" } : undefined;
  }

  /** Bytes of the frame that begins here if it is the answer; undefined when it cannot be. */
  #expectedLength(): number | undefined {
    const { unitId, pdu, answerBytes } = this.#request;
    if (this.#pending[0] !== unitId) return undefined;
    const asked = pdu[0] ?? 0;
    const functionCode = this.#pending[1] ?? 0;
    if (functionCode === (asked | 0x80)) return EXCEPTION_BYTES;
    if (functionCode !== asked) return undefined;
    // Where a length follows, it is the third byte.
    const stated = this.#pending[2];
    const hasLength = asked <= 4 || asked === 23;
    return hasLength && stated !== undefined && stated !== answerBytes - 2 ? undefined : answerBytes + AROUND;
  }

  #read(pdu: Buffer): RtuAnswer<Result> | undefined {
    if ((pdu[0] ?? 0) & 0x80) return { kind: "exception", code: pdu[1] ?? 0 };
    const read = this.#request.read(pdu);
    return read && { kind: "answer", result: read.result };
  }

  #skipEcho(): void {
    const common = Math.min(this.#echo.length, this.#pending.length);
    if (common === 0) return;
    if (!this.#pending.subarray(0, common).equals(this.#echo.subarray(0, common))) {
      this.#echo = Buffer.alloc(0);
      return;
    }
    this.#pending = this.#pending.subarray(common);
    this.#echo = this.#echo.subarray(common);
  }

  #skip(count: number): void {
    this.skipped += count;
    this.#pending = this.#pending.subarray(count);
  }
}
