import { isDeepStrictEqual } from "node:util";
import {
  type CommandFiles,
  Device,
  type DeviceProfile,
  Listeners,
  serialPath,
} from "../../firmware-bridge/index.ts";
import { asTetherError, type JsonObject, type JsonValue, TetherError } from "../../protocol/index.ts";
import type { Log } from "../log.ts";
import type { Procedure, Registry } from "../procedures/index.ts";
import type {
  DeclaredEvent,
  DeviceDescription,
  DeviceFacts,
  ReadingEvent,
  StaleEvent,
  StateEvent,
} from "./facts.ts";
import { deskProcedures } from "./procedures.ts";
import { surroundingsOf } from "./surroundings.ts";
import { deviceAt, type PortUse, UndeclaredPorts, UsedPort } from "./used-ports.ts";

interface Place {
  readonly profile: DeviceProfile;
  readonly device: Device;
  /** Names of the procedures that the registry has of it. */
  offered: readonly string[];
  readonly port: UsedPort;
}

/** Which port somebody wants to use. */
export interface PortWish {
  /** Name of a declared device, or path of a port. */
  readonly port: string;
  /** Whether he may open a port that no device has: opening resets some boards. */
  readonly mayOpen: boolean;
  /** Bits a second, of a port that is opened for him. */
  readonly baudRate?: number;
}

/** Holds the declared devices and offers their commands as procedures `devices.DEVICE.COMMAND`. */
export class DeviceDesk {
  readonly #registry: Registry;
  readonly #log: Log;
  readonly #files: CommandFiles;
  readonly #places = new Map<string, Place>();
  readonly #undeclared: UndeclaredPorts;
  #offered: Procedure[] = [];
  readonly #readingListeners: Listeners<ReadingEvent>;
  readonly #staleListeners: Listeners<StaleEvent>;
  readonly #stateListeners: Listeners<StateEvent>;
  readonly #declaredListeners: Listeners<DeclaredEvent>;

  constructor(options: { readonly registry: Registry; readonly log: Log; readonly files: CommandFiles }) {
    this.#registry = options.registry;
    this.#log = options.log;
    this.#files = options.files;
    this.#undeclared = new UndeclaredPorts(options.log);
    const report = (thrown: unknown) =>
      this.#log.error(
        "device-listener",
        `a listener of the devices failed: ${asTetherError(thrown).message}`,
      );
    this.#readingListeners = new Listeners(report);
    this.#staleListeners = new Listeners(report);
    this.#stateListeners = new Listeners(report);
    this.#declaredListeners = new Listeners(report);
  }

  /** Offers `devices.list` and the procedures of the serial ports. */
  start(): void {
    this.#offered = deskProcedures({
      list: () => this.list(),
      device: (name) => this.#placeOf(name).device,
      devices: () => [...this.#places.values()].map(({ device, port }) => ({ device, leases: port.leases })),
      use: (wish) => this.use(wish),
      log: this.#log,
    });
    for (const procedure of this.#offered) this.#registry.add(procedure);
  }

  /** The devices as they stand, in the configuration's order. */
  list(): DeviceFacts[] {
    return [...this.#places.values()].map(({ device }) => ({
      name: device.name,
      driver: device.driver,
      state: device.state,
      path: device.path ?? null,
      commands: device.commands.map((command) => command.name),
      readings: device.readings.map((reading) => reading.name),
    }));
  }

  /** The devices with their commands, readings and last values, in the configuration's order. */
  describe(): DeviceDescription[] {
    return [...this.#places.values()].map(({ device }) => ({
      name: device.name,
      driver: device.driver,
      state: device.state,
      reason: device.condition.reason,
      path: device.path ?? null,
      commands: device.commands.map(({ name, summary, parameters, result }) => ({
        name,
        summary,
        parameters: parameters as { readonly [name: string]: JsonObject },
        result: result as JsonObject,
      })),
      readings: device.readings.map(({ error: _failure, time, ...reading }) => ({
        ...reading,
        ...(time !== undefined && { time: isoTime(time) }),
      })),
    }));
  }

  /**
   * Begins to use a port, to watch it or to take it. Whoever watches a declared device's needs nobody's leave.
   *
   * @throws TetherError `not-found` for an unknown device, `forbidden` to open what he may not, `device-missing`,
   * `busy` or `device-failed` when a port that no device has cannot be opened
   */
  async use({ port, mayOpen, baudRate }: PortWish): Promise<PortUse> {
    if (!port.startsWith("/")) return this.#placeOf(port).port.use(async () => {});
    const path = await serialPath(port);
    const device = await deviceAt(
      path,
      [...this.#places.values()].map((place) => place.device),
    );
    if (device !== undefined) return this.#placeOf(device.name).port.use(async () => {});
    if (!mayOpen) {
      throw new TetherError(
        "forbidden",
        `no device is declared on ${port}: to open it needs the role operator`,
      );
    }
    return await this.#undeclared.use(path, baudRate);
  }

  /** Hears of every value of every device's readings; what it gives ends that. */
  onReading(listener: (event: ReadingEvent) => void): () => void {
    return this.#readingListeners.add(listener);
  }

  /** Hears of every reading that stays away; its next value ends that. What it gives ends the hearing. */
  onStale(listener: (event: StaleEvent) => void): () => void {
    return this.#staleListeners.add(listener);
  }

  /** Hears of every change of a device's state or its reason; what it gives ends that. */
  onState(listener: (event: StateEvent) => void): () => void {
    return this.#stateListeners.add(listener);
  }

  /** Hears when the configuration has changed which devices there are; what it gives ends that. */
  onDeclared(listener: (event: DeclaredEvent) => void): () => void {
    return this.#declaredListeners.add(listener);
  }

  /**
   * Makes the declared devices the ones that there are: one that is declared as before stays as it is, the
   * others are closed or opened. Resolves after the first try of each new one.
   */
  async declare(profiles: readonly DeviceProfile[]): Promise<void> {
    const kept = new Map<string, Place>();
    for (const profile of profiles) {
      const place = this.#places.get(profile.name);
      if (place !== undefined && isDeepStrictEqual(place.profile, profile)) kept.set(profile.name, place);
    }
    const gone = [...this.#places.values()].filter((place) => kept.get(place.profile.name) !== place);
    const undeclared = new TetherError(
      "device-missing",
      "the configuration was read again, and says otherwise",
    );
    await Promise.all(gone.map((place) => this.#remove(place, undeclared)));
    this.#places.clear();
    const added: Place[] = [];
    for (const profile of profiles) {
      const place = kept.get(profile.name) ?? this.#create(profile);
      if (place === undefined) continue;
      this.#places.set(profile.name, place);
      if (!kept.has(profile.name)) added.push(place);
    }
    const change = { added: added.map(nameOf), removed: gone.map(nameOf) };
    if (added.length + gone.length > 0) this.#declaredListeners.emit(change);
    await Promise.all(added.map(({ device }) => device.start()));
  }

  /** Closes every port; who waits for a device is told. */
  async stop(): Promise<void> {
    const reason = new TetherError("unreachable", "the agent is stopping");
    await Promise.all([
      ...[...this.#places.values()].map((place) => this.#remove(place, reason)),
      this.#undeclared.stop(reason),
    ]);
    this.#places.clear();
    for (const { name } of this.#offered.splice(0)) this.#registry.remove(name);
  }

  #create(profile: DeviceProfile): Place | undefined {
    try {
      const device = new Device(profile, { log: this.#log, now: Date.now });
      const place: Place = { profile, device, port: new UsedPort(device, this.#log), offered: [] };
      this.#offer(place);
      this.#listen(place);
      return place;
    } catch (error) {
      this.#log.error("device-refused", `device ${profile.name}: ${asTetherError(error).message}`, {
        device: profile.name,
      });
      return undefined;
    }
  }

  /** Puts the device's commands, as they are now, in the place of those that were offered before. */
  #offer(place: Place): void {
    this.#withdraw(place);
    const procedures = commandProcedures(place.device, this.#files);
    for (const procedure of procedures) this.#registry.add(procedure);
    place.offered = procedures.map(({ name }) => name);
  }

  #withdraw(place: Place): void {
    for (const name of place.offered) this.#registry.remove(name);
    place.offered = [];
  }

  /** The device keeps these listeners for its life: both end together. */
  #listen(place: Place): void {
    const { device } = place;
    device.onDescription(() => {
      if (this.#places.get(device.name) !== place) return; // it is being closed
      this.#offer(place);
      this.#declaredListeners.emit({ added: [device.name], removed: [device.name] });
    });
    device.onState(({ state, reason }) =>
      this.#stateListeners.emit({ device: device.name, state, reason, time: isoTime(Date.now()) }),
    );
    device.onReading(({ name, value, unit, time, error, stale }) => {
      if (stale) {
        this.#staleListeners.emit({ device: device.name, reading: name, time: isoTime(Date.now()) });
        return;
      }
      if (error !== undefined || value === undefined || time === undefined) return;
      this.#readingListeners.emit({ device: device.name, reading: name, value, unit, time: isoTime(time) });
    });
  }

  /** Throws TetherError `not-found`, naming those that there are. */
  #placeOf(name: string): Place {
    const place = this.#places.get(name);
    if (place !== undefined) return place;
    const names = [...this.#places.keys()];
    throw new TetherError("not-found", `there is no device "${name}"`, {
      hint: names.length === 0 ? "none is declared" : `there are: ${names.join(", ")}`,
    });
  }

  async #remove(place: Place, reason: TetherError): Promise<void> {
    place.port.end(reason);
    this.#withdraw(place);
    await place.device.stop();
  }
}

function nameOf({ device }: Place): string {
  return device.name;
}

function isoTime(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}

function commandProcedures(device: Device, files: CommandFiles): Procedure[] {
  return device.commands.map((command) => ({
    name: `devices.${device.name}.${command.name}`,
    summary: command.summary,
    parameters: command.parameters as { readonly [name: string]: JsonObject },
    ...(command.variadic === true && { variadic: true as const }),
    result: command.result as JsonObject,
    role: "operator",
    retryable: false,
    run: (args, context): Promise<JsonValue> =>
      command.run(args, context.signal, surroundingsOf(context, files)),
  }));
}
