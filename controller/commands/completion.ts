import { TetherError } from "../../protocol/index.ts";
import { expectArguments } from "../arguments.ts";
import type { CommandContext } from "../command-context.ts";
import type { OptionFacts } from "./index.ts";

type Tables = CommandContext["tables"];

const SHELLS: { readonly [shell: string]: (tables: Tables) => string } = { bash, zsh, fish };

/** `tether completion`: a script for a shell, to be read by `source <(tether completion bash)`. */
export async function run(context: CommandContext): Promise<number> {
  expectArguments(context, 1);
  const script = SHELLS[context.args[0] as string];
  if (script === undefined) {
    const shells = Object.keys(SHELLS).join(", ");
    throw new TetherError("usage", `no completion for ${context.args[0]}; allowed: ${shells}`);
  }
  context.stdout.write(script(context.tables));
  return 0;
}

/** Prints the names of the paired agents, one a line, in any shell. */
const AGENT_NAMES = `tether agents --json 2>/dev/null | grep -o '"name":"[^"]*"' | cut -d'"' -f4`;

/** First words, each once: `device list` begins with `device`. */
function firstWords({ verbs }: Tables): string[] {
  return [...new Set(Object.entries(verbs).map(([name]) => name.split(" ")[0] as string))];
}

/** Second words of the verbs that have two, by the first. */
function secondWords({ verbs }: Tables): Map<string, string[]> {
  const words = new Map<string, string[]>();
  for (const name of Object.keys(verbs)) {
    const [first = "", second] = name.split(" ");
    if (second !== undefined) words.set(first, [...(words.get(first) ?? []), second]);
  }
  return words;
}

function optionsOf(first: string, { verbs, options }: Tables): string[] {
  const own = Object.entries(verbs).flatMap(([name, verb]) =>
    name.split(" ")[0] === first ? verb.options : [],
  );
  const everywhere = Object.keys(options).filter((name) => options[name]?.global);
  return [...new Set([...own, ...everywhere])].map((name) => `--${name}`);
}

function bash(tables: Tables): string {
  const cases = firstWords(tables).map((first) => {
    const words = [...(secondWords(tables).get(first) ?? []), ...optionsOf(first, tables)];
    return `    ${first}) words="${words.join(" ")}" ;;`;
  });
  return `# tether completion for bash
_tether() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}" words=""
  case "$previous" in
    -a|--agent|use|forget) words="$(${AGENT_NAMES})" ;;
  esac
  if [ -z "$words" ]; then
    case "\${COMP_WORDS[1]}" in
${cases.map((line) => `  ${line}`).join("\n")}
      *) words="${firstWords(tables).join(" ")}" ;;
    esac
  fi
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _tether tether
`;
}

function zsh(tables: Tables): string {
  return `#compdef tether
# tether completion for zsh: the script for bash, through its compatibility layer
autoload -U +X compinit && compinit -u
autoload -U +X bashcompinit && bashcompinit
${bash(tables)}`;
}

function fish(tables: Tables): string {
  const verbs = Object.entries(tables.verbs);
  const lines = firstWords(tables).map((first) => {
    const summary = verbs.find(([name]) => name === first)?.[1].summary ?? "";
    return `complete -c tether -n __fish_use_subcommand -f -a ${first} -d ${quote(summary)}`;
  });
  for (const [first, seconds] of secondWords(tables)) {
    const condition = quote(`__fish_seen_subcommand_from ${first}`);
    lines.push(`complete -c tether -n ${condition} -f -a ${quote(seconds.join(" "))}`);
  }
  for (const [name, verb] of verbs) {
    const condition = quote(`__fish_seen_subcommand_from ${name.split(" ")[0]}`);
    for (const option of verb.options) {
      lines.push(`complete -c tether -n ${condition} ${fishOption(option, tables.options[option])}`);
    }
  }
  for (const [name, option] of Object.entries(tables.options)) {
    if (option.global) lines.push(`complete -c tether ${fishOption(name, option)}`);
  }
  lines.push(
    `complete -c tether -n '__fish_seen_subcommand_from use forget' -f -a "(${AGENT_NAMES.replaceAll('"', '\\"')})"`,
  );
  return `# tether completion for fish\n${lines.join("\n")}\n`;
}

function fishOption(name: string, option: OptionFacts | undefined): string {
  const { short, value, summary = "" } = option ?? {};
  return `${short ? `-s ${short} ` : ""}-l ${name}${value ? " -r" : ""} -d ${quote(summary)}`;
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "\\'")}'`;
}
