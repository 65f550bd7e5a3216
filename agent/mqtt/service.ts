import { isDeepStrictEqual } from "node:util";
import type { MqttConfiguration } from "../config/index.ts";
import type { Origin } from "./home-assistant.ts";
import { type MqttServices, MqttSession, type MqttState } from "./session.ts";

/** The agent's MQTT: as the configuration says at the moment, or none. Never fails the agent. */
export class MqttService {
  readonly #services: MqttServices;
  #session: MqttSession | undefined;
  #origin: Origin | undefined;

  constructor(services: MqttServices) {
    this.#services = services;
  }

  /** For `tetherd status`; null where MQTT is not configured. */
  get status(): { state: MqttState } | null {
    return this.#session === undefined ? null : { state: this.#session.state };
  }

  /**
   * Makes it what the configuration says; a connection whose settings are as before stays.
   *
   * Resolves once an embedded broker listens, or has failed to; does not wait for another broker.
   */
  async configure(configuration: MqttConfiguration | undefined, origin: Origin): Promise<void> {
    const old = this.#session;
    if (isDeepStrictEqual(old?.configuration, configuration) && isDeepStrictEqual(this.#origin, origin))
      return;
    this.#origin = origin;
    const next =
      configuration === undefined ? undefined : new MqttSession(configuration, origin, this.#services);
    // Both have the same client id, and maybe the same port.
    await old?.stop((topic) => next !== undefined && isKept(topic, old, next));
    this.#session = next;
    await next?.start();
  }

  /** Says goodbye and ends. */
  async stop(): Promise<void> {
    await this.#session?.stop();
    this.#session = undefined;
  }
}

/** True when the next session goes on with that topic on the same broker. */
function isKept(topic: string, old: MqttSession, next: MqttSession): boolean {
  if (!isDeepStrictEqual(old.configuration.broker, next.configuration.broker)) return false;
  const { homeAssistant } = next.configuration;
  return (
    topic.startsWith(`${next.topics.base}/`) ||
    (homeAssistant !== undefined && topic.startsWith(`${homeAssistant.prefix}/device/`))
  );
}
