import { asTetherError, errorFromRpc, errorToRpc, TetherError } from "./errors.ts";
import { parseJson, writeJson } from "./exact-json.ts";
import type { JsonObject, JsonValue } from "./json.ts";
import { CALLS, KEYED_CALLS } from "./limits.ts";

/** Which agent a keyed call was first sent to, and when. A type, not an interface, so that it is a JsonObject. */
export type FirstSent = {
  /** The `instance` of its HELLO. */
  readonly instance: string;
  /** Milliseconds ago. */
  readonly ms: number;
};

/** One call as JSON-RPC 2.0 §4 has it, and members of ours, which others skip. */
export interface RpcCall {
  readonly method: string;
  /** By position or by name. */
  readonly params?: JsonValue;
  /** Milliseconds after which nobody waits for the result any more. */
  readonly timeoutMs?: number;
  /** Makes the call happen once, however often it is sent. */
  readonly key?: string;
  /** Only beside `key`. */
  readonly since?: FirstSent;
}

/** How far a call is. A type, not an interface, so that it is a JsonObject. */
export type CallProgress = {
  readonly done: number;
  /** What `done` will be at the end, where that is known. */
  readonly total?: number;
  readonly note?: string;
};

/** What comes before the answer to a call, and the answer; `yields` of one whose results came before it. */
export type AnswerPart =
  | { readonly kind: "progress"; readonly progress: CallProgress }
  | { readonly kind: "yield"; readonly value: JsonValue }
  | { readonly kind: "answer"; readonly result: JsonValue; readonly yields: number | undefined };

/** Names in HELLO of what a controller takes before the answer to a call. */
export const CALL_FEATURES = { progress: "progress", yields: "yields" } as const;

/**
 * Carries a call out; throws, or rejects with, a TetherError. `alone`: the call is no member of a batch and has
 * an answer, which something may come before.
 */
export type Dispatch = (call: RpcCall, alone: boolean) => JsonValue | Promise<JsonValue>;

/** Writes a notification (JSON-RPC 2.0 §4.1) that says how far a call is. */
export function encodeProgress(progress: CallProgress): string {
  return `{"jsonrpc":"2.0","method":"progress","params":${writeJson(progress)}}`;
}

/** Writes a notification that carries one of many results. */
export function encodeYield(value: JsonValue): string {
  return `{"jsonrpc":"2.0","method":"yield","params":{"value":${writeJson(value)}}}`;
}

/**
 * Reads a document of the answering side; undefined for a notification of another kind. Throws the error that
 * an answer carries.
 */
export function decodeAnswerPart(text: string): AnswerPart | undefined {
  const message = parseJson(text);
  if (!isObject(message) || typeof message.method !== "string" || message.id !== undefined) {
    const outcome = readOutcome(message);
    if (outcome instanceof TetherError) throw outcome;
    const yields = isObject(message) && typeof message.yields === "number" ? message.yields : undefined;
    return { kind: "answer", result: outcome.result, yields };
  }
  const params: JsonObject = isObject(message.params ?? null) ? (message.params as JsonObject) : {};
  if (message.method === "yield") return { kind: "yield", value: params.value ?? null };
  if (message.method !== "progress") return undefined;
  const { done, total, note } = params;
  if (typeof done !== "number") return undefined;
  const progress: CallProgress = {
    done,
    ...(typeof total === "number" && { total }),
    ...(typeof note === "string" && { note }),
  };
  return { kind: "progress", progress };
}

/** Writes one request. */
export function encodeCall(id: number, call: RpcCall): string {
  const params = call.params === undefined ? "" : `,"params":${writeJson(call.params)}`;
  const timeout = call.timeoutMs === undefined ? "" : `,"timeoutMs":${call.timeoutMs}`;
  const key = call.key === undefined ? "" : `,"key":${JSON.stringify(call.key)}`;
  const since = call.since === undefined ? "" : `,"since":${writeJson(call.since)}`;
  return `{"jsonrpc":"2.0","id":${id},"method":${JSON.stringify(call.method)}${params}${timeout}${key}${since}}`;
}

/** Writes a batch (JSON-RPC 2.0 §6); the ids are the positions. */
export function encodeBatch(calls: readonly RpcCall[]): string {
  return `[${calls.map((call, index) => encodeCall(index, call)).join(",")}]`;
}

/** Reads the answer to one request; throws the error that it carries. */
export function decodeAnswer(text: string): JsonValue {
  const outcome = readOutcome(parseJson(text));
  if (outcome instanceof TetherError) throw outcome;
  return outcome.result;
}

/** Reads the answer to a batch of `count` calls, in the order of the calls. */
export function decodeBatch(text: string, count: number): ({ result: JsonValue } | TetherError)[] {
  const answers = parseJson(text);
  if (!Array.isArray(answers)) {
    const outcome = readOutcome(answers);
    throw outcome instanceof TetherError ? outcome : new TetherError("internal", "a batch without an array");
  }
  const outcomes: ({ result: JsonValue } | TetherError)[] = Array.from(
    { length: count },
    () => new TetherError("internal", "the agent gave no answer to this call"),
  );
  for (const answer of answers) {
    const id = (answer as JsonObject | null)?.id;
    if (typeof id === "number" && id in outcomes) outcomes[id] = readOutcome(answer);
  }
  return outcomes;
}

function readOutcome(answer: JsonValue): { result: JsonValue } | TetherError {
  if (!isObject(answer)) return new TetherError("internal", "an answer that is no JSON-RPC response");
  if (answer.error !== undefined) return errorFromRpc(answer.error);
  if (answer.result === undefined)
    return new TetherError("internal", "an answer with neither result nor error");
  return { result: answer.result };
}

/**
 * Answers the text of a request or a batch; gives `undefined` where the standard wants no answer
 * (JSON-RPC 2.0 §4.1). Never throws: what goes wrong becomes an error response. Gives the answer at once when
 * `dispatch` does. `yields` tells, once a call that was alone has ended, how many results it gave before.
 */
export function answerCalls(
  text: string,
  dispatch: Dispatch,
  yields?: () => number | undefined,
): Promise<string | undefined> | string | undefined {
  let request: JsonValue;
  try {
    request = parseJson(text);
  } catch (error) {
    return errorAnswer(null, -32700, asTetherError(error));
  }
  if (!Array.isArray(request)) return answerOne(request, dispatch, true, yields);
  if (request.length === 0) return invalidRequest(null, "an empty batch");
  if (request.length > CALLS.batch) {
    return invalidRequest(null, `a batch of ${request.length} calls; allowed: at most ${CALLS.batch}`);
  }
  return answerBatch(request, dispatch);
}

/** Answers the members at the same time; together their answers have the bound of one result. */
async function answerBatch(requests: readonly JsonValue[], dispatch: Dispatch): Promise<string | undefined> {
  let bytes = 0;
  const keep = (request: JsonValue, answer: string | undefined): string | undefined => {
    if (answer === undefined) return undefined;
    bytes += Buffer.byteLength(answer);
    if (bytes <= CALLS.resultBytes) return answer;
    bytes -= Buffer.byteLength(answer);
    return callFailed(
      isObject(request) && isId(request.id) ? request.id : null,
      new TetherError("limit", `the results of the batch have more than ${CALLS.resultBytes} bytes`, {
        hint: "send fewer calls in one batch",
      }),
    );
  };
  const answers = await Promise.all(
    requests.map((request) => {
      const answer = answerOne(request, dispatch, false);
      return answer instanceof Promise ? answer.then((late) => keep(request, late)) : keep(request, answer);
    }),
  );
  const given = answers.filter((answer) => answer !== undefined);
  return given.length === 0 ? undefined : `[${given.join(",")}]`;
}

function answerOne(
  request: JsonValue,
  dispatch: Dispatch,
  alone: boolean,
  yields?: () => number | undefined,
): Promise<string | undefined> | string | undefined {
  if (!isObject(request)) return invalidRequest(null, "a request that is no object");
  const { jsonrpc, id, method, params, timeoutMs, key, since } = request;
  const known = isId(id);
  const answerId = known ? id : null;
  if (jsonrpc !== "2.0") return invalidRequest(answerId, 'a request without "jsonrpc": "2.0"');
  if (typeof method !== "string") return invalidRequest(answerId, 'a request whose "method" is no string');
  if (id !== undefined && !known) return invalidRequest(null, 'a request whose "id" is no string or number');
  if (params !== undefined && (typeof params !== "object" || params === null)) {
    return invalidRequest(answerId, '"params" must be an array or an object');
  }
  if (timeoutMs !== undefined && !isTimeout(timeoutMs)) {
    return invalidRequest(answerId, `"timeoutMs" must be a whole number from 1 to ${CALLS.longestTimeout}`);
  }
  if (key !== undefined && !isCallKey(key)) {
    return invalidRequest(answerId, `"key" must be a text of 1 to ${KEYED_CALLS.keyBytes} bytes`);
  }
  if (since !== undefined && !isFirstSent(since)) {
    return invalidRequest(answerId, '"since" must be {"instance": a text, "ms": a number from 0}');
  }
  const call: RpcCall =
    params === undefined && timeoutMs === undefined && key === undefined
      ? { method }
      : {
          method,
          ...(params !== undefined && { params }),
          ...(timeoutMs !== undefined && { timeoutMs }),
          ...(key !== undefined && { key }),
          ...(since !== undefined && { since }),
        };
  const wanted = id !== undefined;
  try {
    const result = dispatch(call, alone && wanted);
    if (result instanceof Promise) {
      return result.then(
        (value) => (wanted ? resultAnswer(id, value, yields?.()) : undefined),
        (error) => (wanted ? callFailed(id, error) : undefined),
      );
    }
    return wanted ? resultAnswer(id, result) : undefined;
  } catch (error) {
    return wanted ? callFailed(id, error) : undefined;
  }
}

function isId(value: JsonValue | undefined): value is string | number | bigint | null {
  return (
    typeof value === "string" || typeof value === "number" || typeof value === "bigint" || value === null
  );
}

/** True for what may be the key of a call: a text of 1 to `KEYED_CALLS.keyBytes` bytes. */
export function isCallKey(value: JsonValue): value is string {
  return typeof value === "string" && value !== "" && Buffer.byteLength(value) <= KEYED_CALLS.keyBytes;
}

function isFirstSent(value: JsonValue): value is FirstSent {
  if (!isObject(value)) return false;
  const { instance, ms } = value;
  return typeof instance === "string" && typeof ms === "number" && ms >= 0;
}

function isTimeout(value: JsonValue): value is number {
  return typeof value === "number" && Number.isInteger(value) && value > 0 && value <= CALLS.longestTimeout;
}

function resultAnswer(id: JsonValue, result: JsonValue, yields?: number): string {
  try {
    const more = yields === undefined ? "" : `,"yields":${yields}`;
    const text = `{"jsonrpc":"2.0","id":${writeJson(id)},"result":${writeJson(result)}${more}}`;
    // No character of UTF-16 takes more than three bytes, so that most texts need not be counted.
    if (3 * text.length <= CALLS.resultBytes || Buffer.byteLength(text) <= CALLS.resultBytes) return text;
    return callFailed(id, new TetherError("limit", `the result has more than ${CALLS.resultBytes} bytes`));
  } catch (error) {
    return callFailed(id, error);
  }
}

function callFailed(id: JsonValue, thrown: unknown): string {
  const error = errorToRpc(asTetherError(thrown));
  return `{"jsonrpc":"2.0","id":${writeJson(id)},"error":${JSON.stringify(error)}}`;
}

/** JSON-RPC 2.0 §5.1: -32600, the JSON is no valid request. */
function invalidRequest(id: JsonValue, message: string): string {
  return errorAnswer(id, -32600, new TetherError("invalid", message));
}

function errorAnswer(id: JsonValue, code: number, error: TetherError): string {
  const shape = { ...errorToRpc(error), code };
  return `{"jsonrpc":"2.0","id":${writeJson(id)},"error":${JSON.stringify(shape)}}`;
}

function isObject(value: JsonValue): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
