import type { Follower, HeldPort, Traffic } from "../../../firmware-bridge/index.ts";
import type {
  ComPortInputs,
  ComPortOutputs,
  ComPortSettings,
  PortControl,
} from "../../../firmware-bridge/rfc2217/index.ts";
import { asTetherError, TetherError } from "../../../protocol/index.ts";

/** What happens on the port, for whoever serves the client. */
export interface ComPortEvents {
  /** There is something to take. */
  readonly onMore: () => void;
  /** Bytes were lost because they were not taken in time. */
  readonly onLost: (bytes: number) => void;
}

/** A device's port, held by somebody, as RFC 2217 sees it. */
export class HeldComPort implements PortControl {
  readonly #port: HeldPort;
  readonly #events: ComPortEvents;
  readonly #follower: Follower;

  constructor(port: HeldPort, traffic: Traffic, events: ComPortEvents) {
    this.#port = port;
    this.#events = events;
    this.#follower = traffic.follow(events.onMore);
  }

  get settings(): ComPortSettings {
    return this.#port.settings;
  }

  /** Listens no more. */
  stop(): void {
    this.#follower.stop();
  }

  take(most: number): Buffer | undefined {
    const piece = this.#follower.take(most);
    if (piece !== undefined && piece.lost > 0) this.#events.onLost(piece.lost);
    return piece?.bytes;
  }

  async write(bytes: Buffer): Promise<void> {
    await this.#port.write(bytes);
  }

  async configure({ parity, stopBits, ...change }: Partial<ComPortSettings>): Promise<ComPortSettings> {
    if (parity === "mark" || parity === "space" || stopBits === 1.5) {
      throw new TetherError("invalid", "the port has no such parity or stop bits");
    }
    try {
      return await this.#port.configure({
        ...change,
        ...(parity && { parity }),
        ...(stopBits && { stopBits }),
      });
    } catch (thrown) {
      const error = asTetherError(thrown);
      // One that is held up by flow control is not set otherwise, but is still there.
      if (error.code !== "timeout") throw error;
      throw new TetherError("invalid", error.message, { cause: error });
    }
  }

  setLines(lines: ComPortOutputs): Promise<boolean> {
    return this.#port.setLines(lines);
  }

  inputLines(): Promise<ComPortInputs | undefined> {
    return this.#port.inputLines();
  }

  async purge({ received, unsent }: { readonly received: boolean; readonly unsent: boolean }): Promise<void> {
    if (received) this.#follower.skip();
    await this.#port.purge(received && unsent ? "both" : received ? "input" : "output");
  }
}
