import { CALLS, CONFIGURATION, CONNECTIONS, DEFAULT_PORT, DISCOVERY } from "../../protocol/index.ts";
import { DEVICE } from "./device-table.ts";
import { GATES, GATEWAY } from "./gateway-table.ts";
import {
  boolean,
  defaultsOf,
  group,
  type Inside,
  integer,
  kinds,
  list,
  optional,
  section,
  sizeKey,
  standard,
  text,
} from "./shapes.ts";
import { absolutePath, agentName, host, tag, topic, userName } from "./texts.ts";

const MiB = 1024 ** 2;
const GiB = 1024 ** 3;
const TiB = 1024 ** 4;

const MQTT = {
  url: optional(
    text({ allowed: "a URL, as mqtt://HOST:1883 mqtts://HOST:8883 ws://HOST/PATH wss://HOST/PATH" }),
  ),
  broker: optional(
    group({ host: standard(host(), "127.0.0.1", "127.0.0.1"), port: standard(integer(1, 65_535), 1883) }),
  ),
  username: optional(userName()),
  passwordFile: optional(absolutePath()),
  prefix: standard(topic(), "tether", "tether"),
  homeAssistant: optional(
    group({ prefix: standard(topic(), "homeassistant", "homeassistant") }),
    "not announced there",
  ),
  ...GATES,
};

/** Every key of the configuration. */
const ROOT = {
  name: optional(agentName(), "the host name"),
  tags: standard(list(tag(), 0, DISCOVERY.tags), [], "none"),
  listen: section({
    host: standard(host(), "::", "::"),
    port: standard(integer(0, 65_535), DEFAULT_PORT),
  }),
  discovery: section({
    broadcast: standard(boolean(), true),
    port: standard(integer(1, 65_535), DEFAULT_PORT),
    mdns: standard(boolean(), false),
  }),
  files: section({
    root: optional(absolutePath(), "STATE/files"),
    quota: sizeKey(1024, 1024 * TiB, 2 * GiB),
  }),
  compute: section({
    workers: standard(integer(1, 64), 2),
    memory: sizeKey(16 * MiB, 64 * GiB, 256 * MiB),
    procedures: standard(absolutePath(), "/etc/tether/procedures", "/etc/tether/procedures"),
    exec: standard(boolean(), true),
  }),
  limits: section({
    connections: standard(integer(1, 65_536), CONNECTIONS.total),
    connectionsPerAddress: standard(integer(1, 65_536), CONNECTIONS.perAddress),
    requestBytes: sizeKey(1024, 16 * CALLS.requestBytes, CALLS.requestBytes),
    queuedCalls: standard(integer(1, 65_536), CALLS.queued),
  }),
  devices: standard(list(group(DEVICE), 0, CONFIGURATION.devices), [], "none"),
  gateways: standard(list(kinds(GATEWAY), 0, CONFIGURATION.gateways), [], "none"),
  mqtt: optional(group(MQTT), "no MQTT"),
};

/** The shape of the whole file. */
export const CONFIGURATION_SHAPE = group(ROOT);

/** What the file says, read and in range but not yet checked across keys. */
export type Draft = ReturnType<typeof emptyDraft>;

/** What an empty file says. */
export function emptyDraft() {
  return defaultsOf(ROOT);
}

/** One key of the reference. */
export interface KeyReference {
  /** As `devices[].serial.baudRate` or `gateways[](ftp).user`. */
  readonly path: string;
  readonly allowed: string;
  readonly default: string;
}

/** Every key there is, for the reference and the test that holds it complete. */
export function everyKey(): KeyReference[] {
  const found: KeyReference[] = [];
  const visit = (inside: readonly Inside[], prefix: string): void => {
    for (const { step, shape, key } of inside) {
      const path = prefix === "" ? step.slice(1) : `${prefix}${step}`;
      if (key !== undefined) found.push({ path, allowed: shape.allowed, default: key.default });
      visit(shape.inside ?? [], path);
    }
  };
  visit(CONFIGURATION_SHAPE.inside ?? [], "");
  return found;
}
