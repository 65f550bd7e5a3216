import {
  asTetherError,
  type ErrorCode,
  type JsonObject,
  type JsonValue,
  type Role,
  type TetherError,
} from "../../protocol/index.ts";
import type { GatewayConfiguration } from "../config/index.ts";
import { allowedBy, type Caller } from "../procedures/index.ts";
import { type CallScope, settleWithin } from "../server/index.ts";
import type { GatewayServices } from "./gateway.ts";

/** A call as a gateway's client has put it. */
export interface GatewayCall {
  readonly method: string;
  readonly params?: JsonValue | undefined;
  /** Milliseconds after which nobody waits for the result any more. */
  readonly timeoutMs?: number | undefined;
}

/** Introspection whose first argument is a procedure's name. */
const ABOUT_ONE = ["system.methodHelp", "system.methodSignature"];

/** The one way from a gateway to the registry: aliases, who may call what, the bound on calls, and the log. */
export class GatewayCalls {
  readonly #configuration: GatewayConfiguration;
  readonly #services: GatewayServices;
  readonly #allows: (name: string) => boolean;
  readonly #hasAliases: boolean;
  readonly #errors = new Map<ErrorCode, number>();
  #count = 0;

  constructor(configuration: GatewayConfiguration, services: GatewayServices) {
    this.#configuration = configuration;
    this.#services = services;
    this.#allows = allowedBy(configuration.allow);
    this.#hasAliases = Object.keys(configuration.aliases).length > 0;
  }

  /** Calls so far. */
  get count(): number {
    return this.#count;
  }

  /** Failed calls so far, by code. */
  get errors(): ReadonlyMap<ErrorCode, number> {
    return this.#errors;
  }

  /** Who calls: `label` for the log, and a role where it is not the gateway's own. */
  caller(label: string, origin: string, role: Role = this.#configuration.role): Caller {
    return { label, role, origin, allows: this.#allows };
  }

  /** Carries a call out, at once where the procedure does. Throws, or rejects with, a TetherError. */
  call(call: GatewayCall, scope: CallScope): JsonValue | Promise<JsonValue> {
    this.#count++;
    try {
      this.#services.calls.check();
      const { method, params } = this.#hasAliases ? this.#resolved(call) : call;
      const result = this.#services.registry.call(method, params, scope);
      if (!(result instanceof Promise)) return this.#shown(method, result);
      return this.#services.calls.pass(settleWithin(result, scope, call.timeoutMs)).then(
        (value) => this.#shown(method, value),
        (thrown: unknown) => {
          throw this.#noted(thrown, call.method, scope.caller);
        },
      );
    } catch (thrown) {
      throw this.#noted(thrown, call.method, scope.caller);
    }
  }

  /** Writes into the log what a client was refused before any procedure was called. */
  refuse(error: TetherError, address: string): void {
    const { kind } = this.#configuration;
    this.#services.refusals.note(
      "gateway-refused",
      `the ${kind} gateway refused: ${error.message}`,
      { kind, address, code: error.code },
      performance.now(),
    );
  }

  #noted(thrown: unknown, procedure: string, caller: Caller): TetherError {
    const error = asTetherError(thrown);
    this.#errors.set(error.code, (this.#errors.get(error.code) ?? 0) + 1);
    if (error.code === "forbidden") {
      const { label, role, origin } = caller;
      this.#services.refusals.note(
        "forbidden",
        `refused a call: ${error.message}`,
        { label, role, address: origin, procedure },
        performance.now(),
      );
    }
    return error;
  }

  /** The call by the procedures' own names, those inside a multicall or a question about one included. */
  #resolved({ method: called, params }: GatewayCall): GatewayCall {
    const method = this.nameOf(called);
    if (ABOUT_ONE.includes(method)) return { method, params: this.#aboutOne(params) };
    if (method === "system.multicall") return { method, params: this.#members(params) };
    return { method, params };
  }

  /** The procedure's own name that an alias stands for; any other name as it is. */
  nameOf(name: string): string {
    const { aliases } = this.#configuration;
    return (Object.hasOwn(aliases, name) ? aliases[name] : undefined) ?? name;
  }

  #aboutOne(params: JsonValue | undefined): JsonValue | undefined {
    if (Array.isArray(params)) {
      const [name, ...rest] = params;
      return typeof name === "string" ? [this.nameOf(name), ...rest] : params;
    }
    return isObject(params) ? this.#withName(params) : params;
  }

  #members(params: JsonValue | undefined): JsonValue | undefined {
    const renamed = (calls: JsonValue | undefined) =>
      Array.isArray(calls)
        ? calls.map((member) => (isObject(member) ? this.#withName(member) : member))
        : calls;
    if (Array.isArray(params)) {
      const [calls, ...rest] = params;
      return calls === undefined ? params : [renamed(calls) ?? null, ...rest];
    }
    if (!isObject(params) || params.calls === undefined) return params;
    return { ...params, calls: renamed(params.calls) ?? null };
  }

  #withName(about: JsonObject): JsonObject {
    const { methodName } = about;
    return typeof methodName === "string" ? { ...about, methodName: this.nameOf(methodName) } : about;
  }

  /** A list of names has the aliases too, as far as what they stand for is in it. */
  #shown(method: string, result: JsonValue): JsonValue {
    if (!this.#hasAliases || method !== "system.listMethods" || !Array.isArray(result)) return result;
    const names = new Set(result);
    const also = Object.entries(this.#configuration.aliases).flatMap(([alias, name]) =>
      names.has(name) && !names.has(alias) ? [alias] : [],
    );
    return [...result, ...also];
  }
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
