import type { JsonValue } from "../../protocol/index.ts";
import type { Schema } from "./procedure.ts";

/** Where a value breaks its schema: the path inside it, the part found there and the schema of that part. */
export interface Breach {
  readonly path: readonly (string | number)[];
  readonly value: JsonValue;
  readonly schema: Schema;
}

/** Undefined when the value is allowed. */
export type Check = (value: JsonValue) => Breach | undefined;

/** Keywords that say nothing about what is allowed. */
const ANNOTATIONS = new Set([
  "title",
  "description",
  "default",
  "examples",
  "contentEncoding",
  "contentMediaType",
  "variadic",
]);

/**
 * A check for a schema of the plain kind that built-in procedures and device commands have: type, enum of
 * scalars, bounds of numbers, lengths and pattern of strings, uniform arrays. Integers are exact, bigint
 * counts as integer and number.
 *
 * Undefined when the schema has anything else in it: that is the library's.
 */
export function compilePlain(schema: Schema): Check | undefined {
  const tests: ((value: JsonValue) => boolean)[] = [];
  let members: Check | undefined;
  for (const [keyword, operand] of Object.entries(schema)) {
    if (ANNOTATIONS.has(keyword)) continue;
    if (keyword === "items") {
      members = isSchema(operand) ? compilePlain(operand) : undefined;
      if (members === undefined) return undefined;
      continue;
    }
    const keywordTest = compileKeyword(keyword, operand);
    if (keywordTest === undefined) return undefined;
    tests.push(keywordTest);
  }
  const [first, second] = tests;
  if (members === undefined && second === undefined) {
    if (first === undefined) return () => undefined;
    return (value) => (first(value) ? undefined : { path: [], value, schema });
  }
  return (value) => {
    for (const passes of tests) if (!passes(value)) return { path: [], value, schema };
    if (members !== undefined && Array.isArray(value)) {
      for (let index = 0; index < value.length; index++) {
        const breach = members(value[index] as JsonValue);
        if (breach !== undefined) return { ...breach, path: [index, ...breach.path] };
      }
    }
    return undefined;
  };
}

/** True for a schema that is an object. */
export function isSchema(value: JsonValue | undefined): value is Schema {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function compileKeyword(keyword: string, operand: JsonValue): ((value: JsonValue) => boolean) | undefined {
  switch (keyword) {
    case "type": {
      if (!Array.isArray(operand)) return typeof operand === "string" ? TYPE_TESTS[operand] : undefined;
      const tests = operand.map((type) => (typeof type === "string" ? TYPE_TESTS[type] : undefined));
      if (tests.includes(undefined)) return undefined;
      return (value) => tests.some((passes) => passes?.(value));
    }
    case "enum":
      if (
        !Array.isArray(operand) ||
        operand.some((member) => typeof member === "object" && member !== null)
      ) {
        return undefined;
      }
      return (value) => operand.includes(value);
    case "minimum":
      return ofNumber(operand, (bound) => (value) => !isNumeric(value) || value >= bound);
    case "maximum":
      return ofNumber(operand, (bound) => (value) => !isNumeric(value) || value <= bound);
    case "minLength":
      return ofNumber(operand, (bound) => (value) => typeof value !== "string" || characters(value) >= bound);
    case "maxLength":
      // No string has more characters than code units, which need no counting.
      return ofNumber(
        operand,
        (bound) => (value) =>
          typeof value !== "string" || value.length <= bound || characters(value) <= bound,
      );
    case "minItems":
      return ofNumber(operand, (bound) => (value) => !Array.isArray(value) || value.length >= bound);
    case "maxItems":
      return ofNumber(operand, (bound) => (value) => !Array.isArray(value) || value.length <= bound);
    case "pattern": {
      if (typeof operand !== "string") return undefined;
      const pattern = new RegExp(operand, "u");
      return (value) => typeof value !== "string" || pattern.test(value);
    }
    default:
      return undefined;
  }
}

const TYPE_TESTS: { readonly [type: string]: (value: JsonValue) => boolean } = {
  string: (value) => typeof value === "string",
  number: isNumeric,
  integer: (value) => Number.isInteger(value) || typeof value === "bigint",
  boolean: (value) => typeof value === "boolean",
  null: (value) => value === null,
  array: (value) => Array.isArray(value),
  object: (value) => typeof value === "object" && value !== null && !Array.isArray(value),
};

function isNumeric(value: JsonValue): value is number | bigint {
  return typeof value === "number" || typeof value === "bigint";
}

function ofNumber<T>(operand: JsonValue, build: (bound: number | bigint) => T): T | undefined {
  return isNumeric(operand) ? build(operand) : undefined;
}

/** Length in characters, as JSON Schema counts (validation §6.3.1): a surrogate pair is one. */
function characters(text: string): number {
  let count = 0;
  for (const _ of text) count++;
  return count;
}
