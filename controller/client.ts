import {
  asTetherError,
  CALLS,
  decodeAnswer,
  decodeBatch,
  encodeBatch,
  encodeCall,
  type Hello,
  type JsonObject,
  type JsonValue,
  parseJson,
  type Role,
  type RpcCall,
  type Stream,
  type StreamHandlers,
  type StreamName,
  TetherError,
  writeJson,
} from "../protocol/index.ts";
import type { Connection } from "./connection.ts";

/** Milliseconds that a timer of Node's can wait; longer ones strike at once. */
const LONGEST_TIMER = 0x7fff_ffff;

/** How long to wait for something, and how to stop waiting. */
export interface WaitOptions {
  /** Milliseconds after which the call is given up, here and on the agent. */
  readonly timeout?: number;
  readonly signal?: AbortSignal;
}

/** What a procedure says of itself. */
export interface ProcedureDescription {
  readonly name: string;
  readonly summary: string;
  /** JSON Schema object whose `properties` stand in positional order. */
  readonly parameters: JsonObject;
  readonly result: JsonObject;
  readonly role: Role;
}

/** What became of one member of a batch. */
export type Outcome = { readonly result: JsonValue } | { readonly error: TetherError };

/** An open connection to one paired agent. */
export class Client {
  /** What this controller calls the agent. */
  readonly name: string;
  readonly #connection: Connection;
  /** Who waits for an answer to a ping, which the end of the connection leaves unanswered. */
  readonly #pinging = new Set<(error: TetherError) => void>();

  constructor(name: string, connection: Connection) {
    this.name = name;
    this.#connection = connection;
    connection.closed.then((reason) => {
      const error = reason ?? new TetherError("unreachable", "the connection was closed");
      for (const reject of this.#pinging) reject(error);
    });
  }

  /** What the agent said of itself; rejects when the connection ends before. */
  get hello(): Promise<Hello> {
    return this.#connection.hello;
  }

  /** Settles when the connection has ended, with the reason unless {@link close} ended it. */
  get closed(): Promise<TetherError | undefined> {
    return this.#connection.closed;
  }

  /**
   * Calls a procedure; `params` by position or by name. Integers beyond 2^53 are bigint, both ways.
   *
   * @throws TetherError as the agent gave it, `timeout` or `cancelled` as asked for here, `unreachable` when the
   * connection ends before the result
   */
  call(method: string, params?: JsonValue[] | JsonObject, options: WaitOptions = {}): Promise<JsonValue> {
    const call = rpcCall(method, params, options.timeout);
    return this.#ask(method, () => encodeCall(1, call), decodeAnswer, options);
  }

  /** Calls many procedures in one request; gives what became of each, in order. Throws as {@link call}. */
  batch(calls: readonly RpcCall[], options: WaitOptions = {}): Promise<Outcome[]> {
    const limited = calls.map((call) => rpcCall(call.method, call.params, call.timeoutMs ?? options.timeout));
    const decode = (text: string) =>
      decodeBatch(text, calls.length).map((outcome) =>
        outcome instanceof TetherError ? { error: outcome } : outcome,
      );
    return this.#ask(`a batch of ${calls.length} calls`, () => encodeBatch(limited), decode, options);
  }

  /** What can be called, sorted by name; with `prefix` only what begins so. */
  async procedures(prefix = "", options: WaitOptions = {}): Promise<ProcedureDescription[]> {
    const document = (await this.call("rpc.discover", [], options)) as { methods?: JsonValue };
    return ((document.methods ?? []) as unknown as OpenRpcMethod[])
      .filter(({ name }) => name.startsWith(prefix))
      .map(describe);
  }

  /** Milliseconds of one round trip on the wire, without a call. */
  ping(options: WaitOptions = {}): Promise<number> {
    const { session } = this.#connection;
    const start = performance.now();
    let waiting: ((error: TetherError) => void) | undefined;
    const answered = this.#wait<number>("a sign of life", options, (resolve, reject) => {
      if (session.isClosed) reject(new TetherError("unreachable", "the connection is closed"));
      else session.ping(() => resolve(performance.now() - start), start);
      waiting = reject;
      this.#pinging.add(reject);
      return undefined;
    });
    return answered.finally(() => {
      if (waiting !== undefined) this.#pinging.delete(waiting);
    });
  }

  /**
   * Opens a stream of another kind than `call`, sends its only document and hands over those that come, until
   * the agent ends it.
   *
   * @throws TetherError as the agent gave it, or what `options.signal` is aborted with
   */
  conversation(
    kind: StreamName,
    first: JsonObject,
    onDocument: (document: JsonObject) => void,
    options: WaitOptions = {},
  ): Promise<void> {
    return this.#wait(kind, options, (resolve, reject) =>
      this.#connection.session.open(kind, writeJson(first), true, {
        onDocument: (text) => onDocument(parseJson(text) as JsonObject),
        onEnd: () => resolve(undefined),
        onReset: reject,
      }),
    );
  }

  /** Opens a stream of another kind than `call` for whoever deals with its documents and bytes. */
  stream(kind: StreamName, first: string, handlers: StreamHandlers): Stream {
    return this.#connection.session.open(kind, first, false, handlers);
  }

  /** Ends the connection; what is still waited for rejects. */
  close(): void {
    this.#connection.close();
  }

  /** Sends one document on a stream of kind `call` and reads the one that answers it. */
  #ask<T>(what: string, encode: () => string, decode: (text: string) => T, options: WaitOptions): Promise<T> {
    return this.#wait(what, options, (resolve, reject) => {
      let answered = false;
      return this.#connection.session.open("call", encode(), true, {
        onDocument(text) {
          answered = true;
          try {
            resolve(decode(text));
          } catch (error) {
            reject(asTetherError(error));
          }
        },
        onEnd() {
          if (!answered) reject(new TetherError("internal", `the agent gave no answer to ${what}`));
        },
        onReset: reject,
      });
    });
  }

  /** Starts something, and stops waiting for it when time is out or the signal says so. */
  #wait<T>(
    what: string,
    { timeout, signal }: WaitOptions,
    start: (resolve: (value: T) => void, reject: (error: TetherError) => void) => Stream | undefined,
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      if (timeout === undefined && signal === undefined) {
        start(resolve, reject);
        return;
      }
      const giveUp = (error: TetherError) => {
        finish();
        stream?.reset(error);
        reject(error);
      };
      const onAbort = () => giveUp(asTetherError(signal?.reason));
      const timer =
        timeout === undefined
          ? undefined
          : setTimeout(
              () => giveUp(new TetherError("timeout", `no answer to ${what} within ${timeout} ms`)),
              Math.min(timeout, LONGEST_TIMER),
            );
      const finish = () => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", onAbort);
      };
      signal?.addEventListener("abort", onAbort);
      let stream: Stream | undefined;
      if (signal?.aborted) {
        onAbort();
        return;
      }
      try {
        stream = start(
          (value) => {
            finish();
            resolve(value);
          },
          (error) => {
            finish();
            reject(error);
          },
        );
      } catch (error) {
        finish();
        reject(asTetherError(error));
      }
    });
  }
}

function rpcCall(method: string, params: JsonValue | undefined, timeout: number | undefined): RpcCall {
  return {
    method,
    ...(params !== undefined && { params }),
    ...(timeout !== undefined && {
      timeoutMs: Math.min(Math.max(1, Math.round(timeout)), CALLS.longestTimeout),
    }),
  };
}

/** A method of an OpenRPC document, as the agent writes it. */
interface OpenRpcMethod {
  readonly name: string;
  readonly summary: string;
  readonly params: readonly {
    readonly name: string;
    readonly required: boolean;
    readonly schema: JsonObject;
  }[];
  readonly result: { readonly schema: JsonObject };
  readonly "x-role": Role;
}

function describe({ name, summary, params, result, "x-role": role }: OpenRpcMethod): ProcedureDescription {
  const parameters = {
    type: "object",
    properties: Object.fromEntries(params.map((param) => [param.name, param.schema])),
    required: params.filter((param) => param.required).map((param) => param.name),
    additionalProperties: false,
  };
  return { name, summary, parameters, result: result.schema, role };
}
