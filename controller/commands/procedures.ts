import type { JsonObject, JsonValue } from "../../protocol/index.ts";
import { expectArguments } from "../arguments.ts";
import type { ProcedureDescription } from "../client.ts";
import type { CommandContext } from "../command-context.ts";
import { onAgents } from "../on-agents.ts";
import { table } from "../render/table.ts";

/** `tether procedures`: what can be called. */
export async function run(context: CommandContext): Promise<number> {
  expectArguments(context, 0, 1);
  return onAgents(context, {
    work: async (client) =>
      (await client.procedures(context.args[0], { signal: context.signal })) as unknown as JsonValue,
    render: (list) =>
      table(
        ["PROCEDURE", "ROLE", "SUMMARY"],
        (list as unknown as ProcedureDescription[]).map((one) => [signature(one), one.role, one.summary]),
      ),
  });
}

/** `math.multiply A B`, an optional argument in brackets, a variadic one with dots. */
function signature({ name, parameters }: ProcedureDescription): string {
  const properties = (parameters.properties ?? {}) as JsonObject;
  const required = (parameters.required ?? []) as JsonValue[];
  const words = Object.entries(properties).map(([parameter, schema]) => {
    const word = parameter.toUpperCase();
    if ((schema as JsonObject).variadic === true) return `[${word}…]`;
    return required.includes(parameter) ? word : `[${word}]`;
  });
  return [name, ...words].join(" ");
}
