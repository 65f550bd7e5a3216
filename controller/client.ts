import {
  asTetherError,
  CALLS,
  type CallProgress,
  decodeAnswerPart,
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

/** Takes what comes before the result of a call. */
export interface CallSink {
  onProgress?(progress: CallProgress): void;
  /** Takes one of many results, of so many bytes; the agent waits for the promise before it sends much more. */
  onYield?(value: JsonValue, bytes: number): void | Promise<void>;
}

/** Looks on while a call is answered. */
export interface CallWatch {
  onProgress?(progress: CallProgress): void;
  onYield?(value: JsonValue): void;
}

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
   * Calls a procedure; `params` by position or by name. Integers beyond 2^53 are bigint, both ways. Gives an array
   * where the procedure yields many results; `watch` is told of what comes before.
   *
   * @throws TetherError as the agent gave it, `timeout` or `cancelled` as asked for here, `unreachable` when the
   * connection ends before the result
   */
  call(
    method: string,
    params?: JsonValue[] | JsonObject,
    options: WaitOptions = {},
    watch: CallWatch = {},
  ): Promise<JsonValue> {
    const values: JsonValue[] = [];
    let sum = 0;
    const onYield = (value: JsonValue, bytes: number) => {
      sum += bytes;
      if (sum > CALLS.resultBytes) {
        throw new TetherError("limit", `the results of ${method} have more than ${CALLS.resultBytes} bytes`);
      }
      values.push(value);
      watch.onYield?.(value);
    };
    const onProgress = (progress: CallProgress) => watch.onProgress?.(progress);
    return this.callStreaming(method, params, { onYield, onProgress }, options).then((result) =>
      result === undefined ? values : result,
    );
  }

  /**
   * Calls a procedure and hands over what comes before its result. Gives undefined where its results were
   * yielded. Throws as {@link call}, and what `sink` throws.
   */
  callStreaming(
    method: string,
    params: JsonValue[] | JsonObject | undefined,
    sink: CallSink,
    options: WaitOptions = {},
  ): Promise<JsonValue | undefined> {
    const call = rpcCall(method, params, options.timeout);
    return this.#wait<JsonValue | undefined>(method, options, (resolve, reject) => {
      /** Settles when everything that came so far has been taken; absent when it has. */
      let taking: Promise<void> | undefined;
      let answered = false;
      const fail = (thrown: unknown) => {
        const error = asTetherError(thrown);
        stream.reset(error);
        reject(error);
      };
      const take = (value: JsonValue, bytes: number) => {
        const taken = sink.onYield?.(value, bytes);
        if (!(taken instanceof Promise)) stream.consumed(bytes);
        else return taken.then(() => stream.consumed(bytes));
        return undefined;
      };
      const read = (text: string, bytes: number) => {
        const part = decodeAnswerPart(text);
        if (part?.kind === "yield") {
          if (taking === undefined) taking = take(part.value, bytes);
          else taking = taking.then(() => take(part.value, bytes));
          taking?.catch(fail);
          return;
        }
        stream.consumed(bytes);
        if (part?.kind === "progress") sink.onProgress?.(part.progress);
        if (part?.kind !== "answer") return;
        answered = true;
        const result = part.yields === undefined ? part.result : undefined;
        if (taking === undefined) resolve(result);
        else taking.then(() => resolve(result), fail);
      };
      const stream = this.#connection.session.open("call", encodeCall(1, call), true, {
        consumesDocuments: true,
        onDocument(text, bytes) {
          try {
            read(text, bytes);
          } catch (error) {
            answered = true;
            fail(error);
          }
        },
        onEnd() {
          if (!answered) reject(new TetherError("internal", `the agent gave no answer to ${method}`));
        },
        onReset: reject,
      });
      return stream;
    });
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
