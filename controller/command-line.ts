import { type ParseArgsConfig, parseArgs } from "node:util";
import { nearest, TetherError } from "../protocol/index.ts";
import { OPTIONS, type OptionName, optionFacts, VERBS, type Verb } from "./commands/index.ts";

/** A command line that has been read. */
export interface CommandLine {
  readonly verb: Verb;
  readonly verbName: string;
  /** The verb's arguments, those after `--` among them. */
  readonly args: readonly string[];
  readonly options: Options;
}

/** The options given; a flag is `""`. */
export class Options {
  readonly #values = new Map<OptionName, string[]>();

  /** Notes one occurrence. */
  add(name: OptionName, value: string): void {
    this.#values.set(name, [...(this.#values.get(name) ?? []), value]);
  }

  /** True when the option was given. */
  has(name: OptionName): boolean {
    return this.#values.has(name);
  }

  /** The last value given. */
  get(name: OptionName): string | undefined {
    return this.#values.get(name)?.at(-1);
  }

  /** Every value given. */
  all(name: OptionName): readonly string[] {
    return this.#values.get(name) ?? [];
  }

  /** The names given. */
  names(): OptionName[] {
    return [...this.#values.keys()];
  }
}

/** Stands before an argument such as -6, which would otherwise read as an option. */
const NUMBER_MARK = "\0";

/**
 * Reads the arguments of `tether`. Options may stand anywhere before `--`.
 *
 * @throws TetherError `usage` that names the nearest verb or option
 */
export function readCommandLine(argv: readonly string[]): CommandLine {
  const stop = argv.indexOf("--");
  const own = stop === -1 ? argv : argv.slice(0, stop);
  const rest = stop === -1 ? [] : argv.slice(stop + 1);
  const { tokens } = parseArgs({
    args: own.map((argument) => (/^-\.?\d/.test(argument) ? NUMBER_MARK + argument : argument)),
    options: PARSER_OPTIONS,
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const options = new Options();
  const words: string[] = [];
  for (const token of tokens) {
    if (token.kind === "positional") words.push(unmark(token.value));
    else if (token.kind === "option") addOption(options, token.name, token.rawName, token.value);
  }
  if (options.has("version")) return { verb: VERBS.version, verbName: "version", args: [], options };
  const { verb, name, args } = findVerb(words, options.has("help"));
  if (options.has("help") || name === "help") {
    return { verb: VERBS.help, verbName: "help", args: name === "help" ? args : [name], options };
  }
  const foreign = options.names().find((option) => !OPTIONS[option].global && !verb.options.includes(option));
  if (foreign !== undefined) {
    throw new TetherError("usage", `\`tether ${name}\` has no option --${foreign}`, {
      hint: `usage: ${usage(name)}`,
    });
  }
  return { verb, verbName: name, args: [...args, ...rest], options };
}

/** The line that shows how a verb is used. */
export function usage(verbName: string): string {
  const verb: Verb | undefined = (VERBS as Record<string, Verb>)[verbName];
  return `tether ${verbName}${verb?.usage ? ` ${verb.usage}` : ""}`;
}

const PARSER_OPTIONS: NonNullable<ParseArgsConfig["options"]> = Object.fromEntries(
  (Object.keys(OPTIONS) as OptionName[]).map((name) => {
    const { value, short } = optionFacts(name);
    return [
      name,
      { type: value === undefined ? "boolean" : "string", ...(short !== undefined && { short }) },
    ];
  }),
);

function findVerb(words: readonly string[], help: boolean): { verb: Verb; name: string; args: string[] } {
  const verbs = VERBS as Record<string, Verb>;
  // Verbs of two words (`device list`) stand in the table as such.
  for (const length of [2, 1]) {
    const name = words.slice(0, length).join(" ");
    const verb = words.length >= length && Object.hasOwn(verbs, name) ? verbs[name] : undefined;
    if (verb !== undefined) return { verb, name, args: words.slice(length) };
  }
  const [first] = words;
  if (first === undefined) {
    if (help) return { verb: VERBS.help, name: "help", args: [] };
    throw new TetherError("usage", "a verb is missing", { hint: "`tether help` lists them" });
  }
  const members = Object.keys(verbs).filter((name) => name.startsWith(`${first} `));
  if (members.length > 0) {
    if (help) return { verb: VERBS.help, name: "help", args: [first] };
    const allowed = members.map((name) => name.slice(first.length + 1)).join(", ");
    throw new TetherError("usage", `\`tether ${first}\` needs one of: ${allowed}`);
  }
  const near = nearest(first, Object.keys(verbs));
  throw new TetherError("usage", `there is no verb "${first}"`, {
    hint: near === undefined ? "`tether help` lists them" : `did you mean \`tether ${near}\`?`,
  });
}

function addOption(options: Options, name: string, rawName: string, value: string | undefined): void {
  if (!Object.hasOwn(OPTIONS, name)) {
    const near = nearest(name, Object.keys(OPTIONS));
    throw new TetherError("usage", `there is no option ${rawName}`, {
      hint: near === undefined ? "`tether help VERB` lists them" : `did you mean --${near}?`,
    });
  }
  const option = name as OptionName;
  const expected = optionFacts(option).value;
  if (expected !== undefined && value === undefined) {
    throw new TetherError("usage", `${rawName} needs a value: ${rawName} ${expected}`);
  }
  if (expected === undefined && value !== undefined)
    throw new TetherError("usage", `${rawName} takes no value`);
  options.add(option, unmark(value ?? ""));
}

function unmark(text: string): string {
  return text.startsWith(NUMBER_MARK) ? text.slice(NUMBER_MARK.length) : text;
}
