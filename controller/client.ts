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
  RECONNECT,
  type Role,
  type RpcCall,
  type Stream,
  type StreamHandlers,
  type StreamName,
  TetherError,
  writeJson,
} from "../protocol/index.ts";
import { type Connection, clock } from "./connection.ts";
import type { FirstSends } from "./first-sends.ts";

/** Milliseconds that a timer of Node's can wait; longer ones strike at once. */
const LONGEST_TIMER = 0x7fff_ffff;

/** The procedure that tells of all others. */
const DISCOVER = "rpc.discover";

/** How long to wait for something, and how to stop waiting. */
export interface WaitOptions {
  /** Milliseconds after which the call is given up, here and on the agent. */
  readonly timeout?: number;
  readonly signal?: AbortSignal;
}

/** How to call. */
export interface CallOptions extends WaitOptions {
  /**
   * Makes the call happen once, however often it is sent: within an hour, the same procedure with the same
   * arguments and key gives the first result again. A text of at most 256 bytes.
   */
  readonly key?: string;
}

/** How a client comes back to its agent. */
export interface ReturnOptions {
  /** Connects to the same agent again; undefined: a lost connection is not made again. */
  readonly connect: ((signal: AbortSignal) => Promise<Connection>) | undefined;
  /** The controller's own folder, where keys of calls are remembered; undefined: nowhere. */
  readonly folder: string | undefined;
}

/** Which start of the agent a keyed call was first sent to, and when, by {@link clock}. */
interface FirstTime {
  readonly instance: string;
  readonly at: number;
}

/** A call that may be sent several times. */
interface Request {
  readonly call: RpcCall;
  /** Until when somebody waits, by {@link clock}. */
  readonly deadline: number | undefined;
  readonly signal: AbortSignal | undefined;
  /** Of a keyed call, once it is known. */
  first: FirstTime | undefined;
  sends: number;
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

/**
 * A connection to one paired agent. When it is lost while a call is under way that may be sent again, it is made
 * anew; calls that may not be fail, and say so.
 */
export class Client {
  /** What this controller calls the agent. */
  readonly name: string;
  /** Settles when the connection has ended and is not made again, with the reason unless {@link close} ended it. */
  readonly closed: Promise<TetherError | undefined>;
  readonly #return: ReturnOptions | undefined;
  /** Who waits for an answer to a ping, which the end of the connection leaves unanswered. */
  readonly #pinging = new Set<(error: TetherError) => void>();
  readonly #closing = new AbortController();
  #firstSends: FirstSends | undefined;
  #connection: Connection;
  #settleClosed: (reason: TetherError | undefined) => void = () => undefined;
  /** The connection is being made again. */
  #returning: Promise<void> | undefined;
  /** Names of the procedures that may be called twice, as the agent tells by this connection. */
  #retryable: Promise<ReadonlySet<string>> | undefined;

  /** Without `options` a lost connection is not made again. */
  constructor(name: string, connection: Connection, options?: ReturnOptions) {
    this.name = name;
    this.#return = options;
    this.closed = new Promise((resolve) => {
      this.#settleClosed = resolve;
    });
    this.#connection = connection;
    this.#watch(connection);
  }

  /** What the agent said of itself; rejects when the connection ends before. */
  get hello(): Promise<Hello> {
    return this.#connection.hello;
  }

  /**
   * Calls a procedure; `params` by position or by name. Integers beyond 2^53 are bigint, both ways. Gives an array
   * where the procedure yields many results; `watch` is told of what comes before.
   *
   * When the connection is lost, a call with a key, or of a procedure that may be called twice, is sent again.
   *
   * @throws TetherError as the agent gave it, `timeout` or `cancelled` as asked for here, `unreachable` when the
   * connection ends before the result; the message says whether the call may have been carried out
   */
  call(
    method: string,
    params?: JsonValue[] | JsonObject,
    options: CallOptions = {},
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
   * yielded; a call with a key gives them all at the end. Once one was handed over the call is not sent again.
   * Throws as {@link call}, and what `sink` throws.
   */
  callStreaming(
    method: string,
    params: JsonValue[] | JsonObject | undefined,
    sink: CallSink,
    options: CallOptions = {},
  ): Promise<JsonValue | undefined> {
    const request = requestOf(rpcCall({ method, params, key: options.key }, options.timeout), options);
    return this.#send(request, sink);
  }

  /** Calls many procedures in one request; gives what became of each, in order. Throws as {@link call}. */
  batch(calls: readonly RpcCall[], options: WaitOptions = {}): Promise<Outcome[]> {
    const requests = calls.map((call) =>
      requestOf(rpcCall(call, call.timeoutMs ?? options.timeout), options),
    );
    return this.#sendBatch(requests, options);
  }

  /** True when the agent says that calling the procedure twice does no more than calling it once. */
  async isRetryable(method: string, options: WaitOptions = {}): Promise<boolean> {
    // What tells it may itself be cut off.
    if (method === DISCOVER) return true;
    const asked = this.#retryable;
    if (asked === undefined) {
      const asking = this.#discover(options).then(
        (methods) => new Set(methods.filter((one) => one["x-retryable"] === true).map(({ name }) => name)),
      );
      this.#retryable = asking;
      asking.catch(() => {
        if (this.#retryable === asking) this.#retryable = undefined;
      });
    }
    return (await (this.#retryable as Promise<ReadonlySet<string>>)).has(method);
  }

  /** What can be called, sorted by name; with `prefix` only what begins so. */
  async procedures(prefix = "", options: WaitOptions = {}): Promise<ProcedureDescription[]> {
    return (await this.#discover(options)).filter(({ name }) => name.startsWith(prefix)).map(describe);
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
    this.#closing.abort(new TetherError("unreachable", "the connection was closed"));
    this.#connection.close();
  }

  async #discover(options: WaitOptions): Promise<OpenRpcMethod[]> {
    const document = (await this.call(DISCOVER, [], options)) as { methods?: JsonValue };
    return (document.methods ?? []) as unknown as OpenRpcMethod[];
  }

  #watch(connection: Connection): void {
    this.#retryable = undefined;
    connection.closed.then((reason) => {
      const error = reason ?? new TetherError("unreachable", "the connection was closed");
      for (const reject of this.#pinging) reject(error);
      if (this.#returning === undefined) this.#settleClosed(reason);
    });
  }

  /** True while there is no connection, and one could be made. */
  get #isLost(): boolean {
    if (!this.#connection.session.isClosed || this.#closing.signal.aborted) return false;
    return this.#return?.connect !== undefined;
  }

  /** True when requests can be sent at once. A call with a key cannot before the agent's greeting has come. */
  #isReady(requests: readonly Request[]): boolean {
    if (requests.length === 0) return true;
    return (
      !this.#isLost && requests.every(({ call, first }) => call.key === undefined || first !== undefined)
    );
  }

  /** Waits until requests can be sent for the first time, and notes that they are. */
  async #prepare(requests: readonly Request[]): Promise<void> {
    const keyed = requests.filter(({ call, first }) => call.key !== undefined && first === undefined);
    for (;;) {
      // What was not sent yet may be, whatever it is.
      if (this.#isLost && this.#comesBack(connectionLost())) {
        const [one] = requests as readonly [Request];
        await waitUntil(this.#returning as Promise<void>, one).catch((error) => {
          throw one.sends > 0 ? outcomeUnknown(one, error) : notSent(one, error);
        });
      }
      if (keyed.length === 0) return;
      try {
        const { agent } = await waitUntil(this.hello, keyed[0] as Request);
        if (agent?.instance === undefined) {
          throw new TetherError("invalid", `${this.name} is too old for calls with a key`, {
            hint: "update Tether there",
          });
        }
        await this.#noteFirst(keyed, agent.id, agent.instance);
        return;
      } catch (error) {
        if (!this.#isLost || !this.#comesBack(asTetherError(error))) throw error;
      }
    }
  }

  async #noteFirst(requests: readonly Request[], agentId: string, instance: string): Promise<void> {
    const folder = this.#return?.folder;
    // Loaded for calls with a key alone: most have none.
    if (folder !== undefined && this.#firstSends === undefined) {
      const { FirstSends } = await import("./first-sends.ts");
      this.#firstSends ??= new FirstSends(folder);
    }
    for (const request of requests) {
      const { call } = request;
      const now = Date.now();
      const known = this.#firstSends?.note(agentId, call.key as string, instance, now);
      const age = known === undefined || known.isFirst ? 0 : Math.max(1, now - known.at);
      request.first = { instance: known?.instance ?? instance, at: clock() - age };
      if (age > 0) request.sends++;
    }
  }

  #send(request: Request, sink: CallSink): Promise<JsonValue | undefined> {
    if (!this.#isReady([request])) return this.#prepare([request]).then(() => this.#send(request, sink));
    const { method } = request.call;
    const call = sendable(request);
    return this.#wait<JsonValue | undefined>(method, waitOf(request), (resolve, reject) => {
      /** Settles when everything that came so far has been taken; absent when it has. */
      let taking: Promise<void> | undefined;
      let answered = false;
      let yielded = false;
      const { session } = this.#connection;
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
          yielded = true;
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
      const stream = session.open("call", encodeCall(1, call), true, {
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
        onReset: (error) => {
          if (!session.isClosed) reject(error);
          else if (yielded || session.isDismissed || !this.#comesBack(error)) {
            reject(outcomeUnknown(request, error));
          } else this.#sendAgain(request, sink, error).then(resolve, reject);
        },
      });
      return stream;
    });
  }

  async #sendAgain(request: Request, sink: CallSink, lost: TetherError): Promise<JsonValue | undefined> {
    const refusal = (await this.#again([request], lost)).get(request);
    if (refusal !== undefined) throw refusal;
    return this.#send(request, sink);
  }

  #sendBatch(requests: readonly Request[], options: WaitOptions): Promise<Outcome[]> {
    if (!this.#isReady(requests)) {
      return this.#prepare(requests).then(() => this.#sendBatch(requests, options));
    }
    const decode = (text: string) =>
      decodeBatch(text, requests.length).map((outcome) =>
        outcome instanceof TetherError ? { error: outcome } : outcome,
      );
    return this.#ask(
      `a batch of ${requests.length} calls`,
      () => encodeBatch(requests.map(sendable)),
      decode,
      { ...options, ...(requests[0] && waitOf(requests[0])) },
      (error) => this.#batchAgain(requests, options, error),
    );
  }

  /** Sends those members of a batch again that may be; the others fail. */
  async #batchAgain(
    requests: readonly Request[],
    options: WaitOptions,
    lost: TetherError,
  ): Promise<Outcome[]> {
    const refused = await this.#again(requests, lost);
    const again = requests.filter((request) => !refused.has(request));
    const outcomes = again.length === 0 ? [] : await this.#sendBatch(again, options);
    return requests.map((request) => {
      const error = refused.get(request);
      return error === undefined ? (outcomes.shift() as Outcome) : { error };
    });
  }

  /** Waits until the lost connection stands again; gives those requests that may not be sent twice, and why. */
  async #again(requests: readonly Request[], lost: TetherError): Promise<ReadonlyMap<Request, TetherError>> {
    const [one] = requests as [Request];
    const refused = new Map<Request, TetherError>();
    try {
      await waitUntil(this.#returning ?? Promise.resolve(), one);
      for (const request of requests) {
        const { key, method } = request.call;
        const may = key !== undefined || (await this.isRetryable(method, waitOf(request)));
        if (!may || ++request.sends >= RECONNECT.sends) refused.set(request, outcomeUnknown(request, lost));
      }
    } catch (thrown) {
      throw outcomeUnknown(one, asTetherError(thrown));
    }
    return refused;
  }

  /** True when the connection that was lost is made again, from now on if not already. */
  #comesBack(lost: TetherError): boolean {
    const connect = this.#return?.connect;
    if (connect === undefined || this.#closing.signal.aborted || lost.code !== "unreachable") return false;
    this.#returning ??= this.#comeBack(connect);
    // Who waits for it is told.
    this.#returning.catch(() => undefined);
    return true;
  }

  async #comeBack(connect: (signal: AbortSignal) => Promise<Connection>): Promise<void> {
    try {
      const { connectAgain } = await import("./reconnection.ts");
      const connection = await connectAgain(connect, this.#closing.signal);
      this.#connection = connection;
      this.#returning = undefined;
      this.#watch(connection);
    } catch (thrown) {
      this.#returning = undefined;
      const error = asTetherError(thrown);
      this.#settleClosed(this.#closing.signal.aborted ? undefined : error);
      throw error;
    }
  }

  /**
   * Sends one document on a stream of kind `call` and reads the one that answers it. `again` gives the answer
   * where the connection is lost and made anew.
   */
  #ask<T>(
    what: string,
    encode: () => string,
    decode: (text: string) => T,
    options: WaitOptions,
    again: (error: TetherError) => Promise<T>,
  ): Promise<T> {
    return this.#wait(what, options, (resolve, reject) => {
      let answered = false;
      const { session } = this.#connection;
      return session.open("call", encode(), true, {
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
        onReset: (error) => {
          if (!session.isClosed || session.isDismissed || !this.#comesBack(error)) reject(error);
          else again(error).then(resolve, reject);
        },
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

function rpcCall(
  { method, params, key }: { method: string; params?: JsonValue | undefined; key?: string | undefined },
  timeout: number | undefined,
): RpcCall {
  return {
    method,
    ...(params !== undefined && { params }),
    ...(timeout !== undefined && { timeoutMs: milliseconds(timeout) }),
    ...(key !== undefined && { key }),
  };
}

function milliseconds(timeout: number): number {
  return Math.min(Math.max(1, Math.round(timeout)), CALLS.longestTimeout);
}

function requestOf(call: RpcCall, { timeout, signal }: WaitOptions): Request {
  const deadline = timeout === undefined ? undefined : clock() + timeout;
  return { call, deadline, signal, first: undefined, sends: 0 };
}

/** The call as it is sent now: the first time as it is, later with less time and with how it was first sent. */
function sendable({ call, deadline, first, sends }: Request): RpcCall {
  if (first === undefined && sends === 0) return call;
  return {
    ...call,
    ...(call.timeoutMs !== undefined &&
      deadline !== undefined && { timeoutMs: Math.min(call.timeoutMs, milliseconds(deadline - clock())) }),
    ...(first && {
      since: {
        instance: first.instance,
        ms: sends === 0 ? 0 : Math.max(1, Math.round(clock() - first.at)),
      },
    }),
  };
}

/** What is left of the time that a request has. */
function waitOf({ deadline, signal }: Request): WaitOptions {
  return {
    ...(deadline !== undefined && { timeout: Math.max(1, Math.ceil(deadline - clock())) }),
    ...(signal && { signal }),
  };
}

/** Waits for something that the request needs, no longer than it has time. */
function waitUntil<T>(what: Promise<T>, request: Request): Promise<T> {
  const { timeout, signal } = waitOf(request);
  if (timeout === undefined && signal === undefined) return what;
  return new Promise((resolve, reject) => {
    const onAbort = () => finish(() => reject(asTetherError(signal?.reason)));
    const timer =
      timeout === undefined
        ? undefined
        : setTimeout(
            () =>
              finish(() =>
                reject(new TetherError("timeout", `no connection in time to call ${request.call.method}`)),
              ),
            Math.min(timeout, LONGEST_TIMER),
          );
    const finish = (settle: () => void) => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
      settle();
    };
    if (signal?.aborted) {
      onAbort();
      return;
    }
    signal?.addEventListener("abort", onAbort);
    what.then(
      (value) => finish(() => resolve(value)),
      (error) => finish(() => reject(error)),
    );
  });
}

function connectionLost(): TetherError {
  return new TetherError("unreachable", "the connection was lost");
}

function notSent({ call }: Request, error: TetherError): TetherError {
  if (error.code !== "unreachable") return error;
  return new TetherError(error.code, `${call.method} was not called: ${error.message}`, {
    hint: "is the agent running? `tether discover` shows who answers",
  });
}

function outcomeUnknown({ call: { method, key } }: Request, error: TetherError): TetherError {
  const { code, message } = error;
  if (code !== "unreachable" && code !== "timeout") return error;
  return new TetherError(
    code,
    `the connection was lost while ${method} was called, and whether it was carried out is not known: ${message}`,
    {
      hint:
        key === undefined
          ? "look whether it has had its effect; a call with a key is safe to repeat"
          : "call again with the same key for its outcome",
    },
  );
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
  readonly "x-retryable"?: boolean;
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
