import { globMatcher, TetherError, TRANSFER } from "../protocol/index.ts";

/** Says of a path below what is synced whether it is left out; nothing below it is asked about then. */
export type Exclusions = (path: string, isFolder: boolean) => boolean;

/**
 * Patterns of what a sync leaves alone on both sides, as in a .gitignore: one without a slash fits a name
 * wherever it is, one with a slash the path from the top, one that ends with a slash only folders. `*` and `**`
 * fit names that begin with a dot too.
 *
 * @throws TetherError `invalid` for a pattern that is none, `limit` for more than {@link TRANSFER.exclusions}
 */
export function exclusions(patterns: readonly string[]): Exclusions {
  if (patterns.length > TRANSFER.exclusions) {
    throw new TetherError("limit", `more than ${TRANSFER.exclusions} patterns of what is left out`);
  }
  const tests = patterns.map((pattern) => {
    const isForFolders = pattern.endsWith("/");
    const glob = pattern.replace(/^\.?\//, "").replace(/\/+$/, "");
    if (glob === "") throw new TetherError("invalid", `${JSON.stringify(pattern)} is no pattern of names`);
    const isAnchored = glob.includes("/") || /^\.?\//.test(pattern);
    return { isForFolders, isAnchored, fits: globMatcher(glob, true) };
  });
  if (tests.length === 0) return () => false;
  return (path, isFolder) => {
    const name = path.slice(path.lastIndexOf("/") + 1);
    return tests.some(
      ({ isForFolders, isAnchored, fits }) => (isFolder || !isForFolders) && fits(isAnchored ? path : name),
    );
  };
}
