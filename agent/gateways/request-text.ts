import {
  asTetherError,
  isHttp,
  type JsonValue,
  parseJson,
  TetherError,
  writeJson,
} from "../../protocol/index.ts";
import type { GatewayCall } from "./gateway-calls.ts";

/** What a text request means: which procedure, unless the request names it first, and what its arguments are. */
export interface RequestMeaning {
  readonly call: string | undefined;
  readonly arguments: "words" | "text" | "json";
}

/** The record type and version with which TLS begins (RFC 8446 §5.1); no text begins so. */
const TLS = /^\x16\x03/;

/**
 * Reads one request.
 *
 * @throws TetherError `invalid` for one without a procedure's name or with arguments that are none; `limit`
 * for an integer of too many digits
 */
export function readRequest(text: string, meaning: RequestMeaning): GatewayCall {
  if (meaning.call !== undefined) {
    return { method: meaning.call, params: readArguments(text, meaning.arguments) };
  }
  const [, method, rest] = /^\s*(\S+)(?:\s([\s\S]*))?$/.exec(text) ?? [];
  if (method === undefined) {
    throw new TetherError("invalid", "a request names a procedure first, as in: math.multiply 6 7");
  }
  return { method, params: rest === undefined ? undefined : readArguments(rest, meaning.arguments) };
}

/** True when a connection's first request is one of HTTP or TLS: a browser that somebody's page has sent here. */
export function isOtherProtocol(request: string): boolean {
  return isHttp(request) || TLS.test(request);
}

/** An answer as text: a string as it is, anything else as JSON. Throws as `writeJson`. */
export function answerText(result: JsonValue): string {
  return typeof result === "string" ? result : writeJson(result);
}

/** A mistake as an answer: one line, whatever the message holds. */
export function errorText(thrown: unknown): string {
  const { code, message, hint } = asTetherError(thrown);
  const help = hint === undefined ? "" : ` (${hint})`;
  return `error: ${code}: ${message}${help}`.replace(/[\x00-\x1f\x7f-\x9f]+/g, " ");
}

function readArguments(text: string, kind: RequestMeaning["arguments"]): JsonValue | undefined {
  switch (kind) {
    case "text":
      return [text];
    case "words":
      return (text.match(/\S+/g) ?? []).map(wordValue);
    case "json": {
      if (text.trim() === "") return undefined;
      const value = parseJson(text);
      if (typeof value === "object" && value !== null) return value;
      throw new TetherError("invalid", "the arguments must be a JSON array or object");
    }
  }
}

/** What is valid JSON is that value, else a string. */
function wordValue(word: string): JsonValue {
  try {
    return parseJson(word);
  } catch (error) {
    // Digits too many for a number must not become a text in silence.
    if (asTetherError(error).code === "limit") throw error;
    return word;
  }
}
