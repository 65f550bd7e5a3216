import type {
  ComPortInputs,
  ComPortOutputs,
  ComPortSettings,
  PortControl,
} from "../../firmware-bridge/rfc2217/index.ts";
import { asTetherError, type SerialReport, TetherError } from "../../protocol/index.ts";
import type { Client } from "../client.ts";
import { RemotePort } from "./remote-port.ts";

/** Which port is wanted. */
export interface RemotePortWish {
  /** The device or the path. */
  readonly port: string;
  /** Take it from whoever has it. */
  readonly take: boolean;
}

/** What happens on the port, for whoever serves the client. */
export interface RemoteComPortEvents {
  /** There is something to take. */
  readonly onMore: () => void;
  /** Bytes were lost because they were not taken in time. */
  readonly onLost: () => void;
  /** The device's lines may have changed. */
  readonly onLines: () => void;
  /** The port can be used no more. */
  readonly onFailed: (error: TetherError) => void;
}

/** An agent's port, held by this controller, as RFC 2217 sees it. */
export class RemoteComPort implements PortControl {
  readonly #port: RemotePort;
  readonly #events: RemoteComPortEvents;
  #settings: ComPortSettings | undefined;
  #lines: ComPortInputs | undefined;
  readonly #received: Buffer[] = [];
  /** Lets the agent send more. */
  #taken: () => void = () => undefined;

  private constructor(client: Client, { port, take }: RemotePortWish, events: RemoteComPortEvents) {
    this.#events = events;
    this.#port = new RemotePort(
      client,
      { port, mode: "exclusive", kind: "expose", lines: true, take },
      { onBytes: (bytes) => this.#bytes(bytes), onReport: (report) => this.#report(report) },
    );
  }

  /** Takes the port. Throws TetherError `busy`, who holds it since when, or why it is not to be had. */
  static async open(
    client: Client,
    wish: RemotePortWish,
    events: RemoteComPortEvents,
  ): Promise<RemoteComPort> {
    const taken = new RemoteComPort(client, wish, events);
    const { condition } = await taken.#port.opened;
    taken.#settings = condition.settings;
    try {
      // Throws why the port is away, where it is.
      await taken.inputLines();
    } catch (error) {
      taken.close();
      throw error;
    }
    taken.#port.closed.then((error) => {
      events.onFailed(error ?? new TetherError("unreachable", "the agent ended the use of the port"));
    });
    return taken;
  }

  /** Gives the port back. */
  close(): void {
    this.#port.close();
  }

  get settings(): ComPortSettings {
    if (this.#settings === undefined)
      throw new TetherError("internal", "a port that is not open has no settings");
    return this.#settings;
  }

  take(most: number): Buffer | undefined {
    const [first] = this.#received;
    if (first === undefined) return undefined;
    if (first.length > most) {
      this.#received[0] = first.subarray(most);
      return first.subarray(0, most);
    }
    this.#received.shift();
    if (this.#received.length === 0) this.#taken();
    return first;
  }

  write(bytes: Buffer): Promise<void> {
    return this.#port.write(bytes);
  }

  async configure({ parity, stopBits, ...change }: Partial<ComPortSettings>): Promise<ComPortSettings> {
    if (parity === "mark" || parity === "space" || stopBits === 1.5) {
      throw new TetherError("invalid", "the port has no such parity or stop bits");
    }
    const settings = { ...change, ...(parity && { parity }), ...(stopBits && { stopBits }) };
    try {
      const answer = await this.#port.order({ order: "configure", settings });
      this.#settings = answer.settings ?? this.settings;
      return this.#settings;
    } catch (thrown) {
      const error = asTetherError(thrown);
      // One that is held up by flow control is not set otherwise, but is still there.
      if (error.code !== "timeout") throw error;
      throw new TetherError("invalid", error.message, { cause: error });
    }
  }

  async setLines(lines: ComPortOutputs): Promise<boolean> {
    const { set = false } = await this.#port.order({ order: "lines", lines });
    return set;
  }

  async inputLines(): Promise<ComPortInputs | undefined> {
    // Once it has told of them the agent tells of every change.
    this.#lines ??= (await this.#port.order({ order: "input-lines" })).lines ?? undefined;
    return this.#lines;
  }

  async purge({ received, unsent }: { readonly received: boolean; readonly unsent: boolean }): Promise<void> {
    const buffers = received && unsent ? "both" : received ? "input" : "output";
    if (received) {
      this.#received.length = 0;
      this.#taken();
    }
    await this.#port.order({ order: "purge", buffers });
  }

  #bytes(bytes: Buffer): void | Promise<void> {
    this.#received.push(bytes);
    this.#events.onMore();
    if (this.#received.length === 0) return undefined;
    // The agent keeps the rest, and loses the oldest of it in the end.
    return new Promise((resolve) => {
      this.#taken = resolve;
    });
  }

  #report(report: SerialReport): void {
    switch (report.report) {
      case "lost":
        this.#events.onLost();
        break;
      case "lines":
        this.#lines = report.lines;
        this.#events.onLines();
        break;
      case "released":
      case "refused":
        this.#events.onFailed(report.error);
        break;
      case "condition": {
        const { state, reason } = report.condition;
        if (state !== "ready")
          this.#events.onFailed(new TetherError("device-missing", `${state}: ${reason}`));
        break;
      }
      case "opened":
      case "traffic":
      case "answer":
        break;
    }
  }
}
