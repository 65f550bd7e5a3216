import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { KEYED_CALLS } from "../protocol/index.ts";

/** Milliseconds of one folder's records: they go together. */
const WINDOW = 600_000;

/** When, and to which start of the agent, a keyed call was first sent. */
export interface FirstSend {
  readonly instance: string;
  /** Milliseconds since 1970. */
  readonly at: number;
}

/**
 * Remembers on disk, for `KEYED_CALLS.memory`, which start of an agent a keyed call was first sent to: a command
 * that is typed again must not act twice because the agent was restarted meanwhile. A file a call, as several
 * programs may be at it.
 */
export class FirstSends {
  readonly #folder: string;
  /** The window whose folder is there. */
  #current: number | undefined;

  /** `folder`: the controller's own. */
  constructor(folder: string) {
    this.#folder = join(folder, "keys");
  }

  /**
   * Gives how the call was first sent, or notes that it is sent now; `now` in milliseconds since 1970.
   *
   * @throws what the file system throws
   */
  note(
    agentId: string,
    key: string,
    instance: string,
    now: number,
  ): FirstSend & { readonly isFirst: boolean } {
    const name = createHash("sha256").update(`${agentId} ${key}`).digest("base64url");
    const oldest = Math.floor((now - KEYED_CALLS.memory) / WINDOW);
    const current = Math.floor(now / WINDOW);
    if (current !== this.#current) this.#begin(current, oldest);
    for (let window = current; window >= oldest; window--) {
      const known = read(join(this.#folder, String(window), name));
      if (known !== undefined && now - known.at < KEYED_CALLS.memory) return { ...known, isFirst: false };
    }
    writeFileSync(join(this.#folder, String(current), name), JSON.stringify({ instance, at: now }), {
      mode: 0o600,
    });
    return { instance, at: now, isFirst: true };
  }

  /** Makes the folder of a window, and removes those that are over. */
  #begin(current: number, oldest: number): void {
    mkdirSync(join(this.#folder, String(current)), { recursive: true, mode: 0o700 });
    for (const window of readdirSync(this.#folder)) {
      if (Number(window) < oldest) rmSync(join(this.#folder, window), { recursive: true, force: true });
    }
    this.#current = current;
  }
}

function read(path: string): FirstSend | undefined {
  // Most are not there, and an exception costs more than a look.
  if (!existsSync(path)) return undefined;
  try {
    const { instance, at } = JSON.parse(readFileSync(path, "utf8")) as Partial<
      Record<keyof FirstSend, unknown>
    >;
    return typeof instance === "string" && typeof at === "number" ? { instance, at } : undefined;
  } catch {
    return undefined;
  }
}
