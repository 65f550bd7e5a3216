import type { Device, HeldPort, PortHold } from "../../firmware-bridge/index.ts";
import { SERIAL, TetherError } from "../../protocol/index.ts";
import type { Log } from "../log.ts";

/** Who wants a port, and how. */
export interface LeaseWish {
  /** For whoever is refused meanwhile: a controller's label, or what a gateway calls its client. */
  readonly holder: string;
  /** The address that it comes from, for the log. */
  readonly origin: string;
  /** What for, in a word: `monitor`, `expose`, `flash`. */
  readonly kind: string;
  /** `write`: the driver goes on hearing; `exclusive`: it is detached, and those who wait for it are told `busy`. */
  readonly mode: "write" | "exclusive";
  /** Close the port, so that another program may open it. */
  readonly closePort?: boolean;
  /** Milliseconds without {@link Lease.renew} after which the port is given back; absent: it is not. */
  readonly ttl?: number;
  /** Take it from whoever has it: for an admin, which the caller has checked. */
  readonly take?: boolean;
}

/** A port in the hands of one, until he gives it back, or it is taken. */
export interface Lease {
  readonly port: HeldPort;
  readonly since: Date;
  /** Aborts with a TetherError when the port is no longer his. */
  readonly signal: AbortSignal;
  /** Says that the holder is alive. */
  renew(): void;
  /** Closes the port, so that another program may open it, until it is given back. */
  closePort(): Promise<void>;
  /** Gives the port back, as it is configured, to the driver. */
  release(): Promise<void>;
}

/** Who holds a port. A type, so that it is JSON. */
export type Holder = { label: string; kind: string; since: string };

interface Holding {
  readonly wish: LeaseWish;
  readonly since: Date;
  readonly cut: (reason: TetherError) => void;
}

/** Who holds one port: one at a time, whichever way he came. */
export class Leases {
  readonly #device: Device;
  readonly #log: Log;
  #holding: Holding | undefined;

  constructor(device: Device, log: Log) {
    this.#device = device;
    this.#log = log;
  }

  /** Who holds the port now, and since when. */
  get holder(): Holder | null {
    if (this.#holding === undefined) return null;
    const { wish, since } = this.#holding;
    return { label: wish.holder, kind: wish.kind, since: since.toISOString() };
  }

  /** Throws TetherError `busy`, who holds the port since when, unless the wish is to take it. */
  async take(wish: LeaseWish): Promise<Lease> {
    const { claim } = this.#device;
    const before = this.#holding;
    if (!wish.take) {
      if (before !== undefined) throw heldBy(before.wish, before.since);
      if (claim !== undefined) throw new TetherError("busy", `held by ${this.#device.name} (${claim})`, TAKE);
    }
    const since = new Date();
    const ended = new AbortController();
    let timer: NodeJS.Timeout | undefined;
    let hold: PortHold | undefined;
    let over = false;
    const finish = () => {
      over = true;
      clearTimeout(timer);
      if (this.#holding === holding) this.#holding = undefined;
    };
    const cut = (reason: TetherError) => {
      if (over) return;
      finish();
      ended.abort(reason);
    };
    const expire = () => {
      this.#note("port-expired", wish, "gave no sign of life and lost");
      // What he wrote last may be what holds the port up.
      hold?.port.purge("output").catch(() => undefined);
      cut(new TetherError("timeout", `the lease of ${this.#device.name} ran out after ${wish.ttl} ms`));
      void hold?.release();
    };
    const renew = () => {
      if (wish.ttl === undefined || over) return;
      clearTimeout(timer);
      timer = setTimeout(expire, Math.min(Math.max(wish.ttl, SERIAL.shortestLease), SERIAL.longestLease));
    };
    const holding: Holding = { wish, since, cut };
    this.#holding = holding;
    if (before !== undefined) this.#note("port-taken", wish, `took from ${before.wish.holder}`);
    else this.#note("port-held", wish, "holds");
    before?.cut(heldBy(wish, since, "taken by"));
    const { mode, closePort = false } = wish;
    hold = await this.#device.hold({ mode, closePort, refusal: () => heldBy(wish, since) });
    if (over) throw ended.signal.reason;
    renew();
    const { port, close, release } = hold;
    return {
      port,
      since,
      signal: ended.signal,
      renew,
      closePort: close,
      release: async () => {
        if (!over) this.#note("port-released", wish, "gave back");
        finish();
        await release();
      },
    };
  }

  /** The port is no more: its holder is told why. */
  end(reason: TetherError): void {
    this.#holding?.cut(reason);
  }

  #note(event: string, { holder, origin, kind }: LeaseWish, does: string): void {
    const { name } = this.#device;
    const facts = { device: name, label: holder, address: origin, kind };
    this.#log.info(event, `${holder} ${does} the port of ${name} (${kind})`, facts);
  }
}

const TAKE = { hint: "an admin may take it with --take" };

function heldBy({ holder, kind }: LeaseWish, since: Date, how = "held by"): TetherError {
  return new TetherError("busy", `${how} ${holder} (${kind}) since ${since.toISOString()}`, TAKE);
}
