import { type JsonObject, MQTT, parseJson } from "../../protocol/index.ts";
import type { DeviceDescription, DeviceDesk, ReadingDescription } from "../devices/index.ts";
import {
  type Components,
  componentsOf,
  discoveryFilter,
  discoveryPayload,
  discoveryTopic,
  type Origin,
  readComponents,
  readDiscoveryTopic,
} from "./home-assistant.ts";
import type { Outbox } from "./outbox.ts";
import { infoPayload, readingPayload, statePayload } from "./payloads.ts";
import { readStateTopic, type Topics } from "./topics.ts";

/** What the announcer tells of. */
export interface AnnouncerOptions {
  readonly desk: DeviceDesk;
  readonly topics: Topics;
  readonly origin: Origin;
  /** Home Assistant's discovery prefix; undefined: devices are not announced there. */
  readonly discoveryPrefix: string | undefined;
  readonly outbox: Outbox;
  /** `system.info`. */
  readonly info: () => Promise<JsonObject>;
}

interface Known {
  readonly description: DeviceDescription;
  state: DeviceDescription["state"];
  reason: string | undefined;
  readonly readings: Map<string, ReadingDescription>;
  /** Set while states are held back; `due` when there is one to send at its end. */
  pause: NodeJS.Timeout | undefined;
  due: boolean;
}

/** Publishes what the agent and its devices are and say. */
export class Announcer {
  readonly #options: AnnouncerOptions;
  readonly #devices = new Map<string, Known>();
  /** What Home Assistant has been told of, by device; found on the broker too. */
  readonly #announced = new Map<string, Components>();
  #ends: (() => void)[] = [];
  #infoTimer: NodeJS.Timeout | undefined;
  #lastInfo: string | undefined;

  constructor(options: AnnouncerOptions) {
    this.#options = options;
  }

  /** Filters of what to listen to for a while after connecting: {@link found} tells old from new by it. */
  get sweepFilters(): string[] {
    const { topics, discoveryPrefix } = this.#options;
    return [topics.states, ...(discoveryPrefix === undefined ? [] : [discoveryFilter(discoveryPrefix)])];
  }

  /** Begins to listen to the devices. */
  start(): void {
    const { desk, topics, outbox } = this.#options;
    this.#takeDevices();
    this.#ends = [
      desk.onReading(({ device, reading, value, unit, time }) => {
        outbox.put({
          topic: topics.reading(device, reading),
          payload: readingPayload({ value, unit, time }),
        });
        const known = this.#devices.get(device);
        const before = known?.readings.get(reading);
        if (known === undefined || before === undefined) return;
        const { stale: _stale, ...lasting } = before;
        known.readings.set(reading, { ...lasting, value, time });
        this.#sendStateSoon(known);
      }),
      desk.onStale(({ device, reading }) => {
        const known = this.#devices.get(device);
        const before = known?.readings.get(reading);
        if (known === undefined || before === undefined) return;
        known.readings.set(reading, { ...before, stale: true });
        this.#sendStateSoon(known);
      }),
      desk.onState(({ device, state, reason }) => {
        const known = this.#devices.get(device);
        if (known === undefined) return;
        known.state = state;
        known.reason = reason;
        this.#sendState(known);
      }),
      desk.onDeclared(() => {
        this.#takeDevices();
        this.#sendDevices();
      }),
    ];
    this.#infoTimer = setInterval(() => this.#sendInfo(), MQTT.infoInterval);
  }

  /** Ends that; publishes nothing more. */
  stop(): void {
    for (const end of this.#ends) end();
    this.#ends = [];
    clearInterval(this.#infoTimer);
    for (const known of this.#devices.values()) clearTimeout(known.pause);
  }

  /** Publishes everything: a connection is new. */
  connected(): void {
    const { outbox, topics } = this.#options;
    outbox.put({ topic: topics.status, payload: "online", qos: 1, retain: true });
    this.#lastInfo = undefined;
    this.#sendInfo();
    this.#sendDevices();
  }

  /** Announces the devices to Home Assistant again: it has started. */
  announceAgain(): void {
    for (const known of this.#devices.values()) {
      this.#announce(known);
      this.#sendState(known);
    }
  }

  /** Takes away a retained message of a device that there is no more. */
  found(topic: string, payload: Buffer): void {
    if (payload.length === 0) return;
    const { topics, discoveryPrefix, origin } = this.#options;
    const stated = readStateTopic(topics, topic);
    if (stated !== undefined && !this.#devices.has(stated)) this.#clear(topic);
    if (discoveryPrefix === undefined) return;
    const device = readDiscoveryTopic(discoveryPrefix, origin.id, topic);
    if (device === undefined) return;
    const kept = componentsIn(payload);
    const announced = this.#announced.get(device);
    this.#announced.set(device, { ...kept, ...announced });
    const known = this.#devices.get(device);
    if (known === undefined) this.#withdraw(device);
    else if (Object.keys(kept).some((key) => announced?.[key] === undefined)) this.#announce(known);
  }

  /** Takes away every retained message that `keeps` does not want, for an agent that moves elsewhere. */
  withdrawAll(keeps: (topic: string) => boolean): void {
    const { topics, discoveryPrefix, origin } = this.#options;
    const states = [...this.#devices.keys()].map((device) => topics.state(device));
    const announced =
      discoveryPrefix === undefined
        ? []
        : [...this.#announced.keys()].map((device) => discoveryTopic(discoveryPrefix, origin.id, device));
    for (const topic of [...announced, ...states, topics.info, topics.status]) {
      if (!keeps(topic)) this.#clear(topic);
    }
  }

  #takeDevices(): void {
    const { topics } = this.#options;
    const before = new Map(this.#devices);
    this.#devices.clear();
    for (const description of this.#options.desk.describe()) {
      const { name, state, reason, readings } = description;
      const known: Known = {
        description,
        state,
        reason,
        readings: new Map(readings.map((reading) => [reading.name, reading])),
        pause: undefined,
        due: false,
      };
      this.#devices.set(name, known);
    }
    for (const [name, known] of before) {
      clearTimeout(known.pause);
      for (const reading of known.readings.keys()) {
        if (this.#devices.get(name)?.readings.has(reading) !== true) {
          this.#options.outbox.drop(topics.reading(name, reading));
        }
      }
      if (this.#devices.has(name)) continue;
      this.#clear(topics.state(name));
      this.#withdraw(name);
    }
  }

  #sendDevices(): void {
    for (const known of this.#devices.values()) {
      this.#announce(known);
      this.#sendState(known);
    }
  }

  #sendState(known: Known): void {
    const { topics, outbox } = this.#options;
    const payload = () => statePayload({ ...known, readings: known.readings.values() });
    outbox.put({ topic: topics.state(known.description.name), payload, retain: true });
    known.due = false;
  }

  /** At once when none was sent lately, else at the end of the pause. */
  #sendStateSoon(known: Known): void {
    known.due = true;
    if (known.pause !== undefined) return;
    this.#sendState(known);
    known.pause = setTimeout(() => {
      known.pause = undefined;
      if (known.due) this.#sendStateSoon(known);
    }, MQTT.stateInterval);
  }

  #announce({ description }: Known): void {
    const { discoveryPrefix, topics, origin, outbox } = this.#options;
    if (discoveryPrefix === undefined) return;
    const { name } = description;
    const topic = discoveryTopic(discoveryPrefix, origin.id, name);
    const components = componentsOf(description);
    const before = Object.entries(this.#announced.get(name) ?? {});
    const gone = Object.fromEntries(before.filter(([key, platform]) => components[key] !== platform));
    const final = discoveryPayload(description, { topics, origin });
    if (final === undefined) {
      if (before.length > 0) this.#withdraw(name);
      return;
    }
    // An entity is removed by one message that names it, and forgotten by the next that does not.
    if (Object.keys(gone).length > 0) {
      const removing = discoveryPayload(
        { ...description, readings: description.readings.filter((reading) => !(reading.name in gone)) },
        { topics, origin, gone },
      );
      if (removing !== undefined) {
        outbox.put({ topic, payload: removing, qos: 1, retain: true }, `${topic} removing`);
      }
    }
    outbox.drop(topic);
    outbox.put({ topic, payload: final, qos: 1, retain: true });
    this.#announced.set(name, components);
  }

  #withdraw(device: string): void {
    const { discoveryPrefix, origin } = this.#options;
    if (discoveryPrefix === undefined || !this.#announced.delete(device)) return;
    this.#clear(discoveryTopic(discoveryPrefix, origin.id, device));
  }

  #clear(topic: string): void {
    this.#options.outbox.put({ topic, payload: "", qos: 1, retain: true });
  }

  #sendInfo(): void {
    const { info, outbox, topics } = this.#options;
    info().then(
      (facts) => {
        const payload = infoPayload(facts);
        if (payload === this.#lastInfo) return;
        this.#lastInfo = payload;
        outbox.put({ topic: topics.info, payload, qos: 1, retain: true });
      },
      // The next look may see more.
      () => undefined,
    );
  }
}

function componentsIn(payload: Buffer): Components {
  try {
    return readComponents(parseJson(payload.toString()));
  } catch {
    return {};
  }
}
