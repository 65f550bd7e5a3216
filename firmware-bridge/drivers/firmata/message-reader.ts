import { FIRMATA, SERIAL } from "../../../protocol/limits.ts";
import { type FirmataMessage, readSysex } from "./messages.ts";
import { MESSAGE } from "./protocol.ts";

/** Makes messages of a board's bytes, in pieces of any length; what is no message is given as noise. */
export class MessageReader {
  /** What the unfinished message has so far, its first byte included. */
  readonly #pending = new Uint8Array(FIRMATA.sysex);
  #length = 0;
  /** The unfinished sysex message is too long: its rest is noise. */
  #isOverlong = false;
  #noise: number[] = [];

  /** Takes bytes, valid until this returns; gives the messages that they complete, in their order. */
  push(bytes: Uint8Array): FirmataMessage[] {
    const messages: FirmataMessage[] = [];
    for (const byte of bytes) {
      const message = byte < 0x80 ? this.#data(byte) : this.#command(byte, messages);
      if (message === undefined) continue;
      this.#flush(messages);
      messages.push(message);
    }
    this.#flush(messages);
    return messages;
  }

  #data(byte: number): FirmataMessage | undefined {
    const [first] = this.#pending;
    if (this.#length === 0) {
      this.#skip(byte);
      return undefined;
    }
    if (this.#length < this.#pending.length) this.#pending[this.#length++] = byte;
    else this.#isOverlong = true;
    if (first === MESSAGE.startSysex || first === undefined || this.#length < 3) return undefined;
    const [, low = 0, high = 0] = this.#pending;
    this.#length = 0;
    if (first === MESSAGE.version) return { kind: "version", major: low, minor: high };
    const value = low | (high << 7);
    return (first & 0xf0) === MESSAGE.analog
      ? { kind: "analog", channel: first & 0x0f, value }
      : { kind: "digital", port: first & 0x0f, value: value & 0xff };
  }

  #command(byte: number, messages: FirmataMessage[]): FirmataMessage | undefined {
    const isSysex = this.#length > 0 && this.#pending[0] === MESSAGE.startSysex;
    if (isSysex && byte === MESSAGE.endSysex && !this.#isOverlong && this.#length > 1) {
      const message = readSysex(this.#pending.slice(1, this.#length));
      this.#length = 0;
      return message;
    }
    // Nothing but its end may stand in a message: what there is of it was cut short.
    for (const each of this.#pending.subarray(0, Math.min(this.#length, SERIAL.sample))) this.#skip(each);
    this.#length = 0;
    this.#isOverlong = false;
    const kind = byte & 0xf0;
    if (
      byte === MESSAGE.startSysex ||
      byte === MESSAGE.version ||
      kind === MESSAGE.analog ||
      kind === MESSAGE.digital
    ) {
      this.#flush(messages);
      this.#pending[0] = byte;
      this.#length = 1;
    } else {
      this.#skip(byte);
    }
    return undefined;
  }

  #skip(byte: number): void {
    if (this.#noise.length < SERIAL.sample) this.#noise.push(byte);
  }

  #flush(messages: FirmataMessage[]): void {
    if (this.#noise.length === 0) return;
    messages.push({ kind: "noise", sample: Uint8Array.from(this.#noise) });
    this.#noise = [];
  }
}
