import { asTetherError, MQTT, type TetherError } from "../../protocol/index.ts";
import type { OutgoingMessage } from "./broker.ts";

type Publish = (message: OutgoingMessage) => Promise<void>;

/** A message whose payload may be asked for when it is sent: what is true then. */
export type PendingMessage = Omit<OutgoingMessage, "payload"> & { readonly payload: string | (() => string) };

/**
 * What waits to be sent: of each topic the last message alone, so that neither a broker that is away nor a slow
 * one makes it grow. One message is under way at a time, so no broker's receive maximum is passed.
 */
export class Outbox {
  readonly #refused: (topic: string, error: TetherError) => void;
  readonly #waiting = new Map<string, PendingMessage>();
  readonly #answers: OutgoingMessage[] = [];
  #answerBytes = 0;
  #publish: Publish | undefined;
  #sending = false;
  #onIdle: (() => void)[] = [];

  /** @param refused hears of a message that could not be sent although the connection stands. */
  constructor(refused: (topic: string, error: TetherError) => void) {
    this.#refused = refused;
  }

  /** Sends over this connection from now on. */
  attach(publish: Publish): void {
    this.#publish = publish;
    // What was under way on another connection never ends, and nobody waits for it.
    this.#sending = false;
    this.#send();
  }

  /** Keeps what comes; answers are dropped, since whoever waits for them hears nothing either. */
  detach(): void {
    this.#publish = undefined;
    this.#answers.length = 0;
    this.#answerBytes = 0;
    this.#settle();
  }

  /** Sends a message, in the place of one that waits under the same key (the topic unless given). */
  put(message: PendingMessage, key: string = message.topic): void {
    this.#waiting.set(key, message);
    this.#send();
  }

  /** Sends an answer; false when there is no connection or too much waits, and it is dropped. */
  putAnswer(message: OutgoingMessage): boolean {
    const bytes = Buffer.byteLength(message.payload);
    if (this.#publish === undefined || this.#answerBytes + bytes > MQTT.queuedAnswers) return false;
    this.#answers.push(message);
    this.#answerBytes += bytes;
    this.#send();
    return true;
  }

  /** Forgets what waits under these keys. */
  drop(...keys: readonly string[]): void {
    for (const key of keys) this.#waiting.delete(key);
  }

  /** Resolves once nothing is left to send, or there is no connection. */
  async idle(): Promise<void> {
    if (this.#publish === undefined || !this.#sending) return;
    await new Promise<void>((resolve) => {
      this.#onIdle.push(resolve);
    });
  }

  #send(): void {
    const publish = this.#publish;
    if (publish === undefined || this.#sending) return;
    this.#sending = true;
    void this.#sendAll(publish);
  }

  async #sendAll(publish: Publish): Promise<void> {
    while (this.#publish === publish) {
      const message = this.#take();
      if (message === undefined) {
        this.#sending = false;
        this.#settle();
        return;
      }
      try {
        await publish(message);
      } catch (thrown) {
        if (this.#publish === publish) this.#refused(message.topic, asTetherError(thrown));
      }
    }
  }

  /** Answers first: somebody waits for them. */
  #take(): OutgoingMessage | undefined {
    const answer = this.#answers.shift();
    if (answer !== undefined) {
      this.#answerBytes -= Buffer.byteLength(answer.payload);
      return answer;
    }
    const [first] = this.#waiting;
    if (first === undefined) return undefined;
    const [key, { payload, ...message }] = first;
    this.#waiting.delete(key);
    return { ...message, payload: typeof payload === "string" ? payload : payload() };
  }

  #settle(): void {
    const waiting = this.#onIdle;
    this.#onIdle = [];
    for (const resolve of waiting) resolve();
  }
}
