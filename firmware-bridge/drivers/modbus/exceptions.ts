import { type ErrorCode, TetherError } from "../../../protocol/errors.ts";

/** What a unit says when it will not (Modbus Application Protocol 1.1b3, §7; 7 is of the older Modicon guide). */
const EXCEPTIONS: { readonly [code: number]: readonly [code: ErrorCode, name: string, hint?: string] } = {
  1: ["device-failed", "illegal function", "this unit does not have that function"],
  2: [
    "device-failed",
    "illegal data address",
    "this unit has nothing at that address; addresses count from 0",
  ],
  3: ["device-failed", "illegal data value"],
  4: ["device-failed", "server device failure"],
  5: ["device-failed", "acknowledge: it has taken the command and will need a while"],
  6: ["busy", "server device busy"],
  7: ["device-failed", "negative acknowledge"],
  8: ["device-failed", "memory parity error"],
  10: ["device-failed", "gateway path unavailable"],
  11: ["timeout", "gateway target device failed to respond"],
};

/** A unit has answered with an exception. */
export class ModbusException extends TetherError {
  readonly exceptionCode: number;

  /** @param asked names unit and question. */
  constructor(exceptionCode: number, asked: string) {
    const [code, name, hint] = EXCEPTIONS[exceptionCode] ?? ["device-failed", "unknown to the standard"];
    super(code, `${asked}: exception ${exceptionCode}, ${name}`, { hint });
    this.exceptionCode = exceptionCode;
  }
}
