import {
  CALLS,
  type JsonObject,
  type JsonValue,
  nearest,
  type Role,
  roleAllows,
  TetherError,
} from "../../protocol/index.ts";
import { ArgumentBinder } from "./arguments.ts";
import type { CallContext, Caller, Procedure, Schema } from "./procedure.ts";

/** A procedure as lists show it. A type, not an interface, so that it is a JsonObject. */
export type Listing = {
  name: string;
  summary: string;
  /** A JSON Schema object whose `properties` stand in positional order. */
  parameters: Schema;
  result: Schema;
  role: Role;
  /** True when calling twice does no more than calling once. */
  retryable: boolean;
};

interface Entry {
  readonly procedure: Procedure;
  readonly binder: ArgumentBinder;
}

/** The one table of what can be called. Every front calls through {@link Registry.call}. */
export class Registry {
  private readonly entries = new Map<string, Entry>();

  /**
   * @throws TetherError `exists` when the name is taken; `invalid` for a name or parameters that no front
   * could call.
   */
  add(procedure: Procedure): void {
    const { name } = procedure;
    if (name.length > CALLS.nameLength || !/^[^\s\p{C}]+$/u.test(name)) {
      throw new TetherError(
        "invalid",
        `procedure ${JSON.stringify(name.slice(0, CALLS.nameLength))}: a name has 1 to ${CALLS.nameLength} characters, none of them white space`,
      );
    }
    if (this.entries.has(name)) throw new TetherError("exists", `procedure ${name} is already registered`);
    const parameters = Object.keys(procedure.parameters);
    const odd = parameters.find(
      (parameter) => !/^[A-Za-z_][\w-]*$/.test(parameter) || parameter === "__proto__",
    );
    if (odd !== undefined) {
      throw new TetherError(
        "invalid",
        `procedure ${name}: parameter ${JSON.stringify(odd)}; allowed: letters, digits, _ and -, the first a letter or _`,
      );
    }
    if (procedure.variadic === true && procedure.parameters[parameters.at(-1) ?? ""]?.type !== "array") {
      throw new TetherError("invalid", `procedure ${name}: a variadic parameter has the type array`);
    }
    this.entries.set(name, { procedure, binder: new ArgumentBinder(procedure) });
  }

  /** Gives false when there was none of that name. Calls already running go on. */
  remove(name: string): boolean {
    return this.entries.delete(name);
  }

  get(name: string): Procedure | undefined {
    return this.entries.get(name)?.procedure;
  }

  /** The procedures whose names begin with `prefix`, sorted by name; only what `caller` is let through to, when given. */
  list(prefix = "", caller?: Caller): Listing[] {
    return this.visibleNames(caller)
      .filter((name) => name.startsWith(prefix))
      .sort()
      .map((name) => listingOf((this.entries.get(name) as Entry).procedure));
  }

  /**
   * Checks the caller and the arguments and runs the procedure. Gives the result at once when the procedure
   * does. Results are not checked against their schema: that is for readers and clients.
   *
   * @throws TetherError, or rejects with one: `not-found` with the nearest name as hint, `forbidden`,
   * `invalid` for arguments, and whatever the procedure throws.
   */
  call(name: string, params: JsonValue | undefined, context: CallContext): JsonValue | Promise<JsonValue> {
    const { procedure, binder } = this.admit(name, context.caller);
    const args = binder.bind(params);
    if (args instanceof Promise) return args.then((bound) => procedure.run(bound, context));
    return procedure.run(args, context);
  }

  /**
   * Checks like {@link call} and gives what runs the procedure: where this throws, nothing has been done.
   *
   * @throws TetherError `not-found`, `forbidden`, `invalid`
   */
  async prepare(
    name: string,
    params: JsonValue | undefined,
    caller: Caller,
  ): Promise<(context: CallContext) => JsonValue | Promise<JsonValue>> {
    const { procedure, binder } = this.admit(name, caller);
    const args = await binder.bind(params);
    return (context) => procedure.run(args, context);
  }

  /**
   * The procedure of that name as the caller may see it.
   *
   * @throws TetherError `not-found`; `forbidden` where a gateway does not let the caller through.
   */
  describe(name: string, caller: Caller): Listing {
    const entry = this.entries.get(name);
    if (entry === undefined) throw this.unknown(name, caller);
    if (!isVisible(entry.procedure, caller)) throw outsideGateway(name);
    return listingOf(entry.procedure);
  }

  private admit(name: string, caller: Caller): Entry {
    const entry = this.entries.get(name);
    if (entry === undefined) throw this.unknown(name, caller);
    authorize(entry.procedure, caller);
    return entry;
  }

  private unknown(name: string, caller: Caller): TetherError {
    const shown = name.length > CALLS.nameLength ? `${name.slice(0, CALLS.nameLength)}…` : name;
    // A hint must not tell what a list would hide.
    const visible = this.visibleNames(caller);
    const near = visible.find((known) => known.endsWith(`.${name}`)) ?? nearest(name, visible);
    return new TetherError("not-found", `no procedure ${JSON.stringify(shown)}`, {
      hint: near === undefined ? undefined : `did you mean ${near}?`,
    });
  }

  private visibleNames(caller: Caller | undefined): string[] {
    const names: string[] = [];
    for (const { procedure } of this.entries.values()) {
      if (caller === undefined || isVisible(procedure, caller)) names.push(procedure.name);
    }
    return names;
  }
}

function isVisible(procedure: Procedure, caller: Caller): boolean {
  return caller.allows === undefined || procedure.introspection === true || caller.allows(procedure.name);
}

function authorize(procedure: Procedure, caller: Caller): void {
  if (!isVisible(procedure, caller)) throw outsideGateway(procedure.name);
  if (roleAllows(caller.role, procedure.role)) return;
  throw new TetherError(
    "forbidden",
    `${procedure.name} needs the role ${procedure.role}; you have ${caller.role}`,
  );
}

function outsideGateway(name: string): TetherError {
  return new TetherError("forbidden", `${name} is not allowed here`, {
    hint: "see the gateway's allow list",
  });
}

function listingOf(procedure: Procedure): Listing {
  const properties: JsonObject = { ...procedure.parameters };
  const names = Object.keys(properties);
  const last = procedure.variadic === true ? names.at(-1) : undefined;
  if (last !== undefined) properties[last] = { ...procedure.parameters[last], variadic: true };
  const required = names.filter(
    (name) => name !== last && !Object.hasOwn(procedure.parameters[name] ?? {}, "default"),
  );
  return {
    name: procedure.name,
    summary: procedure.summary,
    parameters: { type: "object", properties, required, additionalProperties: false },
    result: procedure.result,
    role: procedure.role,
    retryable: procedure.retryable,
  };
}
