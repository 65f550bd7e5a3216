import { type JsonObject, type JsonValue, nearest, TetherError } from "../../protocol/index.ts";
import { type Breach, type Check, compilePlain } from "./plain-schema.ts";
import type { Arguments, Procedure, Schema } from "./procedure.ts";
import { describeSchema, describeValue, ordinal } from "./wording.ts";

/** Characters of an unknown argument's name that a message shows. */
const LONGEST_NAME = 64;

interface Parameter {
  readonly name: string;
  readonly schema: Schema;
  readonly hasDefault: boolean;
}

/** Turns what a caller sent into one procedure's arguments by name, complete and checked. */
export class ArgumentBinder {
  private readonly procedure: string;
  private readonly parameters: readonly Parameter[];
  private readonly names: ReadonlySet<string>;
  /** Parameters that take one positional argument each. */
  private readonly single: number;
  private readonly variadic: boolean;
  private checks: readonly Check[] | undefined;
  private compiling: Promise<void> | undefined;

  constructor(procedure: Procedure) {
    this.procedure = procedure.name;
    this.parameters = Object.entries(procedure.parameters).map(([name, schema]) => ({
      name,
      schema,
      hasDefault: Object.hasOwn(schema, "default"),
    }));
    this.names = new Set(this.parameters.map(({ name }) => name));
    this.variadic = procedure.variadic === true;
    this.single = this.parameters.length - (this.variadic ? 1 : 0);
  }

  /**
   * Binds an array by position or an object by name, fills defaults and checks each argument. At once, except
   * where a schema needs the library and it is not loaded yet.
   *
   * @throws TetherError `invalid`: which argument, what came, what is allowed.
   */
  bind(params: JsonValue | undefined): Arguments | Promise<Arguments> {
    const checks = this.checks ?? this.compile();
    if (checks === undefined) {
      this.compiling ??= this.compileWithLibrary();
      return this.compiling.then(() => this.bind(params));
    }
    if (params === undefined) return this.byPosition([], checks);
    if (Array.isArray(params)) return this.byPosition(params, checks);
    if (typeof params === "object" && params !== null) return this.byName(params, checks);
    throw this.invalid(`arguments came as ${describeValue(params)}; allowed: an array or an object`);
  }

  private byPosition(params: readonly JsonValue[], checks: readonly Check[]): Arguments {
    if (params.length > this.single && !this.variadic) {
      throw this.invalid(`got ${countOf(params.length)}; allowed: ${this.single} (${this.signature()})`);
    }
    const args: { [name: string]: JsonValue } = {};
    for (let index = 0; index < this.single; index++) {
      const parameter = this.parameters[index] as Parameter;
      args[parameter.name] =
        index < params.length
          ? this.checked(index, params[index] as JsonValue, checks)
          : this.defaultOf(parameter, index);
    }
    const last = this.variadic ? this.parameters[this.single] : undefined;
    if (last !== undefined) {
      const rest = params.slice(this.single);
      const breach = checks[this.single]?.(rest);
      if (breach !== undefined) throw this.breached(last, this.single, breach, true);
      args[last.name] = rest;
    }
    return args;
  }

  private byName(params: JsonObject, checks: readonly Check[]): Arguments {
    const args: { [name: string]: JsonValue } = {};
    const names = Object.keys(params);
    const unknown = names.find((name) => !this.names.has(name));
    if (unknown !== undefined) throw this.unknownName(unknown);
    for (let index = 0; index < this.parameters.length; index++) {
      const parameter = this.parameters[index] as Parameter;
      const value = Object.hasOwn(params, parameter.name) ? params[parameter.name] : undefined;
      if (value !== undefined) {
        args[parameter.name] = this.checked(index, value, checks);
      } else if (this.variadic && index === this.single && !parameter.hasDefault) {
        args[parameter.name] = [];
      } else {
        args[parameter.name] = this.defaultOf(parameter, index);
      }
    }
    return args;
  }

  private checked(index: number, value: JsonValue, checks: readonly Check[]): JsonValue {
    const breach = checks[index]?.(value);
    if (breach === undefined) return value;
    throw this.breached(this.parameters[index] as Parameter, index, breach, false);
  }

  private defaultOf(parameter: Parameter, index: number): JsonValue {
    if (!parameter.hasDefault) {
      const allowed = describeSchema(parameter.schema);
      throw this.invalid(
        `argument "${parameter.name}" (${ordinal(index + 1)}) is missing; allowed: ${allowed}`,
      );
    }
    const value = parameter.schema.default as JsonValue;
    return typeof value === "object" ? structuredClone(value) : value;
  }

  private breached(parameter: Parameter, index: number, breach: Breach, spread: boolean): TetherError {
    const [first, ...rest] = breach.path;
    const isMember = spread && typeof first === "number";
    const position = ordinal((isMember ? index + first : index) + 1);
    const steps = (isMember ? rest : breach.path).map((step) => `[${JSON.stringify(step)}]`).join("");
    const inside = steps === "" ? "" : ` at ${steps}`;
    const got =
      spread && breach.path.length === 0 ? countOf((breach.value as JsonValue[]).length) : undefined;
    return this.invalid(
      `argument "${parameter.name}" (${position})${inside}: got ${got ?? describeValue(breach.value)}; ` +
        `allowed: ${describeSchema(breach.schema)}`,
    );
  }

  private unknownName(name: string): TetherError {
    const shown = JSON.stringify(name.length > LONGEST_NAME ? `${name.slice(0, LONGEST_NAME)}…` : name);
    const near = nearest(name, [...this.names]);
    return this.invalid(
      `there is no argument ${shown}; allowed: ${this.signature()}`,
      near === undefined ? undefined : `did you mean ${near}?`,
    );
  }

  private signature(): string {
    const words = this.parameters.map(({ name }, index) => (index < this.single ? name : `${name}…`));
    return words.length === 0 ? "none" : words.join(", ");
  }

  private compile(): readonly Check[] | undefined {
    const checks: Check[] = [];
    for (const { name, schema } of this.parameters) {
      const check = this.guarded(name, () => compilePlain(schema));
      if (check === undefined) return undefined;
      checks.push(check);
    }
    this.checks = checks;
    return checks;
  }

  private async compileWithLibrary(): Promise<void> {
    // Loaded here, so that an agent whose procedures are all plain never pays for it.
    const { compileFull } = await import("./full-schema.ts");
    this.checks = this.parameters.map(({ name, schema }) =>
      this.guarded(name, () => compilePlain(schema) ?? compileFull(schema)),
    );
  }

  private guarded<T>(name: string, compile: () => T): T {
    try {
      return compile();
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new TetherError(
        "internal",
        `${this.procedure}: the schema of "${name}" cannot be used: ${reason}`,
        {
          cause: error,
        },
      );
    }
  }

  private invalid(what: string, hint?: string): TetherError {
    return new TetherError("invalid", `${this.procedure}: ${what}`, { hint });
  }
}

function countOf(count: number): string {
  return count === 1 ? "1 argument" : `${count} arguments`;
}
