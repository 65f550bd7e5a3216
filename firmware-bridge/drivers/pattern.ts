import { TetherError } from "../../protocol/errors.ts";
import type { ValueSchema } from "../profile.ts";
import { type DeviceValue, readValue } from "../value.ts";

/** A regular expression over a line, and which part of what it matches is the value. */
export class LinePattern {
  readonly source: string;
  readonly #expression: RegExp;
  readonly #group: string | undefined;
  readonly #type: ValueSchema["type"];

  /** @throws TetherError `invalid` when it is no regular expression or has no such group. */
  constructor(source: string, group: string | undefined, type: ValueSchema["type"] = "string") {
    this.source = source;
    this.#group = group;
    this.#type = type;
    try {
      this.#expression = new RegExp(source);
    } catch (thrown) {
      const reason = thrown instanceof Error ? thrown.message : String(thrown);
      throw new TetherError("invalid", reason, { cause: thrown });
    }
    // With an empty alternative it matches anything, so that its groups show.
    const groups = Object.keys(new RegExp(`${source}|`).exec("")?.groups ?? {});
    if (group !== undefined && !groups.includes(group)) {
      const allowed = groups.length === 0 ? "it has no named group" : `its groups are ${groups.join(", ")}`;
      throw new TetherError("invalid", `result "${group}" is no group of ${source}; ${allowed}`);
    }
  }

  matches(line: string): boolean {
    return this.#expression.test(line);
  }

  /**
   * The value in a line that matches, undefined when it does not match.
   *
   * @throws TetherError `device-failed` when it matches but has no value of the type.
   */
  read(line: string, what: string): DeviceValue | undefined {
    const match = this.#expression.exec(line);
    if (!match) return undefined;
    return readValue(
      this.#group === undefined ? line : (match.groups?.[this.#group] ?? ""),
      this.#type,
      what,
    );
  }
}
