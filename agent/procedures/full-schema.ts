import { Validator } from "@cfworker/json-schema";
import { type JsonValue, TetherError } from "../../protocol/index.ts";
import { type Check, isSchema } from "./plain-schema.ts";
import type { Schema } from "./procedure.ts";

/**
 * A check for any schema of draft 2020-12, by a library. Loaded when the first schema needs it.
 *
 * The library does not know bigint, so a long integer is checked as the nearest double: a bound beyond 2^53
 * is exact to a double's precision only.
 */
export function compileFull(schema: Schema): Check {
  // The library writes its own members into the schema that it gets.
  const validator = new Validator(structuredClone(schema), "2020-12");
  return (value) => {
    const { valid, errors } = validated(validator, hasBigint(value) ? withoutBigint(value) : value);
    if (valid) return undefined;
    // Below a choice the places belong to one branch each, and none of them is the mistake.
    const choice = errors.find((error) => ["anyOf", "oneOf", "not", "if"].includes(error.keyword));
    const found = choice ?? errors.at(-1);
    return locate(schema, value, found?.instanceLocation ?? "#");
  };
}

function validated(validator: Validator, value: JsonValue) {
  try {
    return validator.validate(value);
  } catch (error) {
    // The library writes places as URIs, which carry no lone surrogates.
    if (!(error instanceof URIError)) throw error;
    throw new TetherError("invalid", "an argument has a key that is not well-formed Unicode", {
      cause: error,
    });
  }
}

/** The breach at a JSON pointer in a URI fragment (RFC 6901 §6), with the schema that stands there. */
function locate(schema: Schema, value: JsonValue, pointer: string) {
  const path: (string | number)[] = [];
  let part: JsonValue | undefined = value;
  let partSchema: JsonValue | undefined = schema;
  for (const step of pointer.split("/").slice(1)) {
    const key = decodeURIComponent(step).replaceAll("~1", "/").replaceAll("~0", "~");
    if (Array.isArray(part)) {
      path.push(Number(key));
      part = part[Number(key)];
      const position: JsonValue | undefined = isSchema(partSchema) ? partSchema.prefixItems : undefined;
      partSchema =
        (Array.isArray(position) ? position[Number(key)] : undefined) ?? member(partSchema, "items");
    } else {
      path.push(key);
      part = isSchema(part) ? part[key] : undefined;
      partSchema =
        member(member(partSchema, "properties"), key) ?? member(partSchema, "additionalProperties");
    }
  }
  return { path, value: part ?? null, schema: isSchema(partSchema) ? partSchema : schema };
}

function member(schema: JsonValue | undefined, key: string): JsonValue | undefined {
  return isSchema(schema) && Object.hasOwn(schema, key) ? schema[key] : undefined;
}

/** The value with each bigint as the nearest double. */
function withoutBigint(value: JsonValue): JsonValue {
  if (typeof value === "bigint") {
    return Math.max(-Number.MAX_VALUE, Math.min(Number.MAX_VALUE, Number(value)));
  }
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(withoutBigint);
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, withoutBigint(inner)]));
}

function hasBigint(value: JsonValue): boolean {
  if (typeof value === "bigint") return true;
  if (typeof value !== "object" || value === null) return false;
  return Object.values(value).some(hasBigint);
}
