import { readSync, writeSync } from "node:fs";

/** Bytes asked of the port at once; the kernel's own buffer for a tty is 4 KiB. */
const READ_BYTES = 16 * 1024;
/** Reads in a row before other things get their turn. */
const READS = 4;

/** Events of the addon's poller, as libuv numbers them. */
const READABLE = 1;
const WRITABLE = 2;

/** What the addon has of an open port on Linux and macOS: a descriptor that does not block, and what tells when it is ready. */
export interface PolledPort {
  readonly fd: number | null;
  readonly poller: {
    on(event: "readable" | "writable", listener: (error: Error | null) => void): unknown;
    /** The events of the last call are the only ones that are waited for. */
    poll(events: number): void;
  };
}

/** Where what happens on a descriptor goes. */
export interface DescriptorReceiver {
  /** Bytes, valid until this returns. */
  received(bytes: Uint8Array): void;
  /** It can be used no more. */
  failed(thrown: unknown): void;
}

/** The rest of a write for which the kernel has no room yet. */
interface Pending {
  readonly bytes: Uint8Array;
  readonly resolve: () => void;
  readonly reject: (thrown: Error) => void;
}

/**
 * Reads and writes an open port from the event loop itself. The addon's own functions hand each read and write to a
 * thread, which takes longer than the rest of the way, and wait for one event at a time: a write that finds the
 * port full is forgotten there when bytes come meanwhile.
 */
export class TtyDescriptor {
  readonly #port: PolledPort;
  readonly #receiver: DescriptorReceiver;
  readonly #buffer = Buffer.allocUnsafeSlow(READ_BYTES);
  #pending: Pending | undefined;
  #isOpen = true;

  constructor(port: PolledPort, receiver: DescriptorReceiver) {
    this.#port = port;
    this.#receiver = receiver;
  }

  /** Begins to read. */
  start(): void {
    this.#port.poller.on("readable", (error) => this.#ready(error, () => this.#read()));
    this.#port.poller.on("writable", (error) => this.#ready(error, () => this.#writeOn()));
    this.#wait();
  }

  /** Neither reads nor writes any more; a write that waits rejects. */
  stop(): void {
    this.#isOpen = false;
    this.#pending?.reject(new Error("the port has been closed"));
    this.#pending = undefined;
  }

  /** Writes all, one call after the other has resolved. The bytes stay as they are until then. */
  write(bytes: Uint8Array): Promise<void> | undefined {
    const rest = this.#put(bytes);
    if (rest.length === 0) return undefined;
    return new Promise((resolve, reject) => {
      this.#pending = { bytes: rest, resolve, reject };
      this.#wait();
    });
  }

  /** Forgets what waits to be written, and takes it for written. */
  drop(): void {
    this.#pending?.resolve();
    this.#pending = undefined;
  }

  #ready(error: Error | null, act: () => void): void {
    if (!this.#isOpen) return;
    try {
      if (error !== null) throw error;
      act();
    } catch (thrown) {
      // What is thrown into the addon's own call ends the process.
      queueMicrotask(() => {
        if (this.#isOpen) this.#receiver.failed(thrown);
      });
      return;
    }
    if (this.#isOpen) this.#wait();
  }

  #wait(): void {
    this.#port.poller.poll(this.#pending === undefined ? READABLE : READABLE | WRITABLE);
  }

  #read(): void {
    for (let reads = 0; reads < READS && this.#isOpen; reads++) {
      const count = this.#try((fd) => readSync(fd, this.#buffer, 0, READ_BYTES, null));
      if (count === undefined) return;
      // A tty that was hung up says that there is something to read, and has nothing (termios(3)).
      if (count === 0) throw new Error("the port was hung up");
      this.#receiver.received(this.#buffer.subarray(0, count));
      if (count < READ_BYTES) return;
    }
  }

  #writeOn(): void {
    const pending = this.#pending;
    if (pending === undefined) return;
    const rest = this.#put(pending.bytes);
    this.#pending = rest.length === 0 ? undefined : { ...pending, bytes: rest };
    if (rest.length === 0) pending.resolve();
  }

  /** Writes what there is room for; gives the rest. */
  #put(bytes: Uint8Array): Uint8Array {
    let rest = bytes;
    while (rest.length > 0) {
      const count = this.#try((fd) => writeSync(fd, rest));
      if (count === undefined) break;
      rest = rest.subarray(count);
    }
    return rest;
  }

  /** Gives undefined where the port is not ready for it. */
  #try(act: (fd: number) => number): number | undefined {
    const { fd } = this.#port;
    if (fd === null) throw new Error("the port has been closed");
    try {
      return act(fd);
    } catch (thrown) {
      const { code } = thrown as NodeJS.ErrnoException;
      if (code === "EAGAIN" || code === "EWOULDBLOCK" || code === "EINTR") return undefined;
      throw thrown;
    }
  }
}
