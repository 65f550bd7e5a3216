import { constants } from "node:fs";
import { access, stat } from "node:fs/promises";
import { TetherError } from "../../protocol/errors.ts";
import { SERIAL } from "../../protocol/limits.ts";
import type { InputLines, Link, LinkReceiver, OutputLines } from "./link.ts";
import { loadSerialPort } from "./serialport.ts";

type Binding = Awaited<ReturnType<typeof loadSerialPort>>;
type Port = Awaited<ReturnType<Binding["open"]>>;

/** Bytes asked of the port at once; the kernel's own buffer for a tty is 4 KiB. */
const READ_BYTES = 16 * 1024;

/** What a port is opened with. */
export interface TtyOptions {
  readonly path: string;
  /** Bits a second. */
  readonly baudRate: number;
}

/**
 * Opens a real port, locked against other programs that lock.
 *
 * DTR and RTS are left as the kernel sets them on opening, and are not dropped by us on closing.
 *
 * @throws TetherError `device-missing` not there, `busy` another program has it, `device-failed` all else.
 */
export async function openTty(options: TtyOptions, receiver: LinkReceiver): Promise<Link> {
  const binding = await loadSerialPort();
  const node = await checkTty(options.path);
  try {
    const port = await binding.open({ ...options, lock: true, hupcl: false });
    return new TtyLink(port, options.path, node, receiver);
  } catch (thrown) {
    await checkTty(options.path);
    throw openError(options.path, thrown);
  }
}

/** Tells the port at a path from another that takes the path later. */
type PortNode = `${number}:${number}`;

/**
 * Sees that a path (a symbolic link may lead to it) is a port that this process may use.
 *
 * @throws TetherError `device-missing` or `device-failed`.
 */
export async function checkTty(path: string): Promise<PortNode> {
  try {
    const facts = await stat(path);
    if (!facts.isCharacterDevice()) {
      throw new TetherError("device-failed", `${path} is no serial port`);
    }
    await access(path, constants.R_OK | constants.W_OK);
    return `${facts.dev}:${facts.ino}`;
  } catch (thrown) {
    if (thrown instanceof TetherError) throw thrown;
    const { code, message } = thrown as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") {
      throw new TetherError("device-missing", `there is no ${path}`, { cause: thrown });
    }
    if (code === "EACCES") {
      throw new TetherError("device-failed", `this user may not use ${path}`, {
        hint: "add the user to the port's group: sudo usermod -aG dialout USER",
        cause: thrown,
      });
    }
    throw new TetherError("device-failed", message, { cause: thrown });
  }
}

function openError(path: string, thrown: unknown): TetherError {
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  // The addon gives a text and nothing else: flock's failure and open's EBUSY are told by it alone.
  if (/Cannot lock port|resource busy/i.test(message)) {
    return new TetherError("busy", `another program has ${path}`, { cause: thrown });
  }
  const reason = message.replace(/^Error:? /, "");
  return new TetherError("device-failed", `${path} cannot be opened: ${reason}`, { cause: thrown });
}

class TtyLink implements Link {
  readonly #port: Port;
  readonly #path: string;
  readonly #node: PortNode;
  readonly #receiver: LinkReceiver;
  readonly #watch: NodeJS.Timeout;
  #open = true;
  #closing: Promise<void> | undefined;
  #writing: Promise<void> = Promise.resolve();
  #queuedBytes = 0;
  // The kernel raises both when a port is opened (termios(3), tty_port_block_til_ready).
  #lines = { dtr: true, rts: true, break: false };

  constructor(port: Port, path: string, node: PortNode, receiver: LinkReceiver) {
    this.#port = port;
    this.#path = path;
    this.#node = node;
    this.#receiver = receiver;
    // Unplugging shows at once only in a pending read, so there is always one. A read that begins just after
    // the tty was hung up gives no bytes for ever, and the addon reads again: hence the watch.
    void this.#read();
    this.#watch = setInterval(() => void this.#look(), SERIAL.presenceInterval);
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (!this.#open) throw this.#gone();
    if (this.#queuedBytes + bytes.length > SERIAL.queuedOutput) {
      throw new TetherError("limit", `${this.#path} takes no more: ${this.#queuedBytes} bytes are waiting`);
    }
    this.#queuedBytes += bytes.length;
    const turn = this.#writing.then(() => this.#writeNow(bytes));
    this.#writing = turn.catch(() => {});
    try {
      await turn;
    } finally {
      this.#queuedBytes -= bytes.length;
    }
  }

  async setLines(lines: OutputLines): Promise<boolean> {
    if (!this.#open) return false;
    const next = { ...this.#lines, ...lines };
    try {
      await this.#port.set({ brk: next.break, dtr: next.dtr, rts: next.rts, cts: false, dsr: false });
    } catch {
      return false; // a pseudo-terminal has none
    }
    this.#lines = next;
    return true;
  }

  async inputLines(): Promise<InputLines | undefined> {
    if (!this.#open) return undefined;
    try {
      const { cts, dsr, dcd } = await this.#port.get();
      return { cts, dsr, dcd };
    } catch {
      return undefined;
    }
  }

  close(): Promise<void> {
    this.#open = false;
    clearInterval(this.#watch);
    this.#closing ??= this.#port.close().catch(() => {}); // a port that is gone cannot be closed better
    return this.#closing;
  }

  async #read(): Promise<void> {
    const buffer = Buffer.allocUnsafeSlow(READ_BYTES);
    try {
      while (this.#open) {
        const { bytesRead } = await this.#port.read(buffer, 0, READ_BYTES);
        if (this.#open) this.#receiver.received(buffer.subarray(0, bytesRead));
      }
    } catch (thrown) {
      this.#end(thrown);
    }
  }

  async #look(): Promise<void> {
    try {
      const facts = await stat(this.#path);
      if (`${facts.dev}:${facts.ino}` !== this.#node) this.#end(`another port is at ${this.#path}`);
    } catch (thrown) {
      this.#end(thrown);
    }
  }

  async #writeNow(bytes: Uint8Array): Promise<void> {
    if (!this.#open) throw this.#gone();
    try {
      await this.#port.write(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
    } catch (thrown) {
      this.#end(thrown);
      throw this.#gone(thrown);
    }
  }

  #end(cause: unknown): void {
    if (!this.#open) return;
    void this.close();
    this.#receiver.ended(this.#gone(cause));
  }

  #gone(cause?: unknown): TetherError {
    const message = typeof cause === "string" ? cause : `${this.#path} has gone`;
    return new TetherError("device-missing", message, { cause });
  }
}
