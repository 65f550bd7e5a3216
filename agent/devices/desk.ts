import { isDeepStrictEqual } from "node:util";
import { Device, type DeviceProfile } from "../../firmware-bridge/index.ts";
import { asTetherError, type JsonObject, type JsonValue } from "../../protocol/index.ts";
import type { Log } from "../log.ts";
import type { Procedure, Registry } from "../procedures/index.ts";

interface Place {
  readonly profile: DeviceProfile;
  readonly device: Device;
}

/** What is known of one device, for lists. A type, so that it is a JsonObject. */
export type DeviceFacts = {
  name: string;
  driver: string;
  state: string;
  path: string | null;
  commands: string[];
  readings: string[];
};

/** Holds the declared devices and offers their commands as procedures `devices.DEVICE.COMMAND`. */
export class DeviceDesk {
  readonly #registry: Registry;
  readonly #log: Log;
  readonly #places = new Map<string, Place>();

  constructor(options: { readonly registry: Registry; readonly log: Log }) {
    this.#registry = options.registry;
    this.#log = options.log;
  }

  /** Offers `devices.list`. */
  start(): void {
    this.#registry.add({
      name: "devices.list",
      summary: "Lists the hardware on the agent's serial ports.",
      parameters: {},
      result: { type: "array", items: { type: "object" } },
      role: "viewer",
      retryable: true,
      run: () => this.list(),
    });
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
    await Promise.all(gone.map((place) => this.#remove(place)));
    this.#places.clear();
    const added: Place[] = [];
    for (const profile of profiles) {
      const place = kept.get(profile.name) ?? this.#create(profile);
      if (place === undefined) continue;
      this.#places.set(profile.name, place);
      if (!kept.has(profile.name)) added.push(place);
    }
    await Promise.all(added.map(({ device }) => device.start()));
  }

  /** Closes every port; who waits for a device is told. */
  async stop(): Promise<void> {
    await Promise.all([...this.#places.values()].map((place) => this.#remove(place)));
    this.#places.clear();
    this.#registry.remove("devices.list");
  }

  #create(profile: DeviceProfile): Place | undefined {
    try {
      const device = new Device(profile, { log: this.#log, now: Date.now });
      for (const command of commandProcedures(device)) this.#registry.add(command);
      return { profile, device };
    } catch (error) {
      this.#log.error("device-refused", `device ${profile.name}: ${asTetherError(error).message}`, {
        device: profile.name,
      });
      return undefined;
    }
  }

  async #remove({ device }: Place): Promise<void> {
    for (const { name } of device.commands) this.#registry.remove(procedureName(device, name));
    await device.stop();
  }
}

function procedureName(device: Device, command: string): string {
  return `devices.${device.name}.${command}`;
}

function commandProcedures(device: Device): Procedure[] {
  return device.commands.map((command) => ({
    name: procedureName(device, command.name),
    summary: command.summary,
    parameters: command.parameters as { readonly [name: string]: JsonObject },
    result: command.result as JsonObject,
    role: "operator",
    retryable: false,
    run: (args, { signal }): Promise<JsonValue> => command.run(args, signal),
  }));
}
