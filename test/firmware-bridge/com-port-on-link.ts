import type { Link } from "../../firmware-bridge/link/link.ts";
import type {
  ComPortInputs,
  ComPortOutputs,
  ComPortSettings,
  PortControl,
} from "../../firmware-bridge/rfc2217/index.ts";
import { TetherError } from "../../protocol/errors.ts";

/** A port for an access server whose settings are only remembered. */
export class ComPortOnLink implements PortControl {
  settings: ComPortSettings = {
    baudRate: 9600,
    dataBits: 8,
    parity: "none",
    stopBits: 1,
    flowControl: "none",
  };
  /** What was asked of it, in order. */
  readonly asked: string[] = [];
  /** Settles the writes; replaced by a test that wants a slow port. */
  slow: Promise<unknown> | undefined;
  /** What has come. */
  #received: Buffer = Buffer.alloc(0);
  readonly #link: Link;
  readonly #hasLines: boolean;

  constructor(link: Link, { hasLines = true } = {}) {
    this.#link = link;
    this.#hasLines = hasLines;
  }

  /** For who opened the link. */
  received(bytes: Uint8Array): void {
    this.#received = Buffer.concat([this.#received, bytes]);
  }

  take(most: number): Buffer | undefined {
    const taken = this.#received.subarray(0, most);
    this.#received = this.#received.subarray(taken.length);
    return taken.length === 0 ? undefined : taken;
  }

  async write(bytes: Buffer): Promise<void> {
    this.asked.push(`write ${bytes.length}`);
    await this.#link.write(bytes);
    if (this.slow !== undefined) await this.slow;
  }

  async configure(change: Partial<ComPortSettings>): Promise<ComPortSettings> {
    this.asked.push(`configure ${JSON.stringify(change)}`);
    if ((change.baudRate ?? 1) > 12_000_000) throw new TetherError("invalid", "too fast");
    this.settings = { ...this.settings, ...change };
    return this.settings;
  }

  async setLines(lines: ComPortOutputs): Promise<boolean> {
    this.asked.push(`lines ${JSON.stringify(lines)}`);
    return this.#hasLines ? await this.#link.setLines(lines) : false;
  }

  async inputLines(): Promise<ComPortInputs | undefined> {
    return this.#hasLines ? await this.#link.inputLines() : undefined;
  }

  async purge({ received, unsent }: { received: boolean; unsent: boolean }): Promise<void> {
    this.asked.push(`purge ${received} ${unsent}`);
    if (received) this.#received = Buffer.alloc(0);
  }
}
