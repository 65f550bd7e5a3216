import type { CallProgress, JsonObject, JsonValue, Role } from "../../protocol/index.ts";

/** A JSON Schema as a procedure's file writes it. */
export interface ParameterSchema {
  readonly type?: string | readonly string[];
  readonly default?: unknown;
  readonly [keyword: string]: unknown;
}

/** The type of the values that a schema allows, as far as its `type` and `enum` tell. */
export type ValueOf<S> = S extends { readonly enum: readonly (infer Member)[] }
  ? Member
  : S extends { readonly type: infer Type }
    ? Type extends "string"
      ? string
      : Type extends "number" | "integer"
        ? // An integer beyond 2^53 comes as a bigint; `maximum` keeps it out.
          number
        : Type extends "boolean"
          ? boolean
          : Type extends "null"
            ? null
            : Type extends "array"
              ? S extends { readonly items: infer Items }
                ? ValueOf<Items>[]
                : JsonValue[]
              : Type extends "object"
                ? JsonObject
                : JsonValue
    : JsonValue;

/** What a running procedure may use. */
export interface ProcedureContext {
  /** Aborts when the caller cancels, goes away, or its time is over. Whoever does not stop then is stopped. */
  readonly signal: AbortSignal;
  /** Tells the caller how far the work is. May be called as often as one likes. */
  progress(progress: CallProgress): void;
  /** Writes a line to the agent's log. */
  log(message: string): void;
  /** Calls another procedure with the caller's role; `params` by position or by name. */
  call(name: string, params?: JsonValue[] | JsonObject): Promise<JsonValue>;
  /** The commands of the agent's devices: `devices.bench.led(1)` or `devices.bench.led({ state: 1 })`. */
  readonly devices: {
    readonly [device: string]: { readonly [command: string]: (...args: JsonValue[]) => Promise<JsonValue> };
  };
}

/** One procedure of a file. */
export interface ProcedureDefinition<
  P extends { readonly [name: string]: ParameterSchema } = { readonly [name: string]: ParameterSchema },
> {
  /** Dotted name, `readings.smooth`. */
  readonly name: string;
  /** One sentence. */
  readonly summary: string;
  /** Parameter name to JSON Schema, in positional order; one with `default` may be left out. */
  readonly parameters: P;
  /** JSON Schema of the result. */
  readonly result?: ParameterSchema;
  /** Who may call it; `operator` unless given. */
  readonly role?: Role;
  /** True when calling twice does no more than calling once. */
  readonly retryable?: boolean;
  /** Gives the result; a generator's yields are the stream of results. */
  run(args: { [Name in keyof P]: ValueOf<P[Name]> }, context: ProcedureContext): unknown;
}

/** Gives the definition back, and its arguments their types. */
export function procedure<const P extends { readonly [name: string]: ParameterSchema }>(
  definition: ProcedureDefinition<P>,
): ProcedureDefinition<P> {
  return definition;
}
