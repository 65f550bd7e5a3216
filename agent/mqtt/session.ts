import { setTimeout as delay } from "node:timers/promises";
import { asTetherError, type JsonObject, MQTT, TetherError } from "../../protocol/index.ts";
import type { MqttConfiguration } from "../config/index.ts";
import type { DeviceDesk } from "../devices/index.ts";
import type { Log } from "../log.ts";
import type { Registry } from "../procedures/index.ts";
import { type CallGate, CallScope, type Refusals } from "../server/index.ts";
import { Announcer } from "./announcer.ts";
import type { Broker, BrokerConnection, IncomingMessage } from "./broker.ts";
import { CallDesk } from "./calls.ts";
import { EmbeddedBroker } from "./embedded-broker.ts";
import { birthTopic, type Origin } from "./home-assistant.ts";
import { Outbox } from "./outbox.ts";
import { Pauses } from "./pauses.ts";
import { RemoteBroker } from "./remote-broker.ts";
import { readCallTopic, type Topics, topicsOf } from "./topics.ts";

/** Home Assistant's own default: nothing is answered there even when it is not configured. */
const USUAL_DISCOVERY_PREFIX = "homeassistant";

/** How the connection stands: `refused` by the broker, `unreachable` for any other reason. */
export type MqttState = "connecting" | "connected" | "refused" | "unreachable";

/** What MQTT needs of the agent's other rooms. */
export interface MqttServices {
  readonly log: Log;
  readonly refusals: Refusals;
  readonly registry: Registry;
  readonly calls: CallGate;
  readonly desk: DeviceDesk;
}

/** One configured broker, connected to again and again until this is stopped. */
export class MqttSession {
  readonly topics: Topics;
  readonly configuration: MqttConfiguration;
  readonly #services: MqttServices;
  readonly #broker: Broker;
  readonly #outbox: Outbox;
  readonly #announcer: Announcer;
  readonly #calls: CallDesk;
  readonly #ended = new AbortController();
  /** Lines told since the last connection: each says its thing once, however often it is tried. */
  readonly #told = new Set<string>();
  #state: MqttState = "connecting";
  #connection: BrokerConnection | undefined;
  #life: Promise<void> | undefined;

  constructor(configuration: MqttConfiguration, origin: Origin, services: MqttServices) {
    const { prefix, homeAssistant, username, passwordFile, allow, role, broker } = configuration;
    const { log, refusals, registry, calls, desk } = services;
    this.configuration = configuration;
    this.#services = services;
    this.topics = topicsOf(prefix, origin.name);
    this.#broker =
      broker.kind === "url"
        ? // A client id of 23 characters, which every broker takes (MQTT 3.1.1 §3.1.3.1), and the same one
          // always: what is left of a lost connection ends when the next begins, and not after it.
          new RemoteBroker({ url: broker.url, clientId: `tether-${origin.id}`, username, passwordFile })
        : new EmbeddedBroker({
            host: broker.host,
            port: broker.port,
            username,
            passwordFile,
            log,
            refusals,
            isAgents: (topic) =>
              topic.startsWith(`${this.topics.base}/`) && readCallTopic(this.topics, topic) === undefined,
          });
    this.#outbox = new Outbox((topic, error) =>
      this.#note("mqtt-not-sent", `could not publish on ${topic}: ${error.message}`),
    );
    this.#announcer = new Announcer({
      desk,
      topics: this.topics,
      origin,
      discoveryPrefix: homeAssistant?.prefix,
      outbox: this.#outbox,
      info: async () =>
        (await registry.call(
          "system.info",
          undefined,
          new CallScope({ label: "mqtt", role: "viewer", origin: "agent" }),
        )) as JsonObject,
    });
    this.#calls = new CallDesk({
      registry,
      gate: calls,
      refusals,
      topics: this.topics,
      origin: this.#broker.name,
      allow,
      role,
      discoveryPrefixes: [homeAssistant?.prefix ?? USUAL_DISCOVERY_PREFIX, USUAL_DISCOVERY_PREFIX],
      send: (message) => this.#outbox.putAnswer(message),
      now: () => performance.now(),
    });
  }

  get state(): MqttState {
    return this.#state;
  }

  /** Begins; resolves after the first try for the embedded broker, at once for another. Never throws. */
  async start(): Promise<void> {
    this.#announcer.start();
    await new Promise<void>((tried) => {
      this.#life = this.#keepConnected(tried);
      if (this.configuration.broker.kind === "url") tried();
    });
  }

  /**
   * Says goodbye and ends.
   *
   * @param keeps retained messages that stay; all of them unless given.
   */
  async stop(keeps: (topic: string) => boolean = () => true): Promise<void> {
    this.#announcer.stop();
    this.#calls.stop(new TetherError("cancelled", "the agent is stopping or changing its broker"));
    if (this.#connection !== undefined) {
      // Whoever was told that a call has ended hears it before the goodbye.
      await delay(0);
      this.#outbox.put({ topic: this.topics.status, payload: "offline", qos: 1, retain: true });
      this.#announcer.withdrawAll(keeps);
      await Promise.race([this.#outbox.idle(), delay(MQTT.farewell, undefined, { ref: false })]);
    }
    this.#ended.abort();
    await this.#connection?.close();
    await this.#life;
  }

  async #keepConnected(tried: () => void): Promise<void> {
    const { signal } = this.#ended;
    const pauses = new Pauses();
    while (!signal.aborted) {
      let connectedAt: number | undefined;
      try {
        const connection = await this.#broker.connect({
          will: { topic: this.topics.status, payload: "offline" },
          receive: (message) => this.#receive(message),
          signal,
        });
        this.#connection = connection;
        connectedAt = performance.now();
        await this.#welcome(connection);
        tried();
        const reason = await connection.closed;
        if (!signal.aborted) this.#lost(reason);
      } catch (thrown) {
        if (!signal.aborted) this.#failed(asTetherError(thrown));
      }
      this.#outbox.detach();
      this.#connection = undefined;
      tried();
      // One that is lost at once, as where two agents have one client id, is no reason for haste.
      if (connectedAt !== undefined && performance.now() - connectedAt >= MQTT.settled) pauses.reset();
      await delay(pauses.next(Math.random()), undefined, { signal }).catch(() => undefined);
    }
  }

  async #welcome(connection: BrokerConnection): Promise<void> {
    const { topics, configuration } = this;
    const { homeAssistant } = configuration;
    const births = homeAssistant === undefined ? [] : [birthTopic(homeAssistant.prefix)];
    const subscribed = Promise.all([
      this.#subscribe(connection, topics.calls, "calls"),
      this.#subscribe(connection, births, "calls"),
      connection.keepsMessages ? this.#sweep(connection) : undefined,
    ]);
    await Promise.race([subscribed, connection.closed]);
    if (await isClosed(connection)) return;
    this.#state = "connected";
    this.#told.clear();
    this.#services.log.info("mqtt-connected", `connected to ${this.#broker.name}`, {
      broker: this.#broker.name,
      ...connection.facts,
    });
    this.#outbox.attach((message) => connection.publish(message));
    this.#announcer.connected();
  }

  async #subscribe(
    connection: BrokerConnection,
    filters: readonly string[],
    kind: "calls" | "kept",
  ): Promise<void> {
    if (filters.length === 0) return;
    try {
      await connection.subscribe(filters, kind);
    } catch (thrown) {
      if (await isClosed(connection)) return;
      const { message } = asTetherError(thrown);
      const what = filters.join(" and ");
      this.#note("mqtt-not-subscribed", `cannot listen to ${what}: ${message}`);
    }
  }

  /** Listens for a while to what the broker has kept of this agent. */
  async #sweep(connection: BrokerConnection): Promise<void> {
    const filters = this.#announcer.sweepFilters;
    await this.#subscribe(connection, filters, "kept");
    const over = delay(MQTT.sweep, undefined, { ref: false, signal: this.#ended.signal });
    over.then(() => connection.unsubscribe(filters)).catch(() => undefined);
  }

  #receive(message: IncomingMessage): void {
    if (this.#calls.handle(message)) return;
    const { homeAssistant } = this.configuration;
    if (homeAssistant !== undefined && message.topic === birthTopic(homeAssistant.prefix)) {
      if (!message.retained && message.payload.toString() === "online") this.#announcer.announceAgain();
    } else if (message.retained) this.#announcer.found(message.topic, message.payload);
  }

  #lost(reason: Error): void {
    this.#state = "connecting";
    this.#tell("mqtt-lost", `lost ${this.#broker.name}: ${reason.message}`);
  }

  #failed(error: TetherError): void {
    const refused = error.code === "unauthorized";
    this.#state = refused ? "refused" : "unreachable";
    const what = refused ? "is refused by" : "cannot reach";
    const hint = error.hint === undefined ? "" : `; ${error.hint}`;
    const told = `mqtt ${what} ${this.#broker.name}: ${error.message}${hint}; trying again until it works`;
    this.#tell(refused ? "mqtt-refused" : "mqtt-unreachable", told);
  }

  #note(event: string, message: string): void {
    this.#services.refusals.note(event, message, { address: this.#broker.name }, performance.now());
  }

  #tell(event: string, message: string): void {
    const line = `${event} ${message}`;
    if (this.#told.has(line)) return;
    // The texts are the system's and the broker's: a strange one may give a new one each time.
    if (this.#told.size >= MQTT.reasons) return;
    this.#told.add(line);
    this.#services.log.warn(event, message, { broker: this.#broker.name });
  }
}

async function isClosed(connection: BrokerConnection): Promise<boolean> {
  return Promise.race([connection.closed.then(() => true), delay(0, false)]);
}
