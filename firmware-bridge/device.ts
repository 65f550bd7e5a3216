import { setTimeout as delay } from "node:timers/promises";
import { asTetherError, TetherError } from "../protocol/errors.ts";
import { SERIAL } from "../protocol/limits.ts";
import type { Driver, DriverCommand, ReadingDeclaration } from "./drivers/driver.ts";
import { createDriver } from "./drivers/index.ts";
import { Listeners } from "./listeners.ts";
import { createPort, type Port } from "./port.ts";
import type { DeviceProfile, ValueSchema } from "./profile.ts";
import type { DeviceValue } from "./value.ts";

/** How a device stands; all but `ready` come with a reason. */
export type DeviceState = "ready" | "opening" | "missing" | "busy" | "failed";

/** A state and, unless it is `ready`, one line on why. */
export interface DeviceCondition {
  readonly state: DeviceState;
  readonly reason?: string;
}

/** What is known of one reading. */
export interface Reading {
  readonly name: string;
  readonly type: ValueSchema["type"];
  readonly unit?: string;
  readonly deviceClass?: string;
  /** The last value and when it came, milliseconds as `now` counts them; absent before the first. */
  readonly value?: DeviceValue;
  readonly time?: number;
  /** Why the latest attempt gave no value; absent when it did. */
  readonly error?: TetherError;
}

/** Where a device reports to. */
export interface DeviceLog {
  info(event: string, message: string, facts: { readonly [name: string]: string }): void;
  warn(event: string, message: string, facts: { readonly [name: string]: string }): void;
}

/** What a device needs around it. */
export interface DeviceOptions {
  readonly log: DeviceLog;
  /** Milliseconds, for the times of readings. */
  readonly now: () => number;
  /** Stands in for the port that the profile names. */
  readonly port?: Port;
}

/** A declared device: its port is opened at start and kept open, through being unplugged and back. */
export class Device {
  readonly name: string;
  readonly driver: string;
  readonly #log: DeviceLog;
  readonly #now: () => number;
  readonly #port: Port;
  readonly #driver: Driver;
  readonly #declared: readonly ReadingDeclaration[];
  #commands: readonly DriverCommand[] = [];
  #readings = new Map<string, Reading>();
  readonly #conditionListeners: Listeners<DeviceCondition>;
  readonly #readingListeners: Listeners<Reading>;
  readonly #descriptionListeners: Listeners<void>;
  /** Readings of which the log has said that they fail. */
  readonly #failing = new Set<string>();
  #condition: DeviceCondition = { state: "opening", reason: "not opened yet" };
  #path: string | undefined;
  #life: { readonly controller: AbortController; readonly done: Promise<void> } | undefined;

  /** @throws TetherError `invalid` naming what in the profile makes no sense. */
  constructor(profile: DeviceProfile, { log, now, port }: DeviceOptions) {
    this.name = profile.name;
    this.driver = profile.driver;
    this.#log = log;
    this.#now = now;
    this.#port = port ?? createPort(profile.port);
    this.#driver = createDriver(profile, {
      value: (name, value) => this.#update(name, { value, time: this.#now() }),
      failed: (name, error) => this.#update(name, { error }),
      redescribed: () => {
        this.#describe();
        this.#descriptionListeners.emit();
      },
    });
    this.#declared = declaredReadings(profile);
    this.#describe();
    const report = (thrown: unknown) =>
      this.#log.warn("device-listener", "a listener failed", { device: this.name, error: String(thrown) });
    this.#conditionListeners = new Listeners(report);
    this.#readingListeners = new Listeners(report);
    this.#descriptionListeners = new Listeners(report);
  }

  get state(): DeviceState {
    return this.#condition.state;
  }

  /** The state with its reason. */
  get condition(): DeviceCondition {
    return this.#condition;
  }

  /** Where the port was last found: a path, or `simulate:NAME`; undefined before it was. */
  get path(): string | undefined {
    return this.#path;
  }

  /** What it can be asked; each fails at once with the state's error while the device is not ready. */
  get commands(): readonly DriverCommand[] {
    return this.#commands;
  }

  /** Every reading as it stands: those of the profile in its order, then the driver's own. */
  get readings(): readonly Reading[] {
    return [...this.#readings.values()];
  }

  /** Hears of every change of state or reason; what it gives ends that. */
  onState(listener: (condition: DeviceCondition) => void): () => void {
    return this.#conditionListeners.add(listener);
  }

  /** Hears of every value of a reading, the same one again too, and of failures; what it gives ends that. */
  onReading(listener: (reading: Reading) => void): () => void {
    return this.#readingListeners.add(listener);
  }

  /** Hears when `commands` or `readings` are others than before; what it gives ends that. */
  onDescription(listener: () => void): () => void {
    return this.#descriptionListeners.add(listener);
  }

  /**
   * Sends one line and gives the line that answers it, in its turn among the commands.
   *
   * @throws TetherError the state's error while it is not ready, `invalid` for several lines, `timeout`
   */
  async say(text: string, signal: AbortSignal): Promise<string> {
    this.#requireReady();
    return await this.#driver.say(text, signal);
  }

  /** Begins to keep the port open; resolves after the first try, however it went. Aborting stops it. */
  async start(signal?: AbortSignal): Promise<void> {
    if (this.#life) throw new TetherError("internal", `device ${this.name} has been started already`);
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

  /** Closes the port and tells everyone who waits; the device may be started again. */
  async stop(): Promise<void> {
    this.#life?.controller.abort();
    await this.#life?.done;
    this.#life = undefined;
  }

  async #keepOpen(signal: AbortSignal, tried: () => void): Promise<void> {
    let pause: number = SERIAL.firstReopen;
    while (!signal.aborted) {
      let wasReady = false;
      try {
        wasReady = await this.#openUntilLost(signal, tried);
      } catch (thrown) {
        if (!signal.aborted) this.#refused(asTetherError(thrown));
      }
      tried();
      // A board that resets its USB is back at once; one that was unplugged is looked for at leisure.
      if (wasReady) pause = SERIAL.firstReopen;
      const missing = this.state === "missing";
      await delay(missing ? Math.min(pause, this.#port.interval) : SERIAL.retryInterval, undefined, {
        signal,
      }).catch(() => {});
      pause *= 2;
    }
    this.#become({ state: "missing", reason: "the device has been stopped" });
  }

  /**
   * Opens once; resolves when the link has ended or the signal aborts, with whether it was ready. Throws when it
   * cannot be opened.
   */
  async #openUntilLost(signal: AbortSignal, tried: () => void): Promise<boolean> {
    this.#path = await this.#port.locate(signal);
    // A port that stays busy or broken would otherwise flicker at every try.
    if (this.state === "missing") this.#become({ state: "opening", reason: "the port is there again" });
    let lost = false;
    let ready = false;
    let over = () => {};
    const end = new Promise<void>((resolve) => {
      over = resolve;
    });
    const link = await this.#port.open(this.#path, {
      received: (bytes) => this.#driver.received(bytes),
      ended: (reason) => {
        lost = true;
        this.#driver.detach(reason);
        this.#become({ state: "missing", reason: reason.message });
        over();
      },
    });
    signal.addEventListener("abort", over, { once: true });
    try {
      if (!lost && !signal.aborted) {
        this.#driver.attach(link);
        this.#become({ state: "ready" });
        ready = true;
        tried();
        await end;
      }
      if (!lost) this.#driver.detach(new TetherError("cancelled", `device ${this.name} is being stopped`));
    } finally {
      signal.removeEventListener("abort", over);
      await link.close();
    }
    return ready;
  }

  #refused({ code, message }: TetherError): void {
    if (code === "device-missing") this.#become({ state: "missing", reason: message });
    else this.#become({ state: code === "busy" ? "busy" : "failed", reason: message });
  }

  #become(condition: DeviceCondition): void {
    const { state, reason } = condition;
    if (state === this.#condition.state && reason === this.#condition.reason) return;
    this.#condition = condition;
    const facts = { device: this.name, state, ...(this.#path === undefined ? {} : { path: this.#path }) };
    if (state === "ready") this.#log.info("device-state", `device ${this.name} is ready`, facts);
    else this.#log.warn("device-state", `device ${this.name} is ${state}: ${reason}`, facts);
    this.#conditionListeners.emit(condition);
  }

  #requireReady(): void {
    const { state, reason } = this.#condition;
    if (state === "ready") return;
    const code = state === "busy" ? "busy" : state === "failed" ? "device-failed" : "device-missing";
    throw new TetherError(code, `device ${this.name} is ${state}: ${reason}`);
  }

  #describe(): void {
    this.#commands = this.#driver.commands.map((command) => ({
      ...command,
      run: async (args, signal, surroundings) => {
        this.#requireReady();
        return await command.run(args, signal, surroundings);
      },
    }));
    const declared = [...this.#declared, ...(this.#driver.readings ?? [])];
    this.#readings = new Map(
      declared.map((reading) => [reading.name, { ...this.#readings.get(reading.name), ...reading }]),
    );
  }

  #update(name: string, change: Pick<Reading, "value" | "time" | "error">): void {
    const before = this.#readings.get(name);
    if (before === undefined) return;
    const { error: _old, ...known } = before;
    const reading = { ...known, ...change };
    this.#readings.set(name, reading);
    this.#reportFailing(name, change.error);
    this.#readingListeners.emit(reading);
  }

  /** Says once that a reading fails, and once that it is back, however often it is polled. */
  #reportFailing(name: string, error: TetherError | undefined): void {
    const facts = { device: this.name, reading: name };
    if (error === undefined) {
      if (!this.#failing.delete(name)) return;
      this.#log.info("reading-back", `reading ${this.name}.${name} has values again`, facts);
    } else if (this.state === "ready" && !this.#failing.has(name)) {
      // While it is not ready, the state has said why.
      this.#failing.add(name);
      const message = `reading ${this.name}.${name} fails: ${error.message}`;
      this.#log.warn("reading-failed", message, { ...facts, code: error.code });
    }
  }
}

function declaredReadings(profile: DeviceProfile): ReadingDeclaration[] {
  return Object.entries(profile.readings).map(([name, { source, type, unit, deviceClass }]) => {
    const command = source.kind === "poll" ? profile.commands[source.command] : undefined;
    const field = source.kind === "poll" ? source.field : undefined;
    const polledType = field === undefined ? command?.type : command?.fields?.[field];
    return {
      name,
      type: type ?? polledType ?? "string",
      ...(unit === undefined ? {} : { unit }),
      ...(deviceClass === undefined ? {} : { deviceClass }),
    };
  });
}
