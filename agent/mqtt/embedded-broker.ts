import { createHash, timingSafeEqual } from "node:crypto";
import { createServer, type Server, type Socket } from "node:net";
import type { Aedes, AedesPublishPacket, AuthenticateError, Client } from "aedes";
import { formatHostPort, isLoopback, MQTT } from "../../protocol/index.ts";
import type { Log } from "../log.ts";
import type { Refusals } from "../server/index.ts";
import type { Broker, BrokerConnection, ConnectOptions, OutgoingMessage } from "./broker.ts";
import { PacketGuard } from "./packet-guard.ts";
import { readPassword } from "./password.ts";

/** CONNACK's return code for a wrong user or password (MQTT 3.1.1 §3.2.2.3). */
const BAD_LOGIN = 4;

/** Where the broker listens and whom it lets in. */
export interface EmbeddedBrokerOptions {
  readonly host: string;
  readonly port: number;
  /** Absent: everybody who reaches it. */
  readonly username: string | undefined;
  readonly passwordFile: string | undefined;
  readonly log: Log;
  readonly refusals: Refusals;
  /** Topics that only the agent may publish to. */
  readonly isAgents: (topic: string) => boolean;
}

/**
 * A broker inside the agent; speaks MQTT 3.1.1 (§3.1.2.2: others are refused). To connect is to begin to listen:
 * the agent itself takes no socket.
 */
export class EmbeddedBroker implements Broker {
  readonly name: string;
  readonly #options: EmbeddedBrokerOptions;

  constructor(options: EmbeddedBrokerOptions) {
    this.name = `the embedded broker on ${formatHostPort(options.host, options.port)}`;
    this.#options = options;
  }

  async connect({ receive, signal }: ConnectOptions): Promise<BrokerConnection> {
    const { host, port, username, passwordFile, log } = this.#options;
    const password = passwordFile === undefined ? undefined : await readPassword(passwordFile);
    const [{ Aedes }, { writeToStream }] = await Promise.all([import("aedes"), import("mqtt-packet")]);
    // 65,536 buffers, more than 10 MiB, to write two bytes a little sooner.
    writeToStream.cacheNumbers = false;
    const broker = await Aedes.createBroker({
      connectTimeout: MQTT.brokerHandshake,
      drainTimeout: MQTT.brokerDrain,
      maxInflightInbound: MQTT.brokerInflight,
    });
    this.#guard(broker, username === undefined ? undefined : { username, password: password ?? "" });
    const sockets = new Set<Socket>();
    const server = createServer({ noDelay: true }, (socket) => {
      sockets.add(socket);
      socket.once("close", () => sockets.delete(socket));
      serve(broker, socket);
    });
    server.maxConnections = MQTT.brokerConnections;
    const connection = new EmbeddedConnection({ broker, server, sockets, receive });
    try {
      await listen(server, host, port);
      signal.throwIfAborted();
    } catch (thrown) {
      await connection.close();
      throw thrown;
    }
    if (!isLoopback(host) && host !== "localhost") {
      const login = username === undefined ? "without a password and " : "";
      log.warn("mqtt-broker-open", `the embedded broker lets other machines in, ${login}without encryption`, {
        address: host,
        port,
      });
    }
    return connection;
  }

  #guard(broker: Aedes, login: { readonly username: string; readonly password: string } | undefined): void {
    const { refusals, isAgents } = this.#options;
    const retained = new RetainedTally();
    // Sessions that outlive their connection would collect messages without end.
    broker.preConnect = (_client, packet, done) => {
      packet.clean = true;
      done(null, true);
    };
    broker.authenticate = (client, username, password, done) => {
      if (
        login === undefined ||
        (isSame(username, login.username) && isSame(password?.toString(), login.password))
      ) {
        done(null, true);
        return;
      }
      const { remoteAddress } = client.conn as Socket;
      const facts = { address: remoteAddress ?? "a closed connection" };
      const told = "the embedded broker refused a wrong user or password";
      refusals.note("mqtt-unauthorized", told, facts, performance.now());
      done(Object.assign(new Error(), { returnCode: BAD_LOGIN }) as AuthenticateError, null);
    };
    broker.authorizePublish = (client, { topic, retain, payload }, done) => {
      if (client !== null && (topic.startsWith("$") || isAgents(topic))) {
        done(new Error(`only the agent publishes on ${topic}`));
        return;
      }
      const fits = !retain || retained.keep(topic, payload.length);
      done(fits ? null : new Error("there is no room for another retained message"));
    };
    broker.authorizeSubscribe = (client, subscription, done) => {
      const { subscriptions } = client as Client & { readonly subscriptions: object };
      const full = Object.keys(subscriptions).length >= MQTT.brokerSubscriptions;
      done(null, full ? null : subscription);
    };
  }
}

/** Counts what clients have the broker keep: one message a topic, none where it is empty. */
class RetainedTally {
  readonly #bytes = new Map<string, number>();
  #total = 0;

  /** False when it would be too much; else counts it in the place of the topic's last one. */
  keep(topic: string, payloadBytes: number): boolean {
    const before = this.#bytes.get(topic);
    const bytes = payloadBytes === 0 ? 0 : payloadBytes + topic.length;
    const total = this.#total - (before ?? 0) + bytes;
    const isOneMore = before === undefined && bytes > 0;
    if (bytes > 0 && total > MQTT.brokerRetainedBytes) return false;
    if (isOneMore && this.#bytes.size >= MQTT.brokerRetained) return false;
    if (bytes === 0) this.#bytes.delete(topic);
    else this.#bytes.set(topic, bytes);
    this.#total = total;
    return true;
  }
}

/** Compares in constant time, whatever the lengths. */
function isSame(given: string | undefined, wanted: string): boolean {
  const hash = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(hash(given ?? ""), hash(wanted)) && given !== undefined;
}

function serve(broker: Aedes, socket: Socket): void {
  broker.handle(socket);
  const guard = new PacketGuard(MQTT.brokerPacket);
  // The broker reads when it can; this sees what it has read, and makes nothing flow.
  socket.on("data", (bytes: Buffer) => {
    if (!guard.push(bytes)) socket.destroy();
  });
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

class EmbeddedConnection implements BrokerConnection {
  readonly facts = { protocol: "MQTT 3.1.1" };
  readonly keepsMessages = false;
  readonly closed: Promise<Error>;
  readonly #broker: Aedes;
  readonly #server: Server;
  readonly #sockets: ReadonlySet<Socket>;
  readonly #deliver: (packet: AedesPublishPacket, done: () => void) => void;

  constructor(parts: {
    readonly broker: Aedes;
    readonly server: Server;
    readonly sockets: ReadonlySet<Socket>;
    readonly receive: ConnectOptions["receive"];
  }) {
    const { broker, server, sockets, receive } = parts;
    this.#broker = broker;
    this.#server = server;
    this.#sockets = sockets;
    this.#deliver = ({ topic, payload, retain, dup }, done) => {
      receive({ topic, payload: Buffer.from(payload), retained: retain, repeated: dup });
      done();
    };
    this.closed = new Promise((resolve) => {
      server.once("close", () => resolve(new Error("the broker was closed")));
      server.on("error", resolve);
      broker.on("error" as "closed", ((error: Error) => resolve(error)) as () => void);
    });
  }

  publish({ topic, payload, qos = 0, retain = false }: OutgoingMessage): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#broker.publish({ cmd: "publish", topic, payload, qos, retain, dup: false }, (error) => {
        if (error) reject(error);
        else resolve();
      });
    });
  }

  async subscribe(filters: readonly string[]): Promise<void> {
    for (const filter of filters) {
      await new Promise<void>((resolve) => this.#broker.subscribe(filter, this.#deliver, resolve));
    }
  }

  async unsubscribe(filters: readonly string[]): Promise<void> {
    for (const filter of filters) {
      await new Promise<void>((resolve) => this.#broker.unsubscribe(filter, this.#deliver, resolve));
    }
  }

  async close(): Promise<void> {
    await new Promise<void>((resolve) => this.#broker.close(resolve));
    const ended = this.#server.listening
      ? new Promise<void>((resolve) => this.#server.close(() => resolve()))
      : undefined;
    // The broker knows of those alone that have said who they are.
    for (const socket of this.#sockets) socket.destroy();
    await ended;
  }
}
