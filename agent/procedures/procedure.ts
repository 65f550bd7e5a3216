import type { CallProgress, JsonObject, JsonValue, Role } from "../../protocol/index.ts";

/** A JSON Schema (draft 2020-12) for one argument, one result or a whole parameter object. */
export type Schema = JsonObject;

/** Who calls, from where, with what role: the same for every front. */
export interface Caller {
  /** The controller's label, or the gateway's kind and address, for the log. */
  readonly label: string;
  readonly role: Role;
  /** Remote address, or the path of a Unix socket. */
  readonly origin: string;
  /** Which procedures a gateway lets through, by name; absent: all. Introspection is always let through. */
  readonly allows?: (name: string) => boolean;
}

/** Takes what comes before a call's result, where its front can pass that on. */
export interface CallOutlet {
  readonly onProgress: ((progress: CallProgress) => void) | undefined;
  /** Takes one of many results; a promise settles when the next may come. */
  readonly onYield: ((value: JsonValue) => Promise<void> | undefined) | undefined;
  /** Says that the results are those that are yielded, even if none is. */
  begin(): void;
}

/** What a running procedure may use. */
export interface CallContext {
  readonly caller: Caller;
  /** Aborts when the caller cancels, goes away, or the deadline passes; the reason is a TetherError. */
  readonly signal: AbortSignal;
  /** Absent where the caller gets nothing but the result. */
  readonly outlet?: CallOutlet | undefined;
}

/** Checked arguments by parameter name. */
export type Arguments = { readonly [name: string]: JsonValue };

/** One callable thing, whichever front calls it. */
export interface Procedure {
  /** Dotted name, `math.multiply`. */
  readonly name: string;
  /** One sentence. */
  readonly summary: string;
  /** Parameter name to JSON Schema, in positional order; one with `default` may be left out. */
  readonly parameters: { readonly [name: string]: Schema };
  /** True when the last parameter, whose schema is an array's, takes any number of positional arguments. */
  readonly variadic?: boolean;
  /** JSON Schema of the result. */
  readonly result: Schema;
  readonly role: Role;
  /** True when calling twice does no more than calling once. */
  readonly retryable: boolean;
  /** True when every gateway has it whatever it allows, because it shows or does only what is allowed. */
  readonly introspection?: boolean;
  /** Gives the result at once or as a promise; throws a TetherError. */
  run(args: Arguments, context: CallContext): JsonValue | Promise<JsonValue>;
}
