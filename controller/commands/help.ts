import { TetherError } from "../../protocol/index.ts";
import type { CommandContext } from "../command-context.ts";
import { table } from "../render/table.ts";
import { OPTIONS, type OptionName, optionFacts, VERBS, type Verb } from "./index.ts";

/** `tether help`: the verbs, or one of them. */
export async function run(context: CommandContext): Promise<number> {
  const wanted = context.args.join(" ");
  const verbs = Object.entries(VERBS) as [string, Verb][];
  const shown = verbs.filter(([name]) => wanted === "" || name === wanted || name.startsWith(`${wanted} `));
  if (shown.length === 0) {
    throw new TetherError("usage", `there is no verb "${wanted}"`, { hint: "`tether help` lists them" });
  }
  const lines = shown.map(([name, verb]) => [`tether ${name} ${verb.usage}`.trim(), verb.summary]);
  const names = Object.keys(OPTIONS) as OptionName[];
  const own =
    wanted === "" ? [] : names.filter((name) => shown.some(([, verb]) => verb.options.includes(name)));
  const everywhere = names.filter((name) => OPTIONS[name].global);
  context.stdout.write(
    `${table(undefined, lines)}\n\n${table(undefined, [...own, ...everywhere].map(optionRow))}\n`,
  );
  return 0;
}

function optionRow(name: OptionName): string[] {
  const { short, value, summary } = optionFacts(name);
  return [`  ${short ? `-${short}, ` : ""}--${name}${value ? ` ${value}` : ""}`, summary];
}
