import type { TetherError } from "../protocol/errors.ts";
import { SERIAL } from "../protocol/limits.ts";
import type { InputLines, OutputLines } from "./link/link.ts";
import type { Buffers, PortSettings } from "./link/settings.ts";
import type { PortKeeper } from "./port-keeper.ts";

/** How somebody holds a device's port. */
export interface HoldOptions {
  /**
   * `write`: the driver goes on hearing, and writes nothing. `exclusive`: it is detached. Either way those who wait
   * for it, and who come later, get what `refusal` gives.
   */
  readonly mode: "write" | "exclusive";
  /** Close the port, so that another program may open it. */
  readonly closePort?: boolean;
  /** The error of whoever wants to write meanwhile. */
  readonly refusal: () => TetherError;
}

/**
 * A device's port in the hands of one who writes on it. All but `settings` throws `device-missing` while the port is
 * away, and why it was taken once it is somebody else's. What was configured is in force again when the port is back.
 */
export class HeldPort {
  readonly #given: PortKeeper;
  readonly #watches = new Set<NodeJS.Timeout>();
  #over: TetherError | undefined;
  #isBreaking = false;

  constructor(keeper: PortKeeper) {
    this.#given = keeper;
  }

  /** In force, or what the port will be opened with. */
  get settings(): PortSettings {
    return this.#given.settings;
  }

  /** True while it sends a break. */
  get isBreaking(): boolean {
    return this.#isBreaking;
  }

  /** Takes bytes in order; resolves when the port has them. Throws `limit` as well. */
  async write(bytes: Uint8Array): Promise<void> {
    await this.#keeper.write(bytes);
  }

  /** Changes settings for as long as the port is held, and gives those in force. Throws `invalid` as well. */
  async configure(change: Partial<PortSettings>): Promise<PortSettings> {
    return await this.#keeper.configure(change);
  }

  /** Sets lines, all at one moment; false when the port has none. */
  async setLines(lines: OutputLines): Promise<boolean> {
    const set = await this.#keeper.link.setLines(lines);
    if (set) this.#isBreaking = lines.break ?? this.#isBreaking;
    return set;
  }

  /** Undefined when the port has none. */
  async inputLines(): Promise<InputLines | undefined> {
    return await this.#keeper.link.inputLines();
  }

  async purge(buffers: Buffers): Promise<void> {
    await this.#keeper.link.purge(buffers);
  }

  /** Resolves when all that was written is on the wire. Throws `timeout` as well. */
  async drain(): Promise<void> {
    await this.#keeper.link.drain();
  }

  /** Tells of the input lines now and whenever they have changed, until what it gives is called or the hold ends. */
  watchLines(listener: (lines: InputLines) => void): () => void {
    let latest = "";
    let asking = false;
    const look = async () => {
      if (asking) return;
      asking = true;
      const lines = await this.inputLines().catch(() => undefined);
      asking = false;
      const text = JSON.stringify(lines);
      if (lines === undefined || text === latest || !this.#watches.has(timer)) return;
      latest = text;
      listener(lines);
    };
    const timer = setInterval(look, SERIAL.linesInterval);
    this.#watches.add(timer);
    void look();
    return () => this.#unwatch(timer);
  }

  /** For whoever gave the port out: it is over, for this reason. */
  end(reason: TetherError): void {
    this.#over = reason;
    for (const timer of this.#watches) this.#unwatch(timer);
  }

  get #keeper(): PortKeeper {
    if (this.#over !== undefined) throw this.#over;
    return this.#given;
  }

  #unwatch(timer: NodeJS.Timeout): void {
    clearInterval(timer);
    this.#watches.delete(timer);
  }
}
