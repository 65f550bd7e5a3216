import type { TestContext } from "node:test";
import { MemoryCable } from "../../firmware-bridge/link/memory.ts";
import type { Port } from "../../firmware-bridge/port.ts";
import { TetherError } from "../../protocol/errors.ts";

/** What plays a board. */
export interface Peer {
  receive(bytes: Uint8Array): void;
  stop(): void;
}

/** A peer at the far end of a cable in memory, which may be pulled. */
export class MachinePort<P extends Peer> implements Port {
  readonly interval = 2;
  readonly peer: P;
  /** All that came to the peer. */
  heard = "";
  readonly #cable = new MemoryCable();
  #say: (text: string) => void = () => {};
  #isThere = false;

  constructor(t: TestContext, make: (say: (text: string) => void) => P) {
    this.peer = make((text) => this.#say(text));
    this.plug();
    t.after(() => {
      this.peer.stop();
      this.#cable.pull();
    });
  }

  plug(): void {
    const link = this.#cable.ends[1].open({
      received: (bytes) => {
        this.heard += Buffer.from(bytes).toString("latin1");
        this.peer.receive(bytes);
      },
      ended: () => {
        this.#isThere = false;
      },
    });
    this.#isThere = true;
    this.#say = (text) => void link.write(Buffer.from(text, "latin1")).catch(() => {});
  }

  pull(): void {
    this.#cable.pull();
  }

  async locate(): Promise<string> {
    if (!this.#isThere) throw new TetherError("device-missing", "the machine is unplugged");
    return "memory:machine";
  }

  open: Port["open"] = async (_path, receiver, settings) => this.#cable.ends[0].open(receiver, settings);
}
