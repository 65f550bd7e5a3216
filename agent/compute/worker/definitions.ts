import {
  CALLS,
  COMPUTE,
  isRole,
  type JsonObject,
  type JsonValue,
  nearest,
  ROLES,
  TetherError,
  writeJson,
} from "../../../protocol/index.ts";
import { compilePlain, isSchema } from "../../procedures/plain-schema.ts";
import type { Schema } from "../../procedures/procedure.ts";
import type { Description } from "../messages.ts";
import type { ProcedureContext } from "../procedure-definition.ts";

/** A procedure as its file exports it, checked. */
export interface Definition extends Description {
  readonly run: (args: JsonObject, context: ProcedureContext) => unknown;
}

const KEYS = ["name", "summary", "parameters", "result", "role", "retryable", "run"];
const TYPES: readonly JsonValue[] = [
  "string",
  "number",
  "integer",
  "boolean",
  "null",
  "array",
  "object",
] satisfies JsonValue[];

/**
 * Reads what a file exports.
 *
 * @throws TetherError `invalid`: which procedure, what is wrong, what is allowed
 */
export function readDefinitions(module: { readonly [name: string]: unknown }): Definition[] {
  const { procedures } = module;
  if (!Array.isArray(procedures)) {
    throw new TetherError(
      "invalid",
      "no `export const procedures`; allowed: an array of {name, summary, parameters, result, role, retryable, run}",
    );
  }
  if (procedures.length > COMPUTE.proceduresPerFile) {
    throw new TetherError(
      "invalid",
      `${procedures.length} procedures; allowed: up to ${COMPUTE.proceduresPerFile}`,
    );
  }
  return procedures.map((value: unknown, index) => readDefinition(value, `procedures[${index}]`));
}

function readDefinition(value: unknown, where: string): Definition {
  if (typeof value !== "object" || value === null) throw wrong(where, "is no object", "{name, run, …}");
  const given = value as { readonly [key: string]: unknown };
  const odd = Object.keys(given).find((key) => !KEYS.includes(key));
  if (odd !== undefined) {
    const near = nearest(odd, KEYS);
    throw wrong(where, `has the unknown key "${odd}"`, near ?? KEYS.join(", "));
  }
  const {
    name,
    summary = "",
    parameters = {},
    result = {},
    role = "operator",
    retryable = false,
    run,
  } = given;
  if (typeof name !== "string") throw wrong(where, "has no name", "a text");
  if (name.length > CALLS.nameLength || !/^[^\s\p{C}]+$/u.test(name)) {
    throw wrong(
      where,
      "has a name that cannot be",
      `1 to ${CALLS.nameLength} characters without white space`,
    );
  }
  if (typeof summary !== "string" || summary.length > COMPUTE.summaryLength) {
    throw wrong(name, "has a summary that cannot be", `a text of up to ${COMPUTE.summaryLength} characters`);
  }
  if (!isRole(role)) throw wrong(name, "has a role that does not exist", ROLES.join(", "));
  if (typeof retryable !== "boolean") throw wrong(name, "has retryable that is neither", "true or false");
  if (typeof run !== "function") throw wrong(name, "has no run", "a function (args, context)");
  if (!isSchema(result as JsonValue)) throw wrong(name, "has a result that is no JSON Schema", "an object");
  if (!isSchema(parameters as JsonValue)) {
    throw wrong(name, "has parameters that are no object", "{PARAMETER: JSON Schema, …}");
  }
  const schemas = Object.entries(parameters as { [parameter: string]: unknown });
  for (const [parameter, schema] of schemas) checkSchema(name, parameter, schema);
  const last = schemas.at(-1)?.[1] as Schema | undefined;
  return {
    name,
    summary,
    parameters: parameters as { [parameter: string]: Schema },
    variadic: last?.variadic === true,
    result: result as Schema,
    role,
    retryable,
    run: (args, context) => (run as Definition["run"]).call(given, args, context),
  };
}

function checkSchema(name: string, parameter: string, schema: unknown): void {
  const which = `${name}: the parameter "${parameter}"`;
  if (!isSchema(schema as JsonValue)) throw wrong(which, "is no JSON Schema", "an object");
  const { type } = schema as Schema;
  for (const one of type === undefined ? [] : [type].flat()) {
    if (!TYPES.includes(one)) throw wrong(which, `has the type ${writeJson(one)}`, TYPES.join(", "));
  }
  try {
    writeJson(schema as Schema);
    compilePlain(schema as Schema);
  } catch (thrown) {
    throw wrong(which, `has a schema that cannot be used: ${(thrown as Error).message}`, "JSON Schema");
  }
}

function wrong(what: string, is: string, allowed: string): TetherError {
  return new TetherError("invalid", `${what} ${is}; allowed: ${allowed}`);
}
