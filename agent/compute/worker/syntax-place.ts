import { spawnSync } from "node:child_process";

/** Milliseconds that Node gets to read one file. */
const BOUND = 10_000;

/**
 * Where Node finds a module's text broken, as `LINE:COLUMN`. The error that `import()` throws does not tell, and
 * only what Node prints does.
 *
 * @returns undefined where Node finds nothing wrong
 */
export function syntaxPlace(source: string): string | undefined {
  const { stderr } = spawnSync(process.execPath, ["--check", "--input-type=module", "-"], {
    input: source,
    encoding: "utf8",
    timeout: BOUND,
  });
  const [, line, caret] = /^\S*?:(\d+)\n(?:[^\n]*\n( *)\^)?/.exec(String(stderr)) ?? [];
  if (line === undefined || caret === undefined) return line;
  return `${line}:${caret.length + 1}`;
}
