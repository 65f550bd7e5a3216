import { createHash } from "node:crypto";
import {
  asTetherError,
  type JsonValue,
  MQTT,
  parseJson,
  type Role,
  TetherError,
  writeJson,
} from "../../protocol/index.ts";
import { allowedBy, type Caller, type Registry } from "../procedures/index.ts";
import { type CallGate, CallScope, type Refusals, settleWithin } from "../server/index.ts";
import type { IncomingMessage, OutgoingMessage } from "./broker.ts";
import { RepeatedCalls } from "./repeated-calls.ts";
import { readCallTopic, type Topics, whyNoResponseTopic } from "./topics.ts";

/** What calls over MQTT need. */
export interface CallDeskOptions {
  readonly registry: Registry;
  readonly gate: CallGate;
  readonly refusals: Refusals;
  readonly topics: Topics;
  /** The broker, for the log: who publishes, it does not tell. */
  readonly origin: string;
  readonly allow: readonly string[];
  readonly role: Role;
  /** Prefixes under which programs find devices: nothing is answered there. */
  readonly discoveryPrefixes: readonly string[];
  /** Sends an answer; false when it cannot. */
  readonly send: (message: OutgoingMessage) => boolean;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
}

/** A call as it stands in a message. */
interface Call {
  readonly procedure: string;
  /** Where the answer goes; undefined: nobody wants one. */
  readonly answerTo: string | undefined;
  readonly message: IncomingMessage;
}

/** Answers the calls that come as messages, through the one registry. */
export class CallDesk {
  readonly #options: CallDeskOptions;
  readonly #caller: Caller;
  readonly #repeated = new RepeatedCalls();
  readonly #scopes = new Set<CallScope>();

  constructor(options: CallDeskOptions) {
    this.#options = options;
    const { role, allow, origin } = options;
    this.#caller = { label: "mqtt", role, origin, allows: allowedBy(allow) };
  }

  /** True when the message was a call, whatever came of it. Never throws. */
  handle(message: IncomingMessage): boolean {
    const { topics } = this.#options;
    const target = readCallTopic(topics, message.topic);
    if (target === undefined) return false;
    const { procedure, id } = target;
    const problem = this.#whyDropped(message, id);
    if (problem !== undefined) {
      const { event, why } = problem;
      this.#note(event, procedure, `a call of ${shown(procedure)} was dropped: ${why}`);
      return true;
    }
    const answerTo = message.responseTopic ?? (id === undefined ? undefined : topics.reply(id));
    void this.#answer({ procedure, answerTo, message });
    return true;
  }

  /** Ends every call that runs; their callers are told. */
  stop(reason: TetherError): void {
    for (const scope of this.#scopes) scope.abort(reason);
  }

  #whyDropped(message: IncomingMessage, id: string | undefined): { event: string; why: string } | undefined {
    const { topics, discoveryPrefixes, now } = this.#options;
    const { topic, payload, responseTopic, correlation } = message;
    const drop = (why: string) => ({ event: "mqtt-call-dropped", why });
    // It would run again at every connection.
    if (message.retained) return drop("it is a retained message");
    if (message.repeated) return drop("it is marked as sent again");
    if (id !== undefined && Buffer.byteLength(id) > MQTT.idBytes) {
      return drop(`its id has more than ${MQTT.idBytes} bytes`);
    }
    if (correlation !== undefined && correlation.length > MQTT.correlationBytes) {
      return drop(`its correlation data has more than ${MQTT.correlationBytes} bytes`);
    }
    if (responseTopic !== undefined) {
      const why = whyNoResponseTopic(responseTopic, { prefix: topics.prefix, discoveryPrefixes });
      if (why !== undefined) {
        return { event: "mqtt-call-refused", why: `its response topic ${shown(responseTopic)} ${why}` };
      }
    }
    // Without a mark of its own a call looks like any other that wants the same.
    if (id === undefined && correlation === undefined) return undefined;
    const hash = createHash("sha256");
    for (const part of [topic, responseTopic ?? "", correlation ?? "", payload]) {
      hash.update(`${part.length}:`).update(part);
    }
    return this.#repeated.isRepeated(hash.digest("base64"), now())
      ? drop("it has come before with the same id or correlation data")
      : undefined;
  }

  async #answer({ procedure, answerTo, message }: Call): Promise<void> {
    let payload: string;
    try {
      const result = await this.#call(procedure, message);
      payload = writeJson({ result });
      if (Buffer.byteLength(payload) > MQTT.packet) {
        throw new TetherError("limit", `the result has more than ${MQTT.packet} bytes`);
      }
    } catch (thrown) {
      const error = asTetherError(thrown);
      this.#report(procedure, error, answerTo);
      payload = JSON.stringify({ error });
    }
    if (answerTo === undefined) return;
    const { correlation } = message;
    if (this.#options.send({ topic: answerTo, payload, ...(correlation && { correlation }) })) return;
    this.#note("mqtt-answer-lost", procedure, `the answer of ${shown(procedure)} could not be sent`);
  }

  async #call(procedure: string, { payload, expiresIn }: IncomingMessage): Promise<JsonValue> {
    const { registry, gate } = this.#options;
    if (payload.length > MQTT.packet) {
      throw new TetherError("limit", `the parameters have more than ${MQTT.packet} bytes`);
    }
    const params = payload.length === 0 ? undefined : parseJson(textOf(payload));
    gate.check();
    const scope = new CallScope(this.#caller);
    this.#scopes.add(scope);
    try {
      const result = registry.call(procedure, params, scope);
      if (!(result instanceof Promise)) return result;
      const timeout = Math.min(expiresIn ?? MQTT.callTimeout, MQTT.callTimeout);
      return await gate.pass(settleWithin(result, scope, timeout));
    } finally {
      this.#scopes.delete(scope);
    }
  }

  /** Every refusal is told, and so is every failure that nobody else hears of. */
  #report(procedure: string, error: TetherError, answerTo: string | undefined): void {
    const refused = error.code === "forbidden" || error.code === "unauthorized";
    if (!refused && answerTo !== undefined) return;
    const { code, message } = error;
    if (refused) this.#note("mqtt-call-refused", procedure, `refused a call: ${message}`, code);
    else this.#note("mqtt-call-failed", procedure, `a call failed: ${message}`, code);
  }

  #note(event: string, procedure: string, message: string, code?: string): void {
    const { refusals, now } = this.#options;
    const { origin, role } = this.#caller;
    const facts = { address: origin, procedure: shown(procedure), role, ...(code !== undefined && { code }) };
    refusals.note(event, message, facts, now());
  }
}

/** @throws TetherError `invalid` for what is no UTF-8 (RFC 8259 §8.1). */
function textOf(payload: Buffer): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(payload);
  } catch (thrown) {
    throw new TetherError("invalid", "the parameters are no UTF-8", { cause: thrown });
  }
}

/** A stranger's text, short enough for a line of the log. */
function shown(text: string): string {
  return text.length <= 100 ? text : `${text.slice(0, 100)}…`;
}
