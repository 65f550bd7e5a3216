import { TetherError } from "../../protocol/errors.ts";
import type { ValueSchema } from "../profile.ts";
import { type DeviceRecord, type DeviceValue, readValue } from "../value.ts";

/** What a line says to whoever looks for it; undefined when it is another line. */
export interface LineReader<Value> {
  /** The regular expression's source. */
  readonly source: string;
  /**
   * @param what names the reader in the error.
   * @throws TetherError `device-failed` when the line matches but has no value of the type.
   */
  read(line: string, what: string): Value | undefined;
}

/**
 * Reads the value in a named group, or the whole line, of lines that match.
 *
 * @throws TetherError `invalid` when `source` is no regular expression or has no such group.
 */
export function valueReader(
  source: string,
  group: string | undefined,
  type: ValueSchema["type"] = "string",
): LineReader<DeviceValue> {
  const expression = compile(source, group === undefined ? [] : [group]);
  return {
    source,
    read(line, what) {
      const match = expression.exec(line);
      if (!match) return undefined;
      return readValue(group === undefined ? line : (match.groups?.[group] ?? ""), type, what);
    },
  };
}

/**
 * Reads named groups, each as its type, of lines that match; a group that took no part is left out.
 *
 * @throws TetherError `invalid` when `source` is no regular expression or has not all of the groups.
 */
export function recordReader(
  source: string,
  fields: { readonly [group: string]: ValueSchema["type"] },
): LineReader<DeviceRecord> {
  const expression = compile(source, Object.keys(fields));
  return {
    source,
    read(line, what) {
      const groups = expression.exec(line)?.groups;
      if (!groups) return undefined;
      const record: DeviceRecord = {};
      for (const [group, type] of Object.entries(fields)) {
        const text = groups[group];
        if (text !== undefined) record[group] = readValue(text, type, `${what}, ${group}`);
      }
      return record;
    },
  };
}

/** A test for lines that match. Throws as {@link valueReader}. */
export function lineTest(source: string): (line: string) => boolean {
  const expression = compile(source, []);
  return (line) => expression.test(line);
}

function compile(source: string, wanted: readonly string[]): RegExp {
  let expression: RegExp;
  try {
    expression = new RegExp(source);
  } catch (thrown) {
    const reason = thrown instanceof Error ? thrown.message : String(thrown);
    throw new TetherError("invalid", reason, { cause: thrown });
  }
  // With an empty alternative it matches anything, so that its groups show.
  const groups = Object.keys(new RegExp(`${source}|`).exec("")?.groups ?? {});
  const strange = wanted.find((group) => !groups.includes(group));
  if (strange !== undefined) {
    const allowed = groups.length === 0 ? "it has no named group" : `its groups are ${groups.join(", ")}`;
    throw new TetherError("invalid", `result "${strange}" is no group of ${source}; ${allowed}`);
  }
  return expression;
}
