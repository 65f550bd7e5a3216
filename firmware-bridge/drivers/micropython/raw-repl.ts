import { randomBytes } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { asTetherError, TetherError } from "../../../protocol/errors.ts";
import { MICROPYTHON } from "../../../protocol/limits.ts";
import { ByteInbox } from "./byte-inbox.ts";

/** Control characters of the REPL: https://docs.micropython.org, "The MicroPython Interactive Interpreter Mode". */
const RAW = "\x01";
const FRIENDLY = "\x02";
const INTERRUPT = "\x03";
const DONE = 0x04;
const PASTE = "\x05A\x01";

const RAW_BANNER = "raw REPL; CTRL-B to exit\r\n>";
const PROMPT = ">>> ";

/** How one piece of code is run. */
export interface Execution {
  readonly signal: AbortSignal;
  /** Milliseconds that the board may be silent; infinite for a program that is watched by its caller. */
  readonly silence: number;
  /** Takes what the code prints, each piece valid until it returns. */
  readonly printed: (piece: Buffer) => void;
}

/**
 * The raw REPL of MicroPython with raw-paste mode, which has flow control, where the board has it.
 *
 * One thing at a time: whoever uses it sees to that.
 */
export class RawRepl {
  readonly #write: (bytes: Uint8Array) => Promise<void>;
  readonly #inbox = new ByteInbox();
  /** False once the board has said that it has no raw-paste mode. */
  #pastes = true;

  constructor(write: (bytes: Uint8Array) => Promise<void>) {
    this.#write = write;
  }

  received(bytes: Uint8Array): void {
    this.#inbox.push(bytes);
  }

  end(reason: TetherError): void {
    this.#inbox.end(reason);
  }

  /** What came after all that was awaited: the board's own program is speaking. */
  rest(): Uint8Array {
    return this.#inbox.takeAll();
  }

  /**
   * Interrupts what runs on the board and enters the raw REPL.
   *
   * @throws TetherError `timeout` when nothing there speaks MicroPython
   */
  async enter(signal: AbortSignal): Promise<void> {
    this.#inbox.clear();
    for (let tries = 1; ; tries++) {
      // A program may catch the first interrupt; a second one reaches the prompt behind it.
      await this.#send(`\r${INTERRUPT}${INTERRUPT}`);
      await this.#send(`\r${RAW}`);
      try {
        await this.#inbox.until(RAW_BANNER, { signal, within: MICROPYTHON.answer });
        await this.#meet(signal);
        return;
      } catch (thrown) {
        const error = asTetherError(thrown);
        if (error.code !== "timeout" || signal.aborted) throw error;
        if (tries < MICROPYTHON.entries) continue;
        throw new TetherError("timeout", "no MicroPython answers: its raw REPL could not be entered", {
          hint: "is this board's REPL on this port, and the baud rate right?",
          cause: thrown,
        });
      }
    }
  }

  /**
   * Runs code that the board compiles whole. What it prints is handed over as it comes.
   *
   * @throws TetherError `device-failed` with the exception's last line, the whole traceback as hint; `timeout`;
   * the signal's reason, after the code there has been interrupted
   */
  async run(code: Uint8Array, { signal, silence, printed }: Execution): Promise<void> {
    signal.throwIfAborted();
    let traceback: Buffer;
    try {
      const wait = { signal, within: MICROPYTHON.answer };
      if (!(await this.#paste(code, signal))) await this.#type(code, signal);
      await this.#inbox.pass(DONE, printed, { signal, within: silence });
      traceback = await this.#inbox.until("\x04", wait);
      await this.#inbox.until(">", wait);
    } catch (thrown) {
      if (asTetherError(thrown).code !== "device-missing") await this.#interrupt();
      throw thrown;
    }
    if (traceback.length > 0) throw pythonError(traceback.toString("utf8"));
  }

  /** Leaves the raw REPL; what was interrupted stays so. A board that does not answer is left alone. */
  async leave(): Promise<void> {
    try {
      await this.#send(FRIENDLY);
      await this.#inbox.until(PROMPT, ownWait());
    } catch {
      // Whoever enters next finds out.
    }
  }

  /**
   * Resets the interpreter from the friendly prompt, so that the board runs boot.py and main.py again.
   *
   * @throws TetherError `timeout`
   */
  async softReset(signal: AbortSignal): Promise<void> {
    await this.#send("\x04");
    await this.#inbox.until("soft reboot", { signal, within: MICROPYTHON.answer });
  }

  /** Raw-paste mode; false when the board has none, and is then in plain raw mode. */
  async #paste(code: Uint8Array, signal: AbortSignal): Promise<boolean> {
    if (!this.#pastes) return false;
    const wait = { signal, within: MICROPYTHON.answer };
    await this.#send(PASTE);
    const answer = (await this.#inbox.take(2, wait)).toString("latin1");
    if (answer !== "R\x01") {
      this.#pastes = false;
      // A board from before raw-paste mode took the last byte for a wish to enter the raw REPL.
      if (answer !== "R\x00") await this.#inbox.until(">", wait);
      return false;
    }
    const window = (await this.#inbox.take(2, wait)).readUInt16LE(0);
    if (window === 0) throw new TetherError("device-failed", "the board's window for pasting has no bytes");
    let room = window;
    let at = 0;
    while (at < code.length) {
      while (room === 0 || this.#inbox.length > 0) {
        const [said] = await this.#inbox.take(1, wait);
        if (said === DONE) {
          // The board has seen enough, and awaits that this is acknowledged.
          await this.#send("\x04");
          return true;
        }
        if (said !== 0x01) {
          throw new TetherError(
            "device-failed",
            `the board said 0x${said?.toString(16)} while code was pasted`,
          );
        }
        room += window;
      }
      const piece = code.subarray(at, Math.min(code.length, at + room));
      if (piece.length > 0) await this.#write(piece);
      at += piece.length;
      room -= piece.length;
    }
    await this.#send("\x04");
    await this.#inbox.until("\x04", wait);
    return true;
  }

  /** Plain raw mode has no flow control: small pieces with pauses, as the boards' own tools send it. */
  async #type(code: Uint8Array, signal: AbortSignal): Promise<void> {
    for (let at = 0; at < code.length; at += MICROPYTHON.piece) {
      await this.#write(code.subarray(at, at + MICROPYTHON.piece));
      await delay(MICROPYTHON.pause, undefined, { signal });
    }
    await this.#send("\x04");
    const answer = await this.#inbox.take(2, { signal, within: MICROPYTHON.answer });
    if (answer.toString("latin1") !== "OK") {
      throw new TetherError("device-failed", "the board did not take the code: it said no OK");
    }
  }

  /** Waits until what the board says answers what was said last: a caller who went may have left answers behind. */
  async #meet(signal: AbortSignal): Promise<void> {
    const wait = { signal, within: MICROPYTHON.answer };
    const sign = randomBytes(6).toString("hex");
    // In two halves, so that a board that merely echoes does not pass.
    await this.#send(`print('${sign.slice(0, 6)}'+'${sign.slice(6)}')\x04`);
    await this.#inbox.until(sign, wait);
    await this.#inbox.until("\x04\x04>", wait);
  }

  async #interrupt(): Promise<void> {
    try {
      await this.#send(INTERRUPT);
      const wait = ownWait();
      await this.#inbox.pass(DONE, () => {}, wait);
      await this.#inbox.pass(DONE, () => {}, wait);
    } catch {
      // It does not listen. Whoever enters next finds out.
    }
  }

  async #send(text: string): Promise<void> {
    await this.#write(Buffer.from(text, "latin1"));
  }
}

/** For what is done whether or not the caller is still there. */
function ownWait() {
  return { signal: new AbortController().signal, within: MICROPYTHON.farewell };
}

/** The error that a traceback tells. */
function pythonError(traceback: string): TetherError {
  const lines = traceback.trim().split(/\r?\n/);
  const said = lines.at(-1) ?? "";
  const hint = lines.length > 1 ? lines.map((line) => line.trim()).join(" | ") : undefined;
  const code = /\bENOENT\b/.test(said) ? "not-found" : /\bEEXIST\b/.test(said) ? "exists" : "device-failed";
  return new TetherError(code, `MicroPython says: ${said}`, { hint });
}
