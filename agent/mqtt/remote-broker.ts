import type { ClientRequestArgs } from "node:http";
import type { IClientOptions, IPublishPacket, MqttClient } from "mqtt";
import { MQTT, TetherError } from "../../protocol/index.ts";
import type {
  Broker,
  BrokerConnection,
  ConnectOptions,
  IncomingMessage,
  OutgoingMessage,
  SubscriptionKind,
} from "./broker.ts";
import { PacketGuard } from "./packet-guard.ts";
import { readPassword } from "./password.ts";
import { Trust } from "./trust.ts";

/** Versions as CONNECT carries them (MQTT 3.1.1 §3.1.2.2, MQTT 5.0 §3.1.2.2), and as people write them. */
const VERSIONS = { 5: "5.0", 4: "3.1.1" } as const;

type Version = keyof typeof VERSIONS;

/** CONNACK: unacceptable protocol version (MQTT 3.1.1 §3.2.2.3), unsupported one (MQTT 5.0 §3.2.2.2). */
const VERSION_REFUSED: readonly number[] = [1, 132];

/** CONNACK: server unavailable (MQTT 3.1.1), unavailable, busy, server moved, rate exceeded (MQTT 5.0). */
const UNAVAILABLE: readonly number[] = [3, 136, 137, 156, 157, 159];

/** Bytes of a PUBLISH beside its payload that its topic and properties may take. */
const HEADROOM = 16 * 1024;

/** Where a broker is and how the agent shows who it is. */
export interface RemoteBrokerOptions {
  readonly url: string;
  readonly clientId: string;
  readonly username: string | undefined;
  readonly passwordFile: string | undefined;
}

/** A broker reached by URL; speaks MQTT 5.0, or 3.1.1 where the broker does not. */
export class RemoteBroker implements Broker {
  readonly name: string;
  readonly #options: RemoteBrokerOptions;
  readonly #trust = new Trust();
  /** False once the broker has said that it does not speak MQTT 5.0. */
  #speaksFive = true;

  constructor(options: RemoteBrokerOptions) {
    this.name = options.url;
    this.#options = options;
  }

  async connect(options: ConnectOptions): Promise<BrokerConnection> {
    const common = await this.#clientOptions(options);
    if (this.#speaksFive) {
      const five = await tryConnect(common, 5, options);
      if (!(five instanceof Refusal)) return five;
      this.#speaksFive = !five.versionRefused;
      if (!five.versionRefused && !five.silent) throw five.error;
    }
    const four = await tryConnect(common, 4, options);
    if (four instanceof Refusal) throw four.error;
    return four;
  }

  async #clientOptions({ will }: ConnectOptions): Promise<IClientOptions> {
    const { username, passwordFile, clientId } = this.#options;
    const url = new URL(this.#options.url);
    const protocol = url.protocol.slice(0, -1) as "mqtt" | "mqtts" | "ws" | "wss";
    const host = url.hostname.replace(/^\[|\]$/g, "");
    return {
      protocol,
      host,
      hostname: host,
      ...(url.port !== "" && { port: Number(url.port) }),
      path: `${url.pathname}${url.search}`,
      // The library builds a WebSocket's URL without the brackets of an IPv6 address.
      transformWsUrl: () => this.#options.url,
      ...(protocol === "mqtts" && { secureContext: await this.#trust.context() }),
      // Node's TLS takes it from there, though the library's types do not say so.
      ...(protocol === "wss" && {
        wsOptions: { secureContext: await this.#trust.context() } as ClientRequestArgs,
      }),
      clientId,
      ...(username !== undefined && { username }),
      ...(passwordFile !== undefined && { password: await readPassword(passwordFile) }),
      will: { ...will, payload: Buffer.from(will.payload), qos: 1, retain: true },
      // Nothing is kept for an agent that is away: an old call is never run.
      clean: true,
      keepalive: MQTT.keepalive,
      connectTimeout: MQTT.connectTimeout,
      // Each try has a client of its own.
      reconnectPeriod: 0,
      resubscribe: false,
      queueQoSZero: false,
      // 65,536 buffers, more than 10 MiB, to write two bytes a little sooner.
      writeCache: false,
    };
  }
}

/** Why a try came to nothing. */
class Refusal {
  readonly error: TetherError;
  /** The broker does not speak this version. */
  readonly versionRefused: boolean;
  /** The broker hung up without a word, as some do on a version that they do not know. */
  readonly silent: boolean;

  constructor(thrown: Error | undefined, name: string) {
    const code = (thrown as { code?: unknown } | undefined)?.code;
    const refused = typeof code === "number" && !UNAVAILABLE.includes(code);
    this.versionRefused = typeof code === "number" && VERSION_REFUSED.includes(code);
    this.silent = thrown === undefined;
    // An error about several addresses of one host has a code and no text.
    const said = thrown?.message || (code === undefined ? undefined : String(code));
    this.error = refused
      ? new TetherError("unauthorized", said ?? "")
      : new TetherError("unreachable", said ?? `${name} hung up without an answer`, {
          cause: thrown,
          ...(isCertificateProblem(code) && {
            hint: "put its authority into the machine's trust (update-ca-certificates)",
          }),
        });
  }
}

/** Codes of OpenSSL's verification as Node gives them. */
function isCertificateProblem(code: unknown): boolean {
  return typeof code === "string" && /SELF_SIGNED|UNABLE_TO_(GET_ISSUER|VERIFY)/.test(code);
}

async function tryConnect(
  common: IClientOptions,
  version: Version,
  { receive, signal }: ConnectOptions,
): Promise<BrokerConnection | Refusal> {
  const { connect } = await import("mqtt");
  signal.throwIfAborted();
  const name = `${common.host}`;
  const client = connect({
    ...common,
    protocolVersion: version,
    ...(version === 5 && { properties: { maximumPacketSize: MQTT.packet + HEADROOM } }),
  });
  const guard = new PacketGuard(MQTT.packet + HEADROOM);
  let last: Error | undefined;
  client.on("error", (error) => {
    last = error;
  });
  client.on("disconnect", ({ reasonCode }) => {
    last = new Error(`the broker ended the connection, reason ${reasonCode}`);
  });
  client.stream.on("data", (bytes: Uint8Array) => {
    if (guard.push(bytes)) return;
    last = new Error(`the broker sent a packet of more than ${MQTT.packet} bytes`);
    client.stream.destroy();
  });
  client.on("message", (_topic, _payload, packet) => receive(incoming(packet)));
  const closed = new Promise<Error>((resolve) => {
    client.once("close", () => resolve(last ?? new Error("the connection was closed")));
  });
  const abort = () => client.end(true);
  signal.addEventListener("abort", abort, { once: true });
  try {
    const connected = new Promise<true>((resolve) => client.once("connect", () => resolve(true)));
    if ((await Promise.race([connected, closed])) !== true) return new Refusal(last, name);
    last = undefined;
    return new RemoteConnection(client, version, closed);
  } finally {
    signal.removeEventListener("abort", abort);
    signal.throwIfAborted();
  }
}

function incoming(packet: IPublishPacket): IncomingMessage {
  const { topic, payload, retain, dup, properties } = packet;
  const { responseTopic, correlationData, messageExpiryInterval } = properties ?? {};
  return {
    topic,
    payload: Buffer.from(payload),
    retained: retain,
    repeated: dup,
    ...(responseTopic !== undefined && { responseTopic }),
    ...(correlationData !== undefined && { correlation: correlationData }),
    ...(messageExpiryInterval !== undefined && { expiresIn: messageExpiryInterval * 1000 }),
  };
}

class RemoteConnection implements BrokerConnection {
  readonly facts: { readonly [name: string]: string };
  readonly keepsMessages = true;
  readonly closed: Promise<Error>;
  readonly #client: MqttClient;
  readonly #version: Version;

  constructor(client: MqttClient, version: Version, closed: Promise<Error>) {
    this.facts = { protocol: `MQTT ${VERSIONS[version]}` };
    this.closed = closed;
    this.#client = client;
    this.#version = version;
  }

  async publish({ topic, payload, qos = 0, retain = false, correlation }: OutgoingMessage): Promise<void> {
    await this.#client.publishAsync(topic, payload, {
      qos,
      retain,
      ...(this.#version === 5 && correlation && { properties: { correlationData: correlation } }),
    });
  }

  async subscribe(filters: readonly string[], kind: SubscriptionKind): Promise<void> {
    // QoS 0: a call that the broker is not sure to have delivered must not come twice.
    const granted = await this.#client.subscribeAsync([...filters], {
      qos: 0,
      // Retain as published (MQTT 5.0 §3.8.3.1) shows a call that is kept also when it comes live.
      ...(this.#version === 5 && { rap: kind === "calls", rh: 0, nl: kind === "kept" }),
    });
    const refused = granted.find((one) => one.qos > 2);
    if (refused !== undefined) throw new TetherError("forbidden", `the broker refuses ${refused.topic}`);
  }

  async unsubscribe(filters: readonly string[]): Promise<void> {
    await this.#client.unsubscribeAsync([...filters]);
  }

  async close(): Promise<void> {
    const timer = setTimeout(() => this.#client.end(true), MQTT.farewell);
    this.#client.end();
    await this.closed;
    clearTimeout(timer);
  }
}
