import { TetherError } from "../../protocol/errors.ts";
import { SERIAL } from "../../protocol/limits.ts";
import type { InputLines, Link, LinkReceiver, OutputLines } from "./link.ts";

/** One end of a cable in memory. */
export interface MemoryEnd {
  /** Plugs in; throws `busy` while this end is open. */
  open(receiver: LinkReceiver): Link;
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

  open(receiver: LinkReceiver): Link {
    if (this.current) throw new TetherError("busy", "this end of the cable in memory is open already");
    this.current = new MemoryLink(this, receiver);
    return this.current;
  }
}

class MemoryLink implements Link {
  readonly lines = { dtr: true, rts: true, break: false };
  readonly #plug: Plug;
  readonly #receiver: LinkReceiver;
  #queuedBytes = 0;

  constructor(plug: Plug, receiver: LinkReceiver) {
    this.#plug = plug;
    this.#receiver = receiver;
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (!this.#isOpen) throw this.#gone();
    if (this.#queuedBytes + bytes.length > SERIAL.queuedOutput) {
      throw new TetherError("limit", `the port takes no more: ${this.#queuedBytes} bytes are waiting`);
    }
    this.#queuedBytes += bytes.length;
    const copy = Uint8Array.from(bytes);
    await null; // never inside the writer's own call, as on a real port
    this.#queuedBytes -= copy.length;
    if (!this.#isOpen) throw this.#gone();
    const peer = this.#plug.peer?.current;
    if (peer) peer.#receiver.received(copy);
  }

  async setLines(lines: OutputLines): Promise<boolean> {
    if (!this.#isOpen) return false;
    Object.assign(this.lines, lines);
    return true;
  }

  async inputLines(): Promise<InputLines | undefined> {
    if (!this.#isOpen) return undefined;
    const theirs = this.#plug.peer?.current?.lines;
    return { cts: theirs?.rts ?? false, dsr: theirs?.dtr ?? false, dcd: theirs?.dtr ?? false };
  }

  async close(): Promise<void> {
    if (this.#isOpen) this.#plug.current = undefined;
  }

  end(): void {
    if (!this.#isOpen) return;
    this.#plug.current = undefined;
    this.#receiver.ended(this.#gone());
  }

  get #isOpen(): boolean {
    return this.#plug.current === this;
  }

  #gone(): TetherError {
    return new TetherError("device-missing", "the cable in memory has been pulled");
  }
}
