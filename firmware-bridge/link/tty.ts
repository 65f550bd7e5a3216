import { constants } from "node:fs";
import { access, stat } from "node:fs/promises";
import { TetherError } from "../../protocol/errors.ts";
import { SERIAL } from "../../protocol/limits.ts";
import type { InputLines, Link, LinkReceiver, OutputLines } from "./link.ts";
import { OutputQueue } from "./output-queue.ts";
import { loadSerialPort } from "./serialport.ts";
import { type Buffers, type PortSettings, SERIAL_DEFAULTS } from "./settings.ts";
import { type PolledPort, TtyDescriptor } from "./tty-descriptor.ts";

type Binding = Awaited<ReturnType<typeof loadSerialPort>>;
type Port = Extract<Awaited<ReturnType<Binding["open"]>>, PolledPort>;

/** What a port is opened with; settings that are left out are the usual ones. */
export interface TtyOptions extends Partial<PortSettings> {
  readonly path: string;
}

/**
 * Opens a real port, locked against other programs that lock.
 *
 * DTR and RTS are left as the kernel sets them on opening, and are not dropped by us on closing.
 *
 * @throws TetherError `device-missing` not there, `busy` another program has it, `device-failed` all else.
 */
export async function openTty({ path, ...wanted }: TtyOptions, receiver: LinkReceiver): Promise<Link> {
  const binding = await loadSerialPort();
  const node = await checkTty(path);
  const settings = { ...SERIAL_DEFAULTS, ...wanted };
  try {
    const port = await binding.open({ path, ...termios(settings), lock: true });
    if (!("poller" in port)) throw new Error("this system's ports are not served");
    return new TtyLink({ binding, port, path, node, settings, receiver });
  } catch (thrown) {
    await checkTty(path);
    throw openError(path, thrown);
  }
}

/** Settings as the addon wants them. `hupcl: false` leaves it as it is: only the system's owner can clear it. */
function termios({ baudRate, dataBits, parity, stopBits, flowControl }: PortSettings) {
  const software = flowControl === "software";
  const rtscts = flowControl === "hardware";
  return { baudRate, dataBits, parity, stopBits, rtscts, xon: software, xoff: software, hupcl: false };
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

interface TtyParts {
  readonly binding: Binding;
  readonly port: Port;
  readonly path: string;
  readonly node: PortNode;
  readonly settings: PortSettings;
  readonly receiver: LinkReceiver;
}

class TtyLink implements Link {
  settings: PortSettings;
  readonly #binding: Binding;
  readonly #port: Port;
  readonly #path: string;
  readonly #node: PortNode;
  readonly #receiver: LinkReceiver;
  readonly #watch: NodeJS.Timeout;
  readonly #output: OutputQueue;
  readonly #descriptor: TtyDescriptor;
  #open = true;
  #closing: Promise<void> | undefined;
  // The kernel raises both when a port is opened (termios(3), tty_port_block_til_ready).
  #lines = { dtr: true, rts: true, break: false };
  #linesSet = false;

  constructor({ binding, port, path, node, settings, receiver }: TtyParts) {
    this.settings = settings;
    this.#binding = binding;
    this.#port = port;
    this.#path = path;
    this.#node = node;
    this.#receiver = receiver;
    this.#output = new OutputQueue(path);
    this.#descriptor = new TtyDescriptor(port, {
      received: (bytes) => this.#receiver.received(bytes),
      failed: (thrown) => this.#end(thrown),
    });
    this.#descriptor.start();
    // What is neither read nor written does not always show that it has gone.
    this.#watch = setInterval(() => void this.#look(), SERIAL.presenceInterval);
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (!this.#open) throw this.#gone();
    await this.#output.write(bytes, () => this.#writeNow(bytes));
  }

  configure(change: Partial<PortSettings>): Promise<PortSettings> {
    return this.#output.inTurn(async () => {
      const next = { ...this.settings, ...change };
      const { baudRate: before, ...framingBefore } = this.settings;
      const { baudRate, ...framing } = next;
      const reframes = Object.entries(framing).some(
        ([key, value]) => framingBefore[key as keyof typeof framing] !== value,
      );
      // Changing them drops what the kernel still has to send.
      if (reframes || baudRate !== before) await this.#drain();
      try {
        if (reframes) await this.#reframe(next);
        else if (baudRate !== before) await this.#port.update({ baudRate });
      } catch (thrown) {
        if (!this.#open) throw this.#gone(thrown);
        const reason = thrown instanceof Error ? thrown.message.replace(/^Error:? /, "") : String(thrown);
        throw new TetherError("invalid", `${this.#path} takes no such settings: ${reason}`, {
          cause: thrown,
        });
      }
      this.settings = next;
      return next;
    });
  }

  async setLines(lines: OutputLines): Promise<boolean> {
    if (!this.#open) return false;
    const next = { ...this.#lines, ...lines };
    try {
      await this.#setLines(next);
    } catch {
      return false; // a pseudo-terminal has none
    }
    this.#lines = next;
    this.#linesSet = true;
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

  async purge(buffers: Buffers): Promise<void> {
    if (!this.#open) throw this.#gone();
    // The kernel's input is empty already: all of it is read as it comes.
    if (buffers === "input") return;
    this.#output.drop();
    this.#descriptor.drop();
    // Not in turn: it is what lets a write go on that the other side holds up.
    await this.#port.flush().catch((thrown) => this.#failed(thrown));
  }

  async drain(): Promise<void> {
    await this.#output.inTurn(() => this.#drain());
  }

  close(): Promise<void> {
    this.#open = false;
    this.#descriptor.stop();
    clearInterval(this.#watch);
    this.#closing ??= this.#port.close().catch(() => {}); // a port that is gone cannot be closed better
    return this.#closing;
  }

  /**
   * The settings are the terminal's and not a descriptor's (termios(3)), so a second one sets what the addon sets
   * only on opening. The port itself is never closed by that: it neither drops DTR nor loses its lock.
   */
  async #reframe(settings: PortSettings): Promise<void> {
    const second = await this.#binding.open({ path: this.#path, ...termios(settings), lock: false });
    // Opening raises both lines again where they had been lowered.
    if (this.#linesSet) await this.#setLines(this.#lines).catch(() => {});
    await second.close();
  }

  async #setLines(lines: { readonly dtr: boolean; readonly rts: boolean; readonly break: boolean }) {
    await this.#port.set({ brk: lines.break, dtr: lines.dtr, rts: lines.rts, cts: false, dsr: false });
  }

  async #drain(): Promise<void> {
    if (!this.#open) throw this.#gone();
    // A port that the other side holds up drains never, and each one that waits takes one of Node's few threads.
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      void this.#port.flush().catch(() => {});
    }, SERIAL.drain);
    try {
      await this.#port.drain();
    } catch (thrown) {
      this.#failed(thrown);
    } finally {
      clearTimeout(timer);
    }
    if (late) throw new TetherError("timeout", `${this.#path} sent nothing more for ${SERIAL.drain} ms`);
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
      await this.#descriptor.write(bytes);
    } catch (thrown) {
      this.#failed(thrown);
    }
  }

  #failed(thrown: unknown): never {
    this.#end(thrown);
    throw this.#gone(thrown);
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
