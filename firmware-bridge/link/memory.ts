import { TetherError } from "../../protocol/errors.ts";
import type { InputLines, Link, LinkReceiver, OutputLines } from "./link.ts";
import { OutputQueue } from "./output-queue.ts";
import { type Buffers, type PortSettings, SERIAL_DEFAULTS } from "./settings.ts";

/** How one end of a cable in memory stands, as a meter at the other end would show it. */
export interface MemoryState {
  readonly settings: PortSettings;
  readonly dtr: boolean;
  readonly rts: boolean;
  readonly break: boolean;
}

/** Whoever gets what a cable in memory brings. */
export interface MemoryReceiver extends LinkReceiver {
  /** The other end was opened, or stands otherwise now. */
  changed?(other: MemoryState): void;
  /** The other end was closed. */
  left?(): void;
}

/** One end of a cable in memory. */
export interface MemoryEnd {
  /** Plugs in, with the usual settings unless given; throws `busy` while this end is open. */
  open(receiver: MemoryReceiver, settings?: PortSettings): Link;
}

/**
 * A null-modem cable in memory: what one end writes the other receives, DTR arrives as DSR and DCD, RTS as
 * CTS. Bytes written while the other end is closed are lost, as on a wire.
 */
export class MemoryCable {
  readonly ends: readonly [MemoryEnd, MemoryEnd];
  readonly #plugs: readonly Plug[];

  constructor() {
    const first = new Plug();
    const second = new Plug();
    first.peer = second;
    second.peer = first;
    this.#plugs = [first, second];
    this.ends = [first, second];
  }

  /** Pulls the cable: both ends are told `device-missing`, and may be opened again. */
  pull(): void {
    for (const plug of this.#plugs) plug.current?.end();
  }
}

class Plug implements MemoryEnd {
  peer: Plug | undefined;
  current: MemoryLink | undefined;

  open(receiver: MemoryReceiver, settings: PortSettings = SERIAL_DEFAULTS): Link {
    if (this.current) throw new TetherError("busy", "this end of the cable in memory is open already");
    this.current = new MemoryLink(this, receiver, settings);
    this.current.tell();
    return this.current;
  }
}

class MemoryLink implements Link {
  settings: PortSettings;
  readonly lines = { dtr: true, rts: true, break: false };
  readonly receiver: MemoryReceiver;
  readonly #plug: Plug;
  readonly #output = new OutputQueue("the port");

  constructor(plug: Plug, receiver: MemoryReceiver, settings: PortSettings) {
    this.#plug = plug;
    this.receiver = receiver;
    this.settings = settings;
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (!this.#isOpen) throw this.#gone();
    const copy = Uint8Array.from(bytes);
    // Never inside the writer's own call, as on a real port.
    await this.#output.write(copy, async () => {
      if (!this.#isOpen) throw this.#gone();
      this.#peer?.receiver.received(copy);
    });
  }

  configure(change: Partial<PortSettings>): Promise<PortSettings> {
    return this.#output.inTurn(async () => {
      if (!this.#isOpen) throw this.#gone();
      this.settings = { ...this.settings, ...change };
      this.tell();
      return this.settings;
    });
  }

  async setLines(lines: OutputLines): Promise<boolean> {
    if (!this.#isOpen) return false;
    Object.assign(this.lines, lines);
    this.tell();
    return true;
  }

  async inputLines(): Promise<InputLines | undefined> {
    if (!this.#isOpen) return undefined;
    const theirs = this.#peer?.lines;
    return { cts: theirs?.rts ?? false, dsr: theirs?.dtr ?? false, dcd: theirs?.dtr ?? false };
  }

  async purge(buffers: Buffers): Promise<void> {
    if (!this.#isOpen) throw this.#gone();
    if (buffers !== "input") this.#output.drop();
  }

  async drain(): Promise<void> {
    await this.#output.inTurn(async () => {
      if (!this.#isOpen) throw this.#gone();
    });
  }

  async close(): Promise<void> {
    if (!this.#isOpen) return;
    this.#plug.current = undefined;
    this.#peer?.receiver.left?.();
  }

  /** Shows the other end how this one stands. */
  tell(): void {
    const { settings, lines } = this;
    this.#peer?.receiver.changed?.({ settings, ...lines });
  }

  end(): void {
    if (!this.#isOpen) return;
    this.#plug.current = undefined;
    this.receiver.ended(this.#gone());
  }

  get #peer(): MemoryLink | undefined {
    return this.#plug.peer?.current;
  }

  get #isOpen(): boolean {
    return this.#plug.current === this;
  }

  #gone(): TetherError {
    return new TetherError("device-missing", "the cable in memory has been pulled");
  }
}
