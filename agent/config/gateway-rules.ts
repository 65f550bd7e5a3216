import { isIPv4 } from "node:net";
import { nearest } from "../../protocol/index.ts";
import type { GatewayConfiguration, MqttConfiguration } from "./configuration.ts";
import { quoted } from "./mistake.ts";
import type { Reading } from "./reading.ts";
import { checkOnce, checkOneOf, checkWith } from "./relations.ts";
import type { Draft } from "./table.ts";

type GatewayDraft = Draft["gateways"][number];
type MqttDraft = NonNullable<Draft["mqtt"]>;

/** Something that binds a port, and the path that says so. */
interface Bound {
  readonly path: string;
  readonly transport: "TCP" | "UDP";
  readonly host: string;
  readonly port: number;
}

/** Checks what holds between the keys of the gateways, MQTT and everything else that binds a port. */
export function checkGateways(draft: Draft, reading: Reading): void {
  const sockets = new Map<string, string>();
  for (const [index, gateway] of draft.gateways.entries()) {
    const path = `gateways[${index}]`;
    if (gateway.kind === "unix" && gateway.path !== undefined) {
      checkOnce(sockets, gateway.path, `${path}.path`, `is ${quoted(gateway.path)}`, reading);
    }
    if (gateway.kind === "ftp") checkLogin(path, reading);
    if ("device" in gateway && gateway.device !== undefined) {
      checkDevice(gateway.device, `${path}.device`, draft, reading);
    }
  }
  if (draft.mqtt !== undefined) checkMqtt(draft.mqtt, reading);
  checkPorts(portsOf(draft), reading);
}

function checkLogin(path: string, reading: Reading): void {
  checkWith(path, ["user"], "passwordFile", reading);
  checkWith(path, ["passwordFile"], "user", reading);
}

function checkDevice(name: string, path: string, draft: Draft, reading: Reading): void {
  const names = draft.devices.flatMap((device) => device.name ?? []);
  if (names.includes(name)) return;
  const near = nearest(name, names);
  const known = names.length === 0 ? "a name in devices, which has none" : `one of ${names.join(" ")}`;
  const help = near === undefined ? `allowed: ${known}` : `nearest: ${near}`;
  reading.mistake(path, `is ${quoted(name)}, which is no device, ${help}`);
}

function checkMqtt(mqtt: MqttDraft, reading: Reading): void {
  checkOneOf("mqtt", ["url", "broker"], reading);
  checkWith("mqtt", ["passwordFile"], "username", reading);
  if (mqtt.url === undefined) return;
  const allowed = "mqtt:// mqtts:// ws:// wss:// and a host";
  const url = URL.canParse(mqtt.url) ? new URL(mqtt.url) : undefined;
  if (url === undefined || url.hostname === "" || !/^(mqtts?|wss?):$/.test(url.protocol)) {
    // A password may stand in it, even in one that cannot be read.
    const says = mqtt.url.includes("@") ? "is no such URL" : `is ${quoted(mqtt.url)}`;
    reading.mistake("mqtt.url", `${says}, allowed: ${allowed}`);
  } else if (url.username !== "" || url.password !== "") {
    reading.mistake(
      "mqtt.url",
      "has a user or a password in it, allowed: mqtt.username and mqtt.passwordFile",
    );
  }
}

/** Everything that binds a port of its own, the agent's own listener first. */
function portsOf(draft: Draft): Bound[] {
  const bound: Bound[] = [{ path: "listen", transport: "TCP", ...draft.listen }];
  if (draft.discovery.broadcast) {
    bound.push({ path: "discovery", transport: "UDP", host: "::", port: draft.discovery.port });
  }
  if (draft.mqtt?.broker !== undefined) {
    bound.push({ path: "mqtt.broker", transport: "TCP", ...draft.mqtt.broker });
  }
  for (const [index, gateway] of draft.gateways.entries()) {
    if (gateway.kind === "unix" || gateway.port === undefined) continue;
    const transport = gateway.kind === "udp" ? "UDP" : "TCP";
    bound.push({ path: `gateways[${index}]`, transport, host: gateway.host, port: gateway.port });
  }
  return bound;
}

function checkPorts(bound: readonly Bound[], reading: Reading): void {
  const byPort = new Map<string, Bound[]>();
  for (const each of bound) {
    if (each.port === 0) continue;
    const key = `${each.transport} ${each.port}`;
    const others = byPort.get(key) ?? [];
    const other = others.find(({ host }) => overlap(host, each.host));
    byPort.set(key, [...others, each]);
    if (other === undefined) continue;
    const place = reading.has(`${other.path}.port`)
      ? `${other.path}.port on line ${reading.positionOf(`${other.path}.port`).line}`
      : `${other.path}.port by default`;
    reading.mistake(
      `${each.path}.port`,
      `is ${each.port}, which ${place} binds at ${other.host}, allowed: another ${each.transport} port`,
    );
  }
}

/** True when one address cannot be bound beside the other; `::` takes IPv4 too. */
function overlap(a: string, b: string): boolean {
  const [first, second] = [canonical(a), canonical(b)];
  if (first === second || first === "::" || second === "::") return true;
  return (first === "0.0.0.0" && isIPv4(second)) || (second === "0.0.0.0" && isIPv4(first));
}

function canonical(host: string): string {
  if (host.toLowerCase() === "localhost") return "127.0.0.1";
  // The URL parser writes an IPv6 address in its shortest form (RFC 5952).
  return host.includes(":") && URL.canParse(`http://[${host}]`)
    ? new URL(`http://[${host}]`).hostname.slice(1, -1)
    : host.toLowerCase();
}

/** The gateways as their servers take them; one that is incomplete is left out. */
export function toGateways(drafts: Draft["gateways"]): GatewayConfiguration[] {
  return drafts.flatMap((draft) => toGateway(draft) ?? []);
}

function toGateway(draft: GatewayDraft): GatewayConfiguration | undefined {
  if (draft.kind === "unix") {
    return draft.path === undefined ? undefined : { ...draft, path: draft.path };
  }
  const { port } = draft;
  if (port === undefined) return undefined;
  switch (draft.kind) {
    case "tcp":
    case "udp":
      return { ...draft, port };
    case "xmlrpc":
    case "http":
      return { ...draft, port, tls: toTls(draft.tls) };
    case "ftp": {
      const { user, passwordFile, ...rest } = draft;
      const login = user === undefined || passwordFile === undefined ? undefined : { user, passwordFile };
      return { ...rest, port, login, tls: toTls(draft.tls) };
    }
    case "rfc2217":
    case "serial":
      return draft.device === undefined ? undefined : { ...draft, port, device: draft.device };
  }
}

function toTls(
  tls: { readonly certificate: string | undefined; readonly key: string | undefined } | undefined,
): { readonly certificate: string; readonly key: string } | undefined {
  if (tls?.certificate === undefined || tls.key === undefined) return undefined;
  return { certificate: tls.certificate, key: tls.key };
}

/** MQTT as its client takes it. */
export function toMqtt(draft: MqttDraft): MqttConfiguration | undefined {
  const { url, broker, ...rest } = draft;
  if (url !== undefined) return { ...rest, broker: { kind: "url", url } };
  return broker === undefined ? undefined : { ...rest, broker: { kind: "embedded", ...broker } };
}
