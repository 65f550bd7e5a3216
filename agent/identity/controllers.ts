import {
  asTetherError,
  cleanName,
  isFingerprint,
  isRole,
  type Role,
  STATE,
  TetherError,
  uniqueName,
} from "../../protocol/index.ts";
import { parseEntryList } from "../../transfer/index.ts";
import type { StateFolder } from "./state-folder.ts";

const FILE = "controllers.json";
const LIST = {
  version: 1,
  name: "controllers",
  entry: "a paired controller",
  isEntry: isPairedController,
  remedy: "; every controller then has to be paired again",
};

/** A controller that is paired with this agent. Times are ISO 8601 in UTC. */
export interface PairedController {
  readonly label: string;
  readonly fingerprint: string;
  readonly role: Role;
  readonly pairedAt: string;
  readonly lastSeenAt: string;
}

/** What {@link Controllers} may be told. */
interface Options {
  /** Milliseconds between two writes of when controllers were last seen. */
  readonly lastSeenInterval?: number;
  /** Told when such a write fails; the next one tries again. */
  readonly report?: (error: TetherError) => void;
}

/**
 * The paired controllers, in `controllers.json` in the state folder. Pairing and revoking are on the disk
 * before they count; when a controller was last seen is written at most once a minute, and on stop.
 */
export class Controllers {
  readonly #folder: StateFolder;
  readonly #lastSeenInterval: number;
  readonly #report: (error: TetherError) => void;
  readonly #byFingerprint = new Map<string, PairedController>();
  #lastWrite: Promise<unknown> = Promise.resolve();
  #timer: NodeJS.Timeout | undefined;

  constructor(folder: StateFolder, options: Options = {}) {
    this.#folder = folder;
    this.#lastSeenInterval = options.lastSeenInterval ?? STATE.lastSeenInterval;
    this.#report = options.report ?? (() => undefined);
  }

  /**
   * Reads the file. To be called once, with the folder's lock held.
   *
   * @throws TetherError `invalid` for a file that is not what this class wrote; it is never replaced
   */
  start(): void {
    const text = this.#folder.read(FILE);
    if (text === undefined) return;
    for (const controller of parseEntryList(text, this.#folder.pathOf(FILE), LIST).entries) {
      this.#byFingerprint.set(controller.fingerprint, controller);
    }
  }

  /** Writes what is not written yet; throws when that fails. */
  async stop(): Promise<void> {
    if (this.#timer !== undefined) {
      clearTimeout(this.#timer);
      this.#timer = undefined;
      await this.#write((all) => all);
    }
    await this.#lastWrite;
  }

  /** All of them, in the order in which they were paired. */
  list(): readonly PairedController[] {
    return [...this.#byFingerprint.values()];
  }

  /** The one with this key; undefined when it is not paired. */
  find(fingerprint: string): PairedController | undefined {
    return this.#byFingerprint.get(fingerprint);
  }

  /**
   * Adds a controller that has proved its code. One that is paired again gets the new role and label.
   *
   * @param wanted its label as wished: cleaned, and made unique by `-2`, `-3`
   * @throws TetherError `limit` when there are too many, or what the disk says; nothing is added then
   */
  async add(
    wanted: { readonly label: string; readonly fingerprint: string; readonly role: Role },
    now: Date = new Date(),
  ): Promise<PairedController> {
    const { fingerprint, role } = wanted;
    let added: PairedController | undefined;
    await this.#write((all) => {
      const others = all.filter((controller) => controller.fingerprint !== fingerprint);
      if (others.length >= STATE.controllers) {
        throw new TetherError("limit", `${others.length} controllers are paired, and no more fit`, {
          hint: "type: tetherd revoke LABEL",
        });
      }
      const label = uniqueName(cleanName(wanted.label, "controller"), (name) =>
        others.some((controller) => controller.label === name),
      );
      const time = now.toISOString();
      added = { label, fingerprint, role, pairedAt: time, lastSeenAt: time };
      return [...others, added];
    });
    if (added === undefined) throw new TetherError("internal", "a controller was written and not kept");
    this.#byFingerprint.delete(fingerprint);
    this.#byFingerprint.set(fingerprint, added);
    return added;
  }

  /**
   * Removes a controller; the caller ends its sessions.
   *
   * @throws TetherError `not-found` that lists the known labels, or what the disk says; it is still paired then
   */
  async revoke(labelOrFingerprint: string): Promise<PairedController> {
    let removed: PairedController | undefined;
    await this.#write((all) => {
      removed = all.find(({ label, fingerprint }) => [label, fingerprint].includes(labelOrFingerprint));
      if (removed === undefined) throw this.#unknown(labelOrFingerprint);
      return all.filter((controller) => controller !== removed);
    });
    if (removed === undefined) throw this.#unknown(labelOrFingerprint);
    this.#byFingerprint.delete(removed.fingerprint);
    return removed;
  }

  /** Notes that a controller is connected now. */
  touch(fingerprint: string, now: Date = new Date()): void {
    const controller = this.#byFingerprint.get(fingerprint);
    if (controller === undefined) return;
    this.#byFingerprint.set(fingerprint, { ...controller, lastSeenAt: now.toISOString() });
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#write((all) => all).catch((error: unknown) => this.#report(asTetherError(error)));
    }, this.#lastSeenInterval).unref();
  }

  /** Writes what `change` makes of all controllers, one write after the other. */
  #write(change: (all: readonly PairedController[]) => readonly PairedController[]): Promise<void> {
    const write = this.#lastWrite.then(async () => {
      const controllers = change(this.list());
      await this.#folder.write(FILE, `${JSON.stringify({ version: LIST.version, controllers }, null, 2)}\n`);
    });
    this.#lastWrite = write.catch(() => undefined);
    return write;
  }

  #unknown(name: string): TetherError {
    const labels = this.list().map((controller) => controller.label);
    const known = labels.length === 0 ? "none is paired" : `paired are ${labels.join(", ")}`;
    return new TetherError("not-found", `no controller ${JSON.stringify(name)}: ${known}`);
  }
}

function isPairedController(value: unknown): value is PairedController {
  if (typeof value !== "object" || value === null) return false;
  const entry = value as Partial<Record<keyof PairedController, unknown>>;
  const times = [entry.pairedAt, entry.lastSeenAt];
  return (
    typeof entry.label === "string" &&
    isFingerprint(entry.fingerprint) &&
    isRole(entry.role) &&
    times.every((time) => typeof time === "string" && !Number.isNaN(Date.parse(time)))
  );
}
