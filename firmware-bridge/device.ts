import { TetherError } from "../protocol/errors.ts";
import type { Driver, DriverCommand, ReadingDeclaration } from "./drivers/driver.ts";
import { createDriver } from "./drivers/index.ts";
import type { FlashSettings } from "./flash/settings.ts";
import { HeldPort, type HoldOptions } from "./held-port.ts";
import type { PortSettings } from "./link/settings.ts";
import { Listeners } from "./listeners.ts";
import { createPort, type Port } from "./port.ts";
import { type DeviceCondition, type DeviceState, PortKeeper, type PortStatistics } from "./port-keeper.ts";
import type { DeviceProfile } from "./profile.ts";
import { type Reading, type ReadingChange, Readings } from "./readings.ts";
import type { Traffic } from "./traffic.ts";

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

/** A port given to one who writes on it. */
export interface PortHold {
  readonly port: HeldPort;
  /** Closes the port while it is held, so that another program may open it. */
  close(): Promise<void>;
  /** Puts everything back as it is configured; the driver goes on. */
  release(): Promise<void>;
}

interface Held {
  readonly options: HoldOptions;
  readonly port: HeldPort;
  closed: boolean;
}

/** Something long that a driver does, such as a machine's job, for which it needs the port to itself. */
interface Claim {
  readonly what: string;
  readonly cut: (reason: TetherError) => Promise<void>;
}

/** A declared device: its port is opened at start and kept open, through being unplugged and back. */
export class Device {
  readonly name: string;
  readonly driver: string;
  /** What ends a line, where the driver speaks lines. */
  readonly terminator: string | undefined;
  /** How its board is flashed; undefined: as the file says. */
  readonly flash: FlashSettings | undefined;
  readonly #log: DeviceLog;
  readonly #keeper: PortKeeper;
  readonly #driver: Driver;
  readonly #declared: readonly ReadingDeclaration[];
  #commands: readonly DriverCommand[] = [];
  readonly #readings: Readings;
  readonly #conditionListeners: Listeners<DeviceCondition>;
  readonly #readingListeners: Listeners<Reading>;
  readonly #descriptionListeners: Listeners<void>;
  /** Readings of which the log has said that they fail. */
  readonly #failing = new Set<string>();
  readonly #claims = new Set<Claim>();
  #stopping = false;
  #held: Held | undefined;
  #attached = false;

  /** @throws TetherError `invalid` naming what in the profile makes no sense. */
  constructor(profile: DeviceProfile, { log, now, port }: DeviceOptions) {
    this.name = profile.name;
    this.driver = profile.driver;
    this.terminator = profile.driver === "line" ? profile.line.terminator : undefined;
    this.flash = profile.flash;
    this.#log = log;
    this.#keeper = new PortKeeper({
      port: port ?? createPort(profile.port, (message) => this.#noteSimulation(message)),
      options: profile.port,
      name: `device ${profile.name}`,
      now,
      user: {
        opened: () => this.#attach(),
        received: (bytes) => {
          if (this.#attached) this.#driver.received(bytes);
        },
        closed: (reason) => this.#detach(reason),
        changed: (condition) => this.#stands(condition),
      },
    });
    this.#readings = new Readings({
      tuning: profile.tuning ?? {},
      now,
      changed: (reading, what) => this.#changed(reading, what),
    });
    this.#driver = createDriver(profile, {
      value: (name, value) => this.#readings.value(name, value),
      failed: (name, error) => {
        // A poll that was refused since somebody else has the port is put off.
        if (this.#held === undefined || error.code !== "busy") this.#readings.failed(name, error);
      },
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
    return this.#keeper.condition.state;
  }

  /** The state with its reason. */
  get condition(): DeviceCondition {
    return this.#keeper.condition;
  }

  /** Where the port was last found: a path, or `simulate:NAME`; undefined before it was. */
  get path(): string | undefined {
    return this.#keeper.path;
  }

  /** The port's settings in force, or what it will be opened with. */
  get settings(): PortSettings {
    return this.#keeper.settings;
  }

  /** What passes on the port, whoever holds it. */
  get traffic(): Traffic {
    return this.#keeper.traffic;
  }

  /** What has passed on the port so far. */
  get statistics(): PortStatistics {
    return this.#keeper.statistics;
  }

  /** What it can be asked; each fails at once with the state's error while the device is not ready. */
  get commands(): readonly DriverCommand[] {
    return this.#commands;
  }

  /** Every reading as it stands: those of the profile in its order, then the driver's own. */
  get readings(): readonly Reading[] {
    return this.#readings.all;
  }

  /** What the driver is at that must not be disturbed, as a machine's job; undefined when there is nothing. */
  get claim(): string | undefined {
    const [claim] = this.#claims;
    return claim?.what;
  }

  /** Hears of every change of state or reason; what it gives ends that. */
  onState(listener: (condition: DeviceCondition) => void): () => void {
    return this.#conditionListeners.add(listener);
  }

  /**
   * Hears of every value of a reading that passes its dead band and rate limit, of failures, and when it becomes
   * stale; what it gives ends that.
   */
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
    this.#requireFree();
    return await this.#driver.say(text, signal);
  }

  /**
   * Takes the port from the driver, which is cut in what it is at, and from whoever holds it: whether that may be is
   * for the caller to know. Everything is as configured at first.
   */
  async hold(options: HoldOptions): Promise<PortHold> {
    const before = this.#held;
    // What the driver leaves the board with has to be said while the port is still its own.
    const cuts = [...this.#claims].map((claim) => claim.cut(options.refusal()));
    this.#claims.clear();
    const held: Held = { options, port: new HeldPort(this.#keeper), closed: options.closePort === true };
    this.#held = held;
    before?.port.end(options.refusal());
    if (options.mode === "exclusive") this.#detach(options.refusal());
    if (before !== undefined) {
      // What he wrote last may be what holds the port up.
      if (this.state === "ready") await this.#keeper.link.purge("output").catch(() => {});
      await this.#restore(before.port);
    }
    await Promise.all(cuts);
    if (held.closed) await this.#keeper.withhold(options.refusal());
    else if (before?.closed) this.#keeper.giveBack();
    if (this.state === "ready") this.#attach();
    const close = async () => {
      if (this.#held !== held || held.closed) return;
      held.closed = true;
      await this.#keeper.withhold(options.refusal());
    };
    return { port: held.port, close, release: () => this.#release(held) };
  }

  /** Tries to open the port now, if it is not open. */
  reopen(): void {
    this.#keeper.retry();
  }

  /** Begins to keep the port open; resolves after the first try, however it went. Aborting stops it. */
  async start(signal?: AbortSignal): Promise<void> {
    this.#stopping = false;
    this.#readings.start();
    await this.#keeper.start(signal);
  }

  /** Closes the port and tells everyone who waits; the device may be started again. */
  async stop(): Promise<void> {
    this.#stopping = true;
    if (this.#attached && this.#driver.leave) await this.#driver.leave().catch(() => undefined);
    await this.#keeper.stop();
    this.#readings.stop();
  }

  async #release(held: Held): Promise<void> {
    if (this.#held !== held) return;
    held.port.end(new TetherError("cancelled", `the port of ${this.name} has been given back`));
    await this.#restore(held.port);
    if (this.#held !== held) return;
    this.#held = undefined;
    if (held.closed) this.#keeper.giveBack();
    if (this.state === "ready") this.#attach();
  }

  /** Nothing is touched that the holder has left as it was: to set a line again may reset a board. */
  async #restore({ isBreaking }: HeldPort): Promise<void> {
    if (isBreaking && this.state === "ready") {
      await this.#keeper.link.setLines({ break: false }).catch(() => {});
    }
    await this.#keeper.restore();
  }

  #attach(): void {
    if (this.#attached || this.#held?.options.mode === "exclusive") return;
    this.#attached = true;
    this.#driver.attach({
      write: async (bytes) => {
        if (this.#held !== undefined) throw this.#held.options.refusal();
        await this.#keeper.write(bytes);
      },
      claim: (what, cut) => {
        if (this.#held !== undefined) throw this.#held.options.refusal();
        const claim = { what, cut };
        this.#claims.add(claim);
        return () => this.#claims.delete(claim);
      },
    });
  }

  #detach(reason: TetherError): void {
    this.#claims.clear();
    if (!this.#attached) return;
    this.#attached = false;
    this.#driver.detach(reason);
  }

  #stands(condition: DeviceCondition): void {
    const { state, reason } = condition;
    const facts = {
      device: this.name,
      state,
      ...(this.path === undefined ? {} : { path: this.path }),
    };
    if (state === "ready") this.#log.info("device-state", `device ${this.name} is ready`, facts);
    else if (this.#stopping) this.#log.info("device-state", `device ${this.name} has been stopped`, facts);
    else this.#log.warn("device-state", `device ${this.name} is ${state}: ${reason}`, facts);
    this.#conditionListeners.emit(condition);
  }

  #noteSimulation(message: string): void {
    const facts = { device: this.name };
    this.#log.warn("simulation", `the simulated ${this.name} ${message}`, facts);
  }

  #requireFree(): void {
    if (this.#held !== undefined) throw this.#held.options.refusal().asRefusal();
    if (this.state !== "ready") throw this.#keeper.refusal().asRefusal();
  }

  #describe(): void {
    this.#commands = this.#driver.commands.map((command) => ({
      ...command,
      run: async (args, signal, surroundings) => {
        this.#requireFree();
        return await command.run(args, signal, surroundings);
      },
    }));
    this.#readings.describe([...this.#declared, ...(this.#driver.readings ?? [])]);
  }

  #changed(reading: Reading, what: ReadingChange): void {
    const { name, error } = reading;
    if (what !== "stale") this.#reportFailing(name, error);
    else if (error === undefined) {
      this.#log.warn("reading-stale", `reading ${this.name}.${name} stays away`, {
        device: this.name,
        reading: name,
      });
    }
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
