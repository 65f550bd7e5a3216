import { nearest, TetherError } from "../../protocol/index.ts";
import { LEAVE, SHELL_VERBS, type ShellState, type ShellVerb, usableVerbs } from "./verbs.ts";
import { readWords } from "./words.ts";

/** What became of one line. */
export type LineOutcome = { readonly kind: "done"; readonly text: string } | { readonly kind: "leave" };

/**
 * Carries out one line in a shell's state: empty lines and lines that begin with `#` do nothing.
 *
 * @throws TetherError `usage` for what is no line of the shell's, and what the verb throws; the shell goes on
 */
export async function runLine(line: string, state: ShellState, signal: AbortSignal): Promise<LineOutcome> {
  if (/^\s*(#|$)/.test(line)) return { kind: "done", text: "" };
  const [name = "", ...words] = readWords(line);
  const verb = verbNamed(name, state);
  const end = words.indexOf("--");
  const isOption = (word: string, index: number) =>
    word === "-r" && !verb.takesCommand && (end === -1 || index < end);
  // A command has its own `--`; only one before it is the shell's.
  const dropped = verb.takesCommand && end !== 0 ? -1 : end;
  const args = words.filter((word, index) => !isOption(word, index) && index !== dropped);
  const recursive = words.some(isOption);
  const [least, most] = verb.takes;
  if (args.length < least || args.length > most || (recursive && !verb.usage.includes("-r"))) {
    throw new TetherError("usage", `that is not how ${name} is used`, { hint: `usage: ${verb.usage}` });
  }
  const result = await verb.run(args, state, { recursive, signal });
  return result === LEAVE ? { kind: "leave" } : { kind: "done", text: result };
}

function verbNamed(name: string, state: ShellState): ShellVerb {
  const usable = usableVerbs(state.backend).map(([usableName]) => usableName);
  const verb = usable.includes(name) ? SHELL_VERBS[name] : undefined;
  if (verb !== undefined) return verb;
  const near = nearest(name, usable);
  throw new TetherError("usage", `there is no verb "${name}"`, {
    hint: near === undefined ? "`help` lists them" : `did you mean ${near}?`,
  });
}
