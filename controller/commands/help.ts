import { TetherError } from "../../protocol/index.ts";
import type { CommandContext } from "../command-context.ts";
import { table } from "../render/table.ts";
import type { OptionFacts } from "./index.ts";

/** `tether help`: the verbs, or one of them. */
export async function run(context: CommandContext): Promise<number> {
  const wanted = context.args.join(" ");
  const { verbs, options } = context.tables;
  const shown = Object.entries(verbs).filter(
    ([name]) => wanted === "" || name === wanted || name.startsWith(`${wanted} `),
  );
  if (shown.length === 0) {
    throw new TetherError("usage", `there is no verb "${wanted}"`, { hint: "`tether help` lists them" });
  }
  const lines = shown.map(([name, verb]) => [`tether ${name} ${verb.usage}`.trim(), verb.summary]);
  const own = new Set<string>(wanted === "" ? [] : shown.flatMap(([, verb]) => verb.options));
  const known = Object.entries(options);
  const rows = [
    ...known.filter(([name]) => own.has(name)),
    ...known.filter(([, option]) => option.global),
  ].map(([name, option]) => optionRow(name, option));
  context.stdout.write(`${table(undefined, lines)}\n\n${table(undefined, rows)}\n`);
  return 0;
}

function optionRow(name: string, { short, value, summary }: OptionFacts): string[] {
  return [`  ${short ? `-${short}, ` : ""}--${name}${value ? ` ${value}` : ""}`, summary];
}
