/** What the agent says to a broker and hears from it, whichever broker it is. */

/** A message to publish. */
export interface OutgoingMessage {
  readonly topic: string;
  /** Empty takes a retained message away. */
  readonly payload: string;
  /** 1 awaits the broker's word; 0 unless given. */
  readonly qos?: 0 | 1;
  readonly retain?: boolean;
  /** MQTT 5.0 §3.3.2.3.6. */
  readonly correlation?: Buffer;
}

/** A message that came. */
export interface IncomingMessage {
  readonly topic: string;
  readonly payload: Buffer;
  /** True when it was published as a message to be kept, now or long ago. */
  readonly retained: boolean;
  /** The DUP flag (MQTT 5.0 §3.3.1.1). */
  readonly repeated: boolean;
  /** MQTT 5.0 §3.3.2.3.5. */
  readonly responseTopic?: string;
  readonly correlation?: Buffer;
  /** Milliseconds after which the answer is of no use (MQTT 5.0 §3.3.2.3.3). */
  readonly expiresIn?: number;
}

/** What a subscription is for: `calls` may be told of retained messages as such, `kept` is about those alone. */
export type SubscriptionKind = "calls" | "kept";

/** One connection. */
export interface BrokerConnection {
  /** What is connected to, for the log. */
  readonly facts: { readonly [name: string]: string };
  /** True when the broker may hold retained messages of an earlier run. */
  readonly keepsMessages: boolean;
  /** Resolves, with the reason, once nothing can be sent any more. Never rejects. */
  readonly closed: Promise<Error>;
  /** Resolves when it has been written (QoS 0) or acknowledged (QoS 1); may never settle once closed. */
  publish(message: OutgoingMessage): Promise<void>;
  /** Rejects when the broker refuses one of the filters. */
  subscribe(filters: readonly string[], kind: SubscriptionKind): Promise<void>;
  unsubscribe(filters: readonly string[]): Promise<void>;
  /** Says goodbye, which discards the last will, and closes. */
  close(): Promise<void>;
}

/** What a connection needs. */
export interface ConnectOptions {
  /** Published by the broker, retained, when the agent is gone without a goodbye. */
  readonly will: { readonly topic: string; readonly payload: string };
  readonly receive: (message: IncomingMessage) => void;
  /** Ends the try. */
  readonly signal: AbortSignal;
}

/** A broker that can be connected to, again and again. */
export interface Broker {
  /** For the log; without secrets. */
  readonly name: string;
  /**
   * @throws TetherError `unauthorized` when the broker refuses the agent, else whatever stands in the way.
   */
  connect(options: ConnectOptions): Promise<BrokerConnection>;
}
