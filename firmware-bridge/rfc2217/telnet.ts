import { COM_PORT } from "../../protocol/limits.ts";

/** Telnet commands (RFC 854, "TELNET command structure"). */
export const TELNET = {
  SE: 240,
  NOP: 241,
  BREAK: 243,
  AYT: 246,
  SB: 250,
  WILL: 251,
  WONT: 252,
  DO: 253,
  DONT: 254,
  IAC: 255,
} as const;

/** The four commands that negotiate an option. */
export type Verb = typeof TELNET.WILL | typeof TELNET.WONT | typeof TELNET.DO | typeof TELNET.DONT;

/** The option TRANSMIT-BINARY (RFC 856): data after the word is as the word says. */
const BINARY = 0;
const CR = 13;
const NUL = 0;

/** What came, in order: garbage is a unit like any other. */
export type TelnetUnit =
  | { readonly kind: "data"; readonly bytes: Buffer }
  | { readonly kind: "command"; readonly code: number }
  | { readonly kind: "negotiation"; readonly verb: Verb; readonly option: number }
  | { readonly kind: "subnegotiation"; readonly option: number; readonly bytes: Buffer }
  | { readonly kind: "noise"; readonly why: "subnegotiation-too-long" | "subnegotiation-broken-off" };

type State = "data" | "command" | "option" | "subnegotiation" | "subnegotiation-command";

/**
 * Cuts a Telnet connection's bytes into units (RFC 854, 855). How the bytes are divided among calls makes no
 * difference but to where data is cut.
 */
export class TelnetDecoder {
  /**
   * False once the other side has said that it does not send 8-bit data as it is (RFC 856): then CR NUL is a CR
   * (RFC 854). Silence is no such word.
   */
  isBinary = true;
  #state: State = "data";
  #verb: Verb = TELNET.WILL;
  #afterCarriageReturn = false;
  /** The option and the parameters of the subnegotiation that has begun. */
  readonly #parameters = Buffer.alloc(1 + COM_PORT.subnegotiation);
  #parameterCount = 0;

  /** Takes the next bytes, which must stay as they are, and gives the units that they complete, in order. */
  push(bytes: Buffer): TelnetUnit[] {
    if (this.#state === "data" && this.isBinary && !bytes.includes(TELNET.IAC)) {
      return bytes.length === 0 ? [] : [{ kind: "data", bytes }];
    }
    const units: TelnetUnit[] = [];
    const data = Buffer.allocUnsafe(bytes.length);
    let from = 0;
    let to = 0;
    const add = (unit: TelnetUnit | undefined) => {
      if (unit === undefined) return;
      if (to > from) units.push({ kind: "data", bytes: data.subarray(from, to) });
      from = to;
      units.push(unit);
    };
    for (let at = 0; at < bytes.length; at++) {
      if (this.#state === "data") {
        const next = bytes.indexOf(TELNET.IAC, at);
        const end = next < 0 ? bytes.length : next;
        to += this.#copyData(bytes.subarray(at, end), data, to);
        at = end;
        if (next >= 0) this.#state = "command";
        continue;
      }
      const byte = bytes[at] as number;
      if (this.#state === "command" && byte === TELNET.IAC) {
        data[to++] = byte;
        this.#afterCarriageReturn = false;
        this.#state = "data";
      } else add(this.#step(byte));
    }
    if (to > from) units.push({ kind: "data", bytes: data.subarray(from, to) });
    return units;
  }

  /** Gives how many bytes of data a run without IAC has. */
  #copyData(run: Buffer, target: Buffer, at: number): number {
    if (this.isBinary) return run.copy(target, at);
    let count = 0;
    for (const byte of run) {
      if (!(this.#afterCarriageReturn && byte === NUL)) target[at + count++] = byte;
      this.#afterCarriageReturn = byte === CR;
    }
    return count;
  }

  /** Goes on by one byte that is no data. */
  #step(byte: number): TelnetUnit | undefined {
    switch (this.#state) {
      case "data":
        return undefined;
      case "command":
        return this.#command(byte);
      case "option":
        this.#state = "data";
        if (byte === BINARY && this.#verb === TELNET.WILL) this.isBinary = true;
        if (byte === BINARY && this.#verb === TELNET.WONT) this.isBinary = false;
        return { kind: "negotiation", verb: this.#verb, option: byte };
      case "subnegotiation":
        if (byte === TELNET.IAC) this.#state = "subnegotiation-command";
        else this.#parameter(byte);
        return undefined;
      case "subnegotiation-command":
        return this.#subnegotiationCommand(byte);
    }
  }

  #command(byte: number): TelnetUnit | undefined {
    switch (byte) {
      case TELNET.WILL:
      case TELNET.WONT:
      case TELNET.DO:
      case TELNET.DONT:
        this.#verb = byte;
        this.#state = "option";
        return undefined;
      case TELNET.SB:
        this.#parameterCount = 0;
        this.#state = "subnegotiation";
        return undefined;
      default:
        this.#state = "data";
        return { kind: "command", code: byte };
    }
  }

  #subnegotiationCommand(byte: number): TelnetUnit | undefined {
    if (byte === TELNET.IAC) {
      this.#parameter(byte);
      this.#state = "subnegotiation";
      return undefined;
    }
    if (byte !== TELNET.SE) {
      // Only IAC and SE may follow here (RFC 855): the subnegotiation is given up, and the command is one.
      this.#command(byte);
      return { kind: "noise", why: "subnegotiation-broken-off" };
    }
    this.#state = "data";
    const count = this.#parameterCount;
    if (count > this.#parameters.length) return { kind: "noise", why: "subnegotiation-too-long" };
    const [option] = this.#parameters;
    if (count === 0 || option === undefined) return { kind: "noise", why: "subnegotiation-broken-off" };
    return { kind: "subnegotiation", option, bytes: Buffer.from(this.#parameters.subarray(1, count)) };
  }

  #parameter(byte: number): void {
    this.#parameters[this.#parameterCount] = byte;
    if (this.#parameterCount <= this.#parameters.length) this.#parameterCount++;
  }
}

/** Bytes as data: IAC doubled (RFC 854), and where it is not `isBinary` CR as CR NUL. The same buffer where nothing changes. */
export function encodeData(bytes: Buffer, isBinary = true): Buffer {
  let extra = 0;
  for (let at = bytes.indexOf(TELNET.IAC); at >= 0; at = bytes.indexOf(TELNET.IAC, at + 1)) extra++;
  if (!isBinary) for (let at = bytes.indexOf(CR); at >= 0; at = bytes.indexOf(CR, at + 1)) extra++;
  if (extra === 0) return bytes;
  const encoded = Buffer.allocUnsafe(bytes.length + extra);
  let to = 0;
  for (const byte of bytes) {
    encoded[to++] = byte;
    if (byte === TELNET.IAC) encoded[to++] = TELNET.IAC;
    else if (byte === CR && !isBinary) encoded[to++] = NUL;
  }
  return encoded;
}

/** IAC, a verb and an option (RFC 855). */
export function encodeNegotiation(verb: Verb, option: number): Buffer {
  return Buffer.of(TELNET.IAC, verb, option);
}

/** A subnegotiation, IAC doubled in its parameters (RFC 855). */
export function encodeSubnegotiation(option: number, parameters: Buffer): Buffer {
  return Buffer.concat([
    Buffer.of(TELNET.IAC, TELNET.SB, option),
    encodeData(parameters),
    Buffer.of(TELNET.IAC, TELNET.SE),
  ]);
}
