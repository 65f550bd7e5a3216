import { readdir } from "node:fs/promises";
import { posix, sep } from "node:path";
import { type Completable, local, remote, SHELL_VERBS, type ShellState, usableVerbs } from "./verbs.ts";
import { quoteWord, splitWords } from "./words.ts";

/** What a line could go on as: whole words, quoted as typed, and the part of the line that they replace. */
export interface Completion {
  readonly candidates: readonly string[];
  readonly replaced: string;
}

/** Completes the last word of `line`: a verb, or what the verb takes. */
export async function complete(line: string, state: ShellState, signal: AbortSignal): Promise<Completion> {
  const words = splitWords(line);
  const last = words.at(-1);
  const typing =
    last !== undefined && (last.open !== undefined || !/(^|[^\\])\s$/.test(line)) ? last : undefined;
  const replaced = typing === undefined ? "" : line.slice(typing.start);
  const before = typing === undefined ? words : words.slice(0, -1);
  const prefix = typing?.text ?? "";
  const [verb, ...given] = before;
  const found: string[] = [];
  for (const kind of kindsOf(verb?.text, given.length)) {
    found.push(...(await candidates(kind, prefix, state, signal)));
  }
  const written = found.map((word) => {
    const goesOn = word.endsWith("/");
    const text = quoteWord(word, typing?.open);
    // A folder is seldom the end of it: its quote stays open.
    if (goesOn) return typing?.open === undefined ? text : text.slice(0, -1);
    return found.length === 1 ? `${text} ` : text;
  });
  return { candidates: written, replaced };
}

/** What the argument after so many others can be. */
function kindsOf(verb: string | undefined, before: number): readonly Completable[] {
  if (verb === undefined) return ["verb"];
  const { completes, endsWith } = SHELL_VERBS[verb] ?? { completes: "nothing" };
  if (completes === "procedure" && before > 0) return ["nothing"];
  return endsWith === undefined || before === 0 ? [completes] : [completes, endsWith];
}

async function candidates(
  kind: Completable,
  prefix: string,
  state: ShellState,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const begins = (name: string) => name.startsWith(prefix);
  switch (kind) {
    case "verb":
      return usableVerbs(state.backend)
        .map(([name]) => name)
        .filter(begins);
    case "procedure":
      return ((await state.backend.procedures?.names(signal)) ?? []).filter(begins);
    case "remote":
    case "remote folder": {
      const entries = await state.backend.list(remote(state, folderPart(prefix, "/")), signal);
      const named = entries.map(({ name, type }) => ({ name, folder: type === "directory" }));
      return paths(named, prefix, "/", kind === "remote folder");
    }
    case "local":
    case "local folder": {
      const entries = await readdir(local(state, folderPart(prefix, sep)), { withFileTypes: true });
      const named = entries.map((entry) => ({ name: entry.name, folder: entry.isDirectory() }));
      return paths(named, prefix, sep, kind === "local folder");
    }
    case "nothing":
      return [];
  }
}

/** What stands before the last separator: where to look. */
function folderPart(prefix: string, separator: string): string {
  const end = Math.max(prefix.lastIndexOf("/"), prefix.lastIndexOf(separator));
  if (end === 0) return "/";
  return end === -1 ? "." : prefix.slice(0, end);
}

function paths(
  entries: readonly { readonly name: string; readonly folder: boolean }[],
  prefix: string,
  separator: string,
  foldersOnly: boolean,
): string[] {
  const cut = Math.max(prefix.lastIndexOf(posix.sep), prefix.lastIndexOf(separator)) + 1;
  const [folder, name] = [prefix.slice(0, cut), prefix.slice(cut)];
  return entries
    .filter((entry) => entry.name.startsWith(name) && (entry.folder || !foldersOnly))
    .filter((entry) => name.startsWith(".") || !entry.name.startsWith("."))
    .map((entry) => `${folder}${entry.name}${entry.folder ? "/" : ""}`)
    .sort();
}
