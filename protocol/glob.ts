import { TetherError } from "./errors.ts";
import { PROGRAMS } from "./limits.ts";

/**
 * Says of paths with `/` between their names whether a pattern fits them whole: `*` is anything within a name,
 * `?` one character, `[a-z]` one of a set, `[!a-z]` one outside it, and `**` as a whole name any names or none.
 * A name that begins with a dot is fitted by one that does so too, as in a shell, unless `dots` says that the
 * stars mean such names as well.
 *
 * @throws TetherError `invalid` for a pattern that is too long or has more than 16 stars
 */
export function globMatcher(pattern: string, dots = false): (path: string) => boolean {
  if (pattern.length > PROGRAMS.patternLength || (pattern.match(/\*/g)?.length ?? 0) > 16) {
    throw new TetherError(
      "invalid",
      `a pattern of more than ${PROGRAMS.patternLength} characters or 16 stars`,
    );
  }
  const names = pattern
    .replace(/^(\.\/)+/, "")
    .split("/")
    .map((name) => (name === "**" ? name : nameTest(name, dots)));
  return (path) => fits(path.split("/"), 0, names, 0, dots);
}

function fits(
  path: readonly string[],
  at: number,
  tests: readonly ("**" | RegExp)[],
  from: number,
  dots: boolean,
): boolean {
  const test = tests[from];
  const name = path[at];
  if (test === undefined) return name === undefined;
  if (test === "**") {
    if (fits(path, at, tests, from + 1, dots)) return true;
    return name !== undefined && (dots || !name.startsWith(".")) && fits(path, at + 1, tests, from, dots);
  }
  return name !== undefined && test.test(name) && fits(path, at + 1, tests, from + 1, dots);
}

function nameTest(pattern: string, dots: boolean): RegExp {
  const source = pattern.replace(/\*+|\?|\[(!?)(\]?[^\]]*)\]|[\\^$.|+(){}[\]]/g, (token, not, set) => {
    if (token.startsWith("*")) return "[^/]*";
    if (token === "?") return "[^/]";
    if (set !== undefined) return `[${not === "!" ? "^/" : ""}${set.replace(/[\\\]^[]/g, "\\$&")}]`;
    return `\\${token}`;
  });
  try {
    return new RegExp(`^${!dots && /^[*?[]/.test(pattern) ? "(?!\\.)" : ""}${source}$`, "su");
  } catch {
    throw new TetherError("invalid", `${JSON.stringify(pattern)} is no pattern of names`);
  }
}
