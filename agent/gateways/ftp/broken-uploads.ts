import { FTP } from "../../../protocol/index.ts";
import type { Upload } from "../../files/index.ts";

/**
 * Uploads whose connection broke, kept for a while so that the same user at the same address can go on with
 * them. They are in no listing, and only SIZE tells of them.
 */
export class BrokenUploads {
  readonly #kept = new Map<string, { readonly upload: Upload; readonly timer: NodeJS.Timeout }>();

  /** Keeps a suspended upload; the oldest of too many is discarded. `key` is whose it is and of which name. */
  async keep(key: string, upload: Upload): Promise<void> {
    await this.discard(key);
    const timer = setTimeout(() => void this.discard(key), FTP.brokenUploadMemory);
    timer.unref();
    this.#kept.set(key, { upload, timer });
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > FTP.brokenUploads && oldest !== undefined) await this.discard(oldest);
  }

  /** Bytes that have arrived; undefined where nothing is kept. */
  sizeOf(key: string): number | undefined {
    return this.#kept.get(key)?.upload.size;
  }

  /** Gives an upload away, to go on with it. */
  take(key: string): Upload | undefined {
    const kept = this.#kept.get(key);
    clearTimeout(kept?.timer);
    this.#kept.delete(key);
    return kept?.upload;
  }

  /** Forgets an upload; nothing is left of it. */
  async discard(key: string): Promise<void> {
    await this.take(key)?.discard();
  }

  /** Forgets all. */
  async close(): Promise<void> {
    await Promise.all([...this.#kept.keys()].map((key) => this.discard(key)));
  }
}
