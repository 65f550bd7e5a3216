import { isLoopback, TetherError } from "../../protocol/index.ts";

/** Bounds on connections; the owner sets the first two. */
export interface PlaceLimits {
  /** Paired connections in all. */
  readonly connections: number;
  /** Connections from one address, paired or not; loopback is not counted. */
  readonly connectionsPerAddress: number;
  /** Connections that are not paired. */
  readonly unpaired: number;
}

/** Gives back what was taken; does nothing the second time. */
export type Release = () => void;

/** Counts who is connected, so that no stranger can take the places of those who belong here. */
export class Places {
  #limits: PlaceLimits;
  #paired = 0;
  #unpaired = 0;
  readonly #byAddress = new Map<string, number>();

  constructor(limits: PlaceLimits) {
    this.#limits = limits;
  }

  /** Paired connections now. */
  get paired(): number {
    return this.#paired;
  }

  /** Sets other bounds; who is connected stays. */
  setLimits(limits: PlaceLimits): void {
    this.#limits = limits;
  }

  /** Takes a place for an address. Throws `limit` when it has too many. */
  takeAddress(address: string): Release {
    if (isLoopback(address)) return () => undefined;
    const count = this.#byAddress.get(address) ?? 0;
    const most = this.#limits.connectionsPerAddress;
    if (count >= most) throw new TetherError("limit", `more than ${most} connections from ${address}`);
    this.#byAddress.set(address, count + 1);
    return once(() => {
      const left = (this.#byAddress.get(address) ?? 1) - 1;
      if (left === 0) this.#byAddress.delete(address);
      else this.#byAddress.set(address, left);
    });
  }

  /** Takes a place among the paired and one for the address, or none of them. Throws `limit`. */
  takePaired(address: string): Release {
    const ofAll = this.take("paired");
    try {
      const ofAddress = this.takeAddress(address);
      return () => {
        ofAddress();
        ofAll();
      };
    } catch (error) {
      ofAll();
      throw error;
    }
  }

  /** Takes a place among the paired or the unpaired. Throws `limit` when there is none. */
  take(kind: "paired" | "unpaired"): Release {
    const { connections, unpaired } = this.#limits;
    if (kind === "paired") {
      if (this.#paired >= connections) throw new TetherError("limit", `more than ${connections} connections`);
      this.#paired++;
      return once(() => this.#paired--);
    }
    if (this.#unpaired >= unpaired) {
      throw new TetherError("limit", `more than ${unpaired} unpaired connections`, {
        hint: "try again in 10 s",
      });
    }
    this.#unpaired++;
    return once(() => this.#unpaired--);
  }
}

function once(action: () => void): Release {
  let done = false;
  return () => {
    if (done) return;
    done = true;
    action();
  };
}
