import { type JsonValue, writeJson } from "../../protocol/index.ts";

/** A result as `tether call` prints it: a string as it is, anything else as JSON. */
export function valueText(value: JsonValue): string {
  return typeof value === "string" ? value : writeJson(value);
}
