import type { JsonValue } from "../../protocol/index.ts";
import type { Schema } from "./procedure.ts";

/** Characters of a value that a message shows. */
const SHOWN = 40;

/** A value as a message shows it: `"x", a string`; long ones are cut. */
export function describeValue(value: JsonValue): string {
  if (value === null) return "null";
  switch (typeof value) {
    case "string":
      return `${JSON.stringify(value.length > SHOWN ? `${value.slice(0, SHOWN)}…` : value)}, a string`;
    case "boolean":
      return `${value}, a boolean`;
    case "number":
      return `${value}, a number`;
    case "bigint": {
      if (value > 10n ** BigInt(SHOWN) || value < -(10n ** BigInt(SHOWN))) return "a long integer";
      return `${value}, an integer`;
    }
    default:
      return Array.isArray(value) ? `an array of ${value.length}` : "an object";
  }
}

const TYPES: { readonly [type: string]: string } = {
  string: "a string",
  number: "a number",
  integer: "an integer",
  boolean: "true or false",
  array: "an array",
  object: "an object",
  null: "null",
};

/** What a schema allows, in words; a schema that words do not cover is shown as it is, cut when long. */
export function describeSchema(schema: Schema): string {
  if (Array.isArray(schema.enum)) {
    return schema.enum.length === 1 ? show(schema.enum[0]) : `one of ${schema.enum.map(show).join(", ")}`;
  }
  if (schema.const !== undefined) return show(schema.const);
  if (schema.type === undefined) return Object.keys(schema).some(restricts) ? cut(show(schema)) : "anything";
  const types = Array.isArray(schema.type) ? schema.type : [schema.type];
  const words = types.map((type) => TYPES[String(type)] ?? String(type)).join(" or ");
  return [words, ...describeBounds(schema)].join(" ") + describeMembers(schema);
}

function restricts(keyword: string): boolean {
  return !["title", "description", "default", "examples", "variadic"].includes(keyword);
}

function describeBounds(schema: Schema): string[] {
  const words: string[] = [];
  const { minimum, maximum, minLength, maxLength, minItems, maxItems, pattern } = schema;
  if (minimum !== undefined && maximum !== undefined) words.push(`from ${show(minimum)} to ${show(maximum)}`);
  else if (minimum !== undefined) words.push(`of at least ${show(minimum)}`);
  else if (maximum !== undefined) words.push(`of at most ${show(maximum)}`);
  if (schema.exclusiveMinimum !== undefined) words.push(`above ${show(schema.exclusiveMinimum)}`);
  if (schema.exclusiveMaximum !== undefined) words.push(`below ${show(schema.exclusiveMaximum)}`);
  if (schema.multipleOf !== undefined) words.push(`in steps of ${show(schema.multipleOf)}`);
  if (minLength !== undefined) words.push(`of at least ${show(minLength)} characters`);
  if (maxLength !== undefined) words.push(`of at most ${show(maxLength)} characters`);
  if (minItems !== undefined) words.push(`of at least ${show(minItems)} members`);
  if (maxItems !== undefined) words.push(`of at most ${show(maxItems)} members`);
  if (pattern !== undefined) words.push(`matching ${String(pattern)}`);
  if (typeof schema.format === "string") words.push(`in the form of ${schema.format}`);
  return words;
}

function describeMembers({ items }: Schema): string {
  if (typeof items !== "object" || items === null || Array.isArray(items)) return "";
  const members = describeSchema(items);
  return members === "anything" ? "" : `, each member ${members}`;
}

function show(value: JsonValue | undefined): string {
  return JSON.stringify(value, (_key, member: unknown) =>
    typeof member === "bigint" ? String(member) : member,
  );
}

function cut(text: string): string {
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}

/** `1st`, `2nd`, `3rd`, `11th`. */
export function ordinal(number: number): string {
  const endings: { readonly [last: number]: string } = { 1: "st", 2: "nd", 3: "rd" };
  const teen = Math.floor((number % 100) / 10) === 1;
  return `${number}${(teen ? undefined : endings[number % 10]) ?? "th"}`;
}
