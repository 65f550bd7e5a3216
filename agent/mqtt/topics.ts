import { MQTT } from "../../protocol/index.ts";

/** The topics of one agent. */
export interface Topics {
  readonly prefix: string;
  /** `PREFIX/AGENT`. */
  readonly base: string;
  readonly status: string;
  readonly info: string;
  state(device: string): string;
  reading(device: string, reading: string): string;
  reply(id: string): string;
  /** Filters for calls: without an id, and with one. */
  readonly calls: readonly string[];
  /** Filter for the states of all devices. */
  readonly states: string;
}

/** The topics of the agent of that name. */
export function topicsOf(prefix: string, agentName: string): Topics {
  const base = `${prefix}/${topicLevel(agentName)}`;
  return {
    prefix,
    base,
    status: `${base}/status`,
    info: `${base}/info`,
    state: (device) => `${base}/devices/${device}/state`,
    reading: (device, reading) => `${base}/devices/${device}/${reading}`,
    reply: (id) => `${base}/reply/${id}`,
    calls: [`${base}/call/+`, `${base}/call/+/+`],
    states: `${base}/devices/+/state`,
  };
}

/** The text as one level of a topic (MQTT 5.0 §4.7): what would divide, match or not be allowed becomes `_`. */
export function topicLevel(text: string): string {
  return text.replace(/[/+#\p{Cc}]|^\$/gu, "_") || "_";
}

/** What a topic asks to be called; undefined where it is none of the agent's call topics. */
export function readCallTopic(
  topics: Topics,
  topic: string,
): { readonly procedure: string; readonly id: string | undefined } | undefined {
  const start = `${topics.base}/call/`;
  if (!topic.startsWith(start)) return undefined;
  const [procedure = "", id, ...more] = topic.slice(start.length).split("/");
  return procedure === "" || id === "" || more.length > 0 ? undefined : { procedure, id };
}

/** The device of a state topic, undefined for any other topic. */
export function readStateTopic(topics: Topics, topic: string): string | undefined {
  const [device = "", last, ...more] = topic.startsWith(`${topics.base}/devices/`)
    ? topic.slice(topics.base.length + "/devices/".length).split("/")
    : [];
  return last === "state" && more.length === 0 ? device : undefined;
}

/**
 * Why nothing may be answered on a topic that a stranger names, or undefined.
 *
 * What the agent may publish, a caller could make it publish: a call to another agent, a device for Home
 * Assistant, a state that is not so.
 */
export function whyNoResponseTopic(
  topic: string,
  { prefix, discoveryPrefixes }: { readonly prefix: string; readonly discoveryPrefixes: readonly string[] },
): string | undefined {
  if (topic === "" || /[+#\0]/.test(topic)) return "is no topic to publish to";
  if (Buffer.byteLength(topic) > MQTT.responseTopicBytes) {
    return `has more than ${MQTT.responseTopicBytes} bytes`;
  }
  if (topic.startsWith("$")) return "belongs to the broker";
  if (discoveryPrefixes.some((each) => isWithin(topic, each))) return "is a discovery topic";
  if (!isWithin(topic, prefix)) return undefined;
  const [, kind] = topic.slice(prefix.length + 1).split("/");
  if (kind === "call") return "is a call topic";
  return kind === "reply" ? undefined : "is a topic of an agent";
}

function isWithin(topic: string, prefix: string): boolean {
  return topic === prefix || topic.startsWith(`${prefix}/`);
}
