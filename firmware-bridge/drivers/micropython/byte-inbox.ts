import { TetherError } from "../../../protocol/errors.ts";
import { SERIAL } from "../../../protocol/limits.ts";

/** How long somebody waits for bytes. */
export interface Wait {
  readonly signal: AbortSignal;
  /** Milliseconds for all that is waited for in one call. */
  readonly within: number;
}

/** Bytes of a device for one reader who knows what comes next. */
export class ByteInbox {
  #held: Buffer = Buffer.alloc(0);
  #ended: TetherError | undefined;
  #wake: (() => void) | undefined;

  push(bytes: Uint8Array): void {
    if (this.#held.length + bytes.length > SERIAL.answerBytes) {
      this.end(
        new TetherError("limit", `more than ${SERIAL.answerBytes} bytes came that nobody had asked for`),
      );
      return;
    }
    this.#held = Buffer.concat([this.#held, bytes]);
    this.#wake?.();
  }

  /** Bytes that have come and not been taken. */
  get length(): number {
    return this.#held.length;
  }

  /** Forgets what has come so far. */
  clear(): void {
    this.#held = Buffer.alloc(0);
    this.#ended = undefined;
  }

  /** What has come so far, at once. */
  takeAll(): Buffer {
    return this.#cut(this.#held.length);
  }

  /** Whoever reads, now or later, is told `reason`. */
  end(reason: TetherError): void {
    this.#ended = reason;
    this.#wake?.();
  }

  /** The next `count` bytes. Throws `timeout`, the signal's reason, or what ended it. */
  async take(count: number, wait: Wait): Promise<Buffer> {
    await this.#arrived(() => this.#held.length >= count, wait);
    return this.#cut(count);
  }

  /**
   * All up to `mark`, which is taken too and not among what is given; the mark may be cut in any place. Throws as
   * {@link take}, and `limit` when `most` bytes bring none.
   */
  async until(mark: string, wait: Wait, most: number = SERIAL.unit): Promise<Buffer> {
    const sought = Buffer.from(mark, "latin1");
    let from = 0;
    let at = -1;
    const found = () => {
      at = this.#held.indexOf(sought, from);
      from = Math.max(0, this.#held.length - sought.length + 1);
      return at >= 0 || this.#held.length > most;
    };
    await this.#arrived(found, wait);
    if (at < 0) throw new TetherError("limit", `an answer of more than ${most} bytes`);
    const before = this.#cut(at);
    this.#cut(sought.length);
    return before;
  }

  /**
   * Hands over what comes, piece by piece, up to the byte `mark`, which is taken too. Each piece has `within` of
   * its own to come. Throws as {@link take}.
   */
  async pass(mark: number, take: (piece: Buffer) => void, wait: Wait): Promise<void> {
    for (;;) {
      await this.#arrived(() => this.#held.length > 0, wait);
      const at = this.#held.indexOf(mark);
      const piece = this.#cut(at < 0 ? this.#held.length : at);
      if (piece.length > 0) take(piece);
      if (at < 0) continue;
      this.#cut(1);
      return;
    }
  }

  #cut(count: number): Buffer {
    const taken = this.#held.subarray(0, count);
    this.#held = this.#held.subarray(count);
    return taken;
  }

  async #arrived(isThere: () => boolean, { signal, within }: Wait): Promise<void> {
    signal.throwIfAborted();
    if (this.#ended) throw this.#ended;
    if (isThere()) return;
    await new Promise<void>((resolve, reject) => {
      const timer =
        within === Number.POSITIVE_INFINITY
          ? undefined
          : setTimeout(() => settle(() => reject(silence(within))), within);
      const aborted = () => settle(() => reject(signal.reason));
      const settle = (how: () => void) => {
        clearTimeout(timer);
        signal.removeEventListener("abort", aborted);
        this.#wake = undefined;
        how();
      };
      signal.addEventListener("abort", aborted, { once: true });
      this.#wake = () => {
        const ended = this.#ended;
        if (ended) settle(() => reject(ended));
        else if (isThere()) settle(resolve);
      };
    });
  }
}

function silence(within: number): TetherError {
  return new TetherError("timeout", `nothing fitting came within ${within} ms`);
}
