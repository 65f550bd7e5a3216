import { isUtf8 } from "node:buffer";
import { FTP } from "../../../protocol/index.ts";

/** What came over a control connection: a command line, one that is none, or an answer that Telnet wants. */
export type Unit =
  | { readonly kind: "line"; readonly text: string }
  | { readonly kind: "malformed"; readonly why: string }
  | { readonly kind: "telnet"; readonly answer: Buffer };

// RFC 854.
const IAC = 0xff;
const WILL = 0xfb;
const WONT = 0xfc;
const DO = 0xfd;
const DONT = 0xfe;
const LOWEST_COMMAND = 0xf0;

const CR = 0x0d;
const LF = 0x0a;

/**
 * Turns the bytes of a control connection into command lines, and takes out what Telnet puts among them
 * (RFC 959 §3.3.2, RFC 854). Pure; holds one line and what was pushed and not taken yet.
 */
export class CommandReader {
  readonly #line = Buffer.alloc(FTP.command);
  #length = 0;
  #tooLong = false;
  #pending: Buffer = Buffer.alloc(0);
  #at = 0;
  /** After IAC: undefined, or the byte of an option's command that waits for the option. */
  #telnet: "text" | "command" | typeof WILL | typeof WONT | typeof DO | typeof DONT = "text";
  /** True where the LF of a line that was taken without it may still come. */
  #skipLineFeed = false;

  /** Bytes that were pushed and not taken yet. */
  get pending(): number {
    return this.#pending.length - this.#at;
  }

  /** Takes what one read has brought. */
  push(bytes: Buffer): void {
    this.#pending = this.pending === 0 ? bytes : Buffer.concat([this.#pending.subarray(this.#at), bytes]);
    this.#at = 0;
  }

  /** The next unit; undefined when there is none yet. */
  next(): Unit | undefined {
    while (this.#at < this.#pending.length) {
      const byte = this.#pending[this.#at++] as number;
      const unit = this.#telnet === "text" ? this.#text(byte) : this.#command(byte);
      if (unit !== undefined) return unit;
    }
    return this.#urgentAbort();
  }

  #text(byte: number): Unit | undefined {
    if (byte === IAC) {
      this.#telnet = "command";
      return undefined;
    }
    const skips = this.#skipLineFeed;
    this.#skipLineFeed = false;
    if (byte === LF) return skips ? undefined : this.#end();
    // No command begins so: it is the rest of a Synch whose IAC went as urgent data.
    if (byte >= LOWEST_COMMAND && this.#length === 0) return undefined;
    this.#append(byte);
    return undefined;
  }

  #command(byte: number): Unit | undefined {
    const command = this.#telnet;
    this.#telnet = "text";
    if (command === WILL) return { kind: "telnet", answer: Buffer.of(IAC, DONT, byte) };
    if (command === DO) return { kind: "telnet", answer: Buffer.of(IAC, WONT, byte) };
    if (command === WONT || command === DONT) return undefined;
    if (byte === WILL || byte === WONT || byte === DO || byte === DONT) this.#telnet = byte;
    else if (byte === IAC) this.#append(byte);
    // The Data Mark after this IAC went as urgent data, which the kernel keeps out of the stream.
    else if (byte < LOWEST_COMMAND) return this.#text(byte);
    return undefined;
  }

  #append(byte: number): void {
    if (this.#length === this.#line.length) this.#tooLong = true;
    else this.#line[this.#length++] = byte;
  }

  #end(): Unit {
    const end = this.#length > 0 && this.#line[this.#length - 1] === CR ? this.#length - 1 : this.#length;
    const bytes = this.#line.subarray(0, end);
    const tooLong = this.#tooLong;
    this.#length = 0;
    this.#tooLong = false;
    if (tooLong) return { kind: "malformed", why: `a command has at most ${FTP.command} bytes` };
    if (!isUtf8(bytes)) return { kind: "malformed", why: "the command is not UTF-8" };
    const text = bytes.toString("utf8");
    if (/[\0-\x1f\x7f]/.test(text)) {
      return { kind: "malformed", why: "a command has no control characters" };
    }
    return { kind: "line", text };
  }

  /**
   * An ABOR whose LF is missing: clients send the line as urgent data, and the urgent byte, which is the last
   * one, does not come with the stream.
   */
  #urgentAbort(): Unit | undefined {
    if (this.#length !== 5 || this.#line.toString("latin1", 0, 5).toUpperCase() !== "ABOR\r")
      return undefined;
    this.#skipLineFeed = true;
    return this.#end();
  }
}

/** A command as the line has it (RFC 959 §5.3). */
export interface CommandLine {
  /** In upper case. */
  readonly verb: string;
  /** What stands behind the one space after it; undefined where there is no space. */
  readonly argument: string | undefined;
}

/** Splits a line; undefined for what is no command. */
export function parseCommand(line: string): CommandLine | undefined {
  const match = /^([A-Za-z]{3,4})(?: (.*))?$/.exec(line);
  if (match === null) return undefined;
  return { verb: (match[1] as string).toUpperCase(), argument: match[2] };
}
