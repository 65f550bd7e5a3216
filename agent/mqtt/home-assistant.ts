/**
 * Home Assistant's device discovery: one retained message for a device tells it of all its entities
 * (home-assistant.io/integrations/mqtt, "Device discovery payload"; since 2024.11).
 */
import { type JsonObject, type JsonValue, writeJson } from "../../protocol/index.ts";
import type { DeviceDescription, ReadingDescription } from "../devices/index.ts";
import type { Topics } from "./topics.ts";

/** Device classes that a binary sensor alone has; Home Assistant refuses a sensor with one of them. */
const BINARY_ONLY: readonly string[] = [
  "battery_charging",
  "cold",
  "connectivity",
  "door",
  "garage_door",
  "heat",
  "light",
  "lock",
  "motion",
  "moving",
  "occupancy",
  "opening",
  "plug",
  "presence",
  "problem",
  "running",
  "safety",
  "smoke",
  "sound",
  "tamper",
  "update",
  "vibration",
  "window",
];

/** Device classes that binary sensors share with sensors. */
const BINARY_TOO: readonly string[] = ["battery", "carbon_monoxide", "gas", "moisture", "power"];

/** State classes that sensors' device classes want, where it is not `measurement`. */
const STATE_CLASSES: { readonly [deviceClass: string]: string | undefined } = {
  energy: "total_increasing",
  gas: "total_increasing",
  volume: "total_increasing",
  water: "total_increasing",
  monetary: "total",
  date: undefined,
  enum: undefined,
  timestamp: undefined,
};

/** The agent as Home Assistant is told of it. */
export interface Origin {
  readonly id: string;
  readonly name: string;
  readonly version: string;
}

/** The platform of each of a device's components, by the component's key. */
export type Components = { readonly [key: string]: string };

/** Where Home Assistant says `online` when it has started. */
export function birthTopic(prefix: string): string {
  return `${prefix}/status`;
}

/** Filter for the discovery messages of all devices, everybody's. */
export function discoveryFilter(prefix: string): string {
  return `${prefix}/device/+/config`;
}

/** Where a device is announced. The id has only the characters that Home Assistant allows: `[a-zA-Z0-9_-]`. */
export function discoveryTopic(prefix: string, agentId: string, device: string): string {
  return `${prefix}/device/${deviceId(agentId, device)}/config`;
}

/** The device of this agent that a discovery topic is about, or undefined. */
export function readDiscoveryTopic(prefix: string, agentId: string, topic: string): string | undefined {
  const start = `${prefix}/device/${deviceId(agentId, "")}`;
  const end = "/config";
  if (!topic.startsWith(start) || !topic.endsWith(end)) return undefined;
  return topic.slice(start.length, -end.length);
}

/**
 * The announcement of a device, undefined for one without readings: it would have no entity.
 *
 * @param gone components announced before that are to be removed: those are sent with their platform alone.
 */
export function discoveryPayload(
  device: Pick<DeviceDescription, "name" | "driver" | "readings">,
  { topics, origin, gone = {} }: { topics: Topics; origin: Origin; gone?: Components },
): string | undefined {
  if (device.readings.length === 0) return undefined;
  const id = deviceId(origin.id, device.name);
  const components: JsonObject = {};
  for (const [key, platform] of Object.entries(gone)) components[key] = { platform };
  const availability = [
    { topic: topics.status },
    { topic: topics.state(device.name), value_template: online("value_json.state == 'ready'") },
  ];
  for (const reading of device.readings) {
    const isFresh = online(`not value_json.readings['${reading.name}'].stale`);
    components[reading.name] = {
      ...component(reading, id),
      // A component's own takes the place of the device's.
      availability: [...availability, { topic: topics.state(device.name), value_template: isFresh }],
      availability_mode: "all",
    };
  }
  const software = { name: "Tether", sw_version: origin.version };
  return writeJson({
    device: {
      identifiers: [id],
      name: `${origin.name} ${device.name}`,
      manufacturer: "Tether",
      model: `serial device, driver ${device.driver}`,
      sw_version: origin.version,
    },
    origin: software,
    components,
    state_topic: topics.state(device.name),
    availability,
    availability_mode: "all",
  });
}

/** The components of a device as {@link discoveryPayload} announces them. */
export function componentsOf(device: Pick<DeviceDescription, "readings">): Components {
  return Object.fromEntries(device.readings.map((reading) => [reading.name, platformOf(reading)]));
}

/** The components of an announcement that the broker has kept; none where it is not one of ours. */
export function readComponents(payload: JsonValue): Components {
  const { components } = (payload ?? {}) as { readonly components?: unknown };
  if (typeof components !== "object" || components === null) return {};
  return Object.fromEntries(
    Object.entries(components as { [key: string]: { readonly platform?: unknown } | null }).flatMap(
      ([key, value]) => (typeof value?.platform === "string" ? [[key, value.platform]] : []),
    ),
  );
}

/** A template that says `online` where a condition holds. */
function online(condition: string): string {
  return `{{ 'online' if ${condition} else 'offline' }}`;
}

function deviceId(agentId: string, device: string): string {
  return `tether_${agentId}_${device}`;
}

function platformOf({ type }: ReadingDescription): string {
  return type === "boolean" ? "binary_sensor" : "sensor";
}

function component(reading: ReadingDescription, id: string): JsonObject {
  const { name, type, unit, deviceClass } = reading;
  const value = `value_json.readings['${name}'].value`;
  const common = { platform: platformOf(reading), unique_id: `${id}_${name}`, name };
  if (type === "boolean") {
    const isBinary = deviceClass !== undefined && [...BINARY_ONLY, ...BINARY_TOO].includes(deviceClass);
    return {
      ...common,
      // Home Assistant takes "None" for unknown.
      value_template: `{{ 'ON' if ${value} == true else 'OFF' if ${value} == false else 'None' }}`,
      ...(isBinary && { device_class: deviceClass }),
    };
  }
  const hasClass = deviceClass !== undefined && !BINARY_ONLY.includes(deviceClass);
  const stateClass =
    hasClass && Object.hasOwn(STATE_CLASSES, deviceClass) ? STATE_CLASSES[deviceClass] : "measurement";
  const isNumeric = type === "integer" || type === "number";
  return {
    ...common,
    value_template: `{{ ${value} }}`,
    ...(hasClass && { device_class: deviceClass }),
    // With a unit or a state class Home Assistant takes numbers alone.
    ...(isNumeric && unit !== undefined && { unit_of_measurement: unit }),
    ...(isNumeric && stateClass !== undefined && { state_class: stateClass }),
  };
}
