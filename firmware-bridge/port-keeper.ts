import { asTetherError, TetherError } from "../protocol/errors.ts";
import { SERIAL } from "../protocol/limits.ts";
import type { Link, LinkReceiver } from "./link/link.ts";
import type { PortSettings } from "./link/settings.ts";
import type { Port } from "./port.ts";
import { PORT_POLICY, type PortOptions, settingsOf } from "./profile.ts";
import { Traffic } from "./traffic.ts";

/** How a port stands; all but `ready` come with a reason. */
export type DeviceState = "ready" | "opening" | "missing" | "busy" | "failed";

/** A state and, unless it is `ready`, one line on why. */
export interface DeviceCondition {
  readonly state: DeviceState;
  readonly reason?: string;
}

/** What has passed on a port since the agent knows it. Times are milliseconds. */
export interface PortStatistics {
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** How often it was opened, and how often after it had been open before. */
  readonly opens: number;
  readonly reconnects: number;
  /** How often it was lost, could not be opened, or took no bytes. */
  readonly errors: number;
  readonly lastFailure?: { readonly code: string; readonly message: string; readonly time: number };
}

/** Whoever uses a port that is kept open. */
export interface PortUser {
  /** It has been opened; what is done before this returns is done before anybody hears that it is ready. */
  opened(): void;
  /** Bytes from the device, valid until this returns. */
  received(bytes: Uint8Array): void;
  /** It is closed, or has gone. */
  closed(reason: TetherError): void;
  /** It stands otherwise, or for another reason. */
  changed(condition: DeviceCondition): void;
}

/** What a keeper is made of. */
export interface KeeperParts {
  readonly port: Port;
  readonly options: PortOptions;
  /** Names the port in errors. */
  readonly name: string;
  readonly now: () => number;
  readonly user: PortUser;
}

/** Keeps a port open, through being unplugged and back under another name, and counts what passes on it. */
export class PortKeeper {
  readonly traffic = new Traffic();
  readonly #parts: KeeperParts;
  readonly #configured: PortSettings;
  /** What the port is opened with: as configured, and as somebody has changed it since. */
  #settings: PortSettings;
  readonly #counts = { bytesIn: 0, bytesOut: 0, opens: 0, reconnects: 0, errors: 0 };
  #lastFailure: PortStatistics["lastFailure"];
  #condition: DeviceCondition = { state: "opening", reason: "not opened yet" };
  #path: string | undefined;
  #link: Link | undefined;
  #life: { readonly controller: AbortController; readonly done: Promise<void> } | undefined;
  /** Why it is closed although it is there. */
  #withheld: TetherError | undefined;
  #onWithheld: () => void = () => {};
  /** Ends the present pause, or the time that the port is open. */
  #wake: () => void = () => {};

  constructor(parts: KeeperParts) {
    this.#parts = parts;
    this.#configured = settingsOf(parts.options);
    this.#settings = this.#configured;
  }

  get condition(): DeviceCondition {
    return this.#condition;
  }

  /** Where the port was last found; undefined before it was. */
  get path(): string | undefined {
    return this.#path;
  }

  get statistics(): PortStatistics {
    return { ...this.#counts, ...(this.#lastFailure && { lastFailure: this.#lastFailure }) };
  }

  /** In force, or what it will be opened with. */
  get settings(): PortSettings {
    return this.#link?.settings ?? this.#settings;
  }

  /** The open port. Throws its state's error. */
  get link(): Link {
    if (this.#link !== undefined && this.#condition.state === "ready") return this.#link;
    throw this.refusal();
  }

  /** The error of whoever needs the port now, while it is not ready. */
  refusal(): TetherError {
    const { state, reason } = this.#condition;
    const code = state === "busy" ? "busy" : state === "failed" ? "device-failed" : "device-missing";
    return new TetherError(code, `${this.#parts.name} is ${state}: ${reason}`);
  }

  /** Writes, counted and for all to see who watch. Throws as {@link link} and {@link Link.write}. */
  async write(bytes: Uint8Array): Promise<void> {
    // The driver writes when it is told that the port is open, which is before everybody else is.
    const link = this.#link ?? this.link;
    this.traffic.said(bytes);
    try {
      await link.write(bytes);
      this.#counts.bytesOut += bytes.length;
    } catch (thrown) {
      const error = asTetherError(thrown);
      if (error.code === "limit") this.#failure(error);
      throw error;
    }
  }

  /** Changes settings until {@link restore}, also while the port is away. Throws as {@link Link.configure}. */
  async configure(change: Partial<PortSettings>): Promise<PortSettings> {
    this.#settings = (await this.#link?.configure(change)) ?? { ...this.#settings, ...change };
    return this.#settings;
  }

  /** Gives back the settings, and the lines, that are configured; lines that are left alone stay as they are. */
  async restore(): Promise<void> {
    const changed = this.#settings !== this.#configured;
    this.#settings = this.#configured;
    if (changed) await this.#link?.configure(this.#configured).catch(() => {});
    if (this.#link !== undefined) await this.#setLines(this.#link);
  }

  /** Closes the port and leaves it closed, so that another program may open it, until {@link giveBack}. */
  async withhold(reason: TetherError): Promise<void> {
    this.#withheld = reason;
    if (this.#life === undefined) return;
    await new Promise<void>((resolve) => {
      this.#onWithheld = resolve;
      this.#wake();
    });
  }

  /** Opens the port again. */
  giveBack(): void {
    this.#withheld = undefined;
    this.#wake();
  }

  /** Tries to open the port now, if it is not open. */
  retry(): void {
    if (this.#link === undefined) this.#wake();
  }

  /** Begins to keep the port open; resolves after the first try, however it went. Aborting stops it. */
  async start(signal?: AbortSignal): Promise<void> {
    if (this.#life) throw new TetherError("internal", `${this.#parts.name} has been started already`);
    const controller = new AbortController();
    const abort = () => controller.abort();
    signal?.addEventListener("abort", abort, { once: true });
    if (signal?.aborted) abort();
    await new Promise<void>((tried) => {
      const done = this.#keepOpen(controller.signal, tried).finally(() => {
        signal?.removeEventListener("abort", abort);
        tried();
      });
      this.#life = { controller, done };
    });
  }

  /** Closes the port and tells everyone who waits; it may be started again. */
  async stop(): Promise<void> {
    this.#life?.controller.abort();
    this.#wake();
    await this.#life?.done;
    this.#life = undefined;
  }

  async #keepOpen(signal: AbortSignal, tried: () => void): Promise<void> {
    const { reopen = PORT_POLICY.reopen } = this.#parts.options;
    signal.addEventListener("abort", () => this.#wake(), { once: true });
    let pause: number = SERIAL.firstReopen;
    while (!signal.aborted) {
      if (this.#withheld !== undefined) {
        this.#become({ state: "busy", reason: this.#withheld.message });
        this.#onWithheld();
        tried();
        await this.#pause(undefined);
        pause = SERIAL.firstReopen;
        continue;
      }
      let openFor = 0;
      try {
        openFor = await this.#openUntilLost(signal, tried);
      } catch (thrown) {
        if (!signal.aborted) this.#refused(asTetherError(thrown));
      }
      tried();
      if (signal.aborted || this.#withheld !== undefined) continue;
      // A board that resets its USB is back at once; one that was unplugged is looked for at leisure.
      if (openFor >= SERIAL.settled) pause = SERIAL.firstReopen;
      const longest = this.#condition.state === "missing" ? this.#parts.port.interval : SERIAL.retryInterval;
      await this.#pause(reopen ? jittered(Math.min(pause, longest)) : undefined);
      pause *= 2;
    }
    this.#onWithheld();
    this.#become({ state: "missing", reason: "the device has been stopped" });
  }

  /** Waits so many milliseconds, or for ever, unless it is woken before. */
  async #pause(milliseconds: number | undefined): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = milliseconds === undefined ? undefined : setTimeout(resolve, milliseconds);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wake = () => {};
  }

  /**
   * Opens once; resolves when the link has ended or is to be closed, with the milliseconds that it was ready.
   * Throws when it cannot be opened.
   */
  async #openUntilLost(signal: AbortSignal, tried: () => void): Promise<number> {
    const { port, user } = this.#parts;
    const path = await port.locate(signal);
    this.#path = path;
    // A port that stays busy or broken would otherwise flicker at every try.
    if (this.#condition.state === "missing")
      this.#become({ state: "opening", reason: "the port is there again" });
    let lost: TetherError | undefined;
    let over = () => {};
    const end = new Promise<void>((resolve) => {
      over = resolve;
    });
    this.#wake = over;
    const receiver: LinkReceiver = {
      received: (bytes) => {
        this.#counts.bytesIn += bytes.length;
        this.traffic.heard(bytes);
        user.received(bytes);
      },
      ended: (reason) => {
        lost = reason;
        this.#lost(reason);
        over();
      },
    };
    const link = await port.open(path, receiver, this.#settings);
    const since = performance.now();
    try {
      await this.#setLines(link);
      if (lost === undefined && !signal.aborted && this.#withheld === undefined) {
        this.#link = link;
        if (this.#counts.opens > 0) this.#counts.reconnects += 1;
        this.#counts.opens += 1;
        user.opened();
        this.#become({ state: "ready" });
        tried();
        await end;
      }
      if (lost === undefined) this.#closed(signal);
    } finally {
      this.#wake = () => {};
      await link.close();
    }
    return performance.now() - since;
  }

  /** The port has gone by itself. */
  #lost(reason: TetherError): void {
    this.#link = undefined;
    this.#failure(reason);
    this.#parts.user.closed(reason);
    this.#become({ state: "missing", reason: reason.message });
  }

  /** The port is about to be closed by us. */
  #closed(signal: AbortSignal): void {
    this.#link = undefined;
    const stopped = new TetherError("cancelled", `${this.#parts.name} is being stopped`);
    this.#parts.user.closed(signal.aborted ? stopped : (this.#withheld ?? stopped));
  }

  async #setLines(link: Link): Promise<void> {
    const { dtr = PORT_POLICY.dtr, rts = PORT_POLICY.rts } = this.#parts.options;
    if (dtr === "leave" && rts === "leave") return;
    await link.setLines({
      ...(dtr !== "leave" && { dtr: dtr === "on" }),
      ...(rts !== "leave" && { rts: rts === "on" }),
    });
  }

  #refused(error: TetherError): void {
    const { code, message } = error;
    const state = code === "device-missing" ? "missing" : code === "busy" ? "busy" : "failed";
    // The same again, at every try, is no news.
    if (state !== this.#condition.state || message !== this.#condition.reason) this.#failure(error);
    this.#become({ state, reason: message });
  }

  #failure({ code, message }: TetherError): void {
    this.#counts.errors += 1;
    this.#lastFailure = { code, message, time: this.#parts.now() };
  }

  #become(condition: DeviceCondition): void {
    const { state, reason } = condition;
    if (state === this.#condition.state && reason === this.#condition.reason) return;
    this.#condition = condition;
    this.#parts.user.changed(condition);
  }
}

/** Somewhat shorter by chance, so that many who lost their ports at one moment do not look for them at one moment. */
function jittered(milliseconds: number): number {
  return milliseconds * (0.75 + 0.25 * Math.random());
}
