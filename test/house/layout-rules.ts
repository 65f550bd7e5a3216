import { posix } from "node:path";

/** The rooms, and the files beside them; dotfiles may stand there too. */
const TOP_LEVEL: readonly string[] = [
  "protocol",
  "transfer",
  "firmware-bridge",
  "agent",
  "controller",
  "build",
  "test",
  "bench",
  "docs",
  "examples",
  "package.json",
  "package-lock.json",
  "tsconfig.json",
  "README.md",
  "CHANGELOG.md",
  "LICENSE",
];

/** Names that say nothing about what is inside. */
const EMPTY_NAMES: readonly string[] = ["util", "utils", "helper", "helpers", "common", "misc", "shared"];

/** The paths at the top of the repository that have no place there. */
export function strayEntries(paths: readonly string[]): string[] {
  const entries = new Set(paths.map((path) => path.split("/")[0] ?? ""));
  return [...entries].filter((entry) => !entry.startsWith(".") && !TOP_LEVEL.includes(entry));
}

/** The paths in which a folder's or a file's name does not say its subject. */
export function emptyNames(paths: readonly string[]): string[] {
  return paths.filter((path) =>
    path.split("/").some((name) => {
      const words = posix.basename(name).toLowerCase().split(/[.-]/);
      return EMPTY_NAMES.includes(words[0] ?? "") || EMPTY_NAMES.includes(words[words.length - 2] ?? "");
    }),
  );
}

/** What npm's lock file holds of a package, as far as it is looked at here. */
interface LockedPackage {
  readonly resolved?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

/**
 * What is wrong with a lock file, a line each: an address it was filled from, which the next machine may not
 * reach, or a package that is wanted and not locked, for which `npm ci` refuses all of it.
 */
export function lockMistakes(packages: Readonly<Record<string, LockedPackage>>): string[] {
  return Object.entries(packages).flatMap(([path, entry]) => [
    ...(entry.resolved === undefined ? [] : [`${path} is bound to ${entry.resolved}`]),
    ...Object.keys({ ...entry.dependencies, ...entry.devDependencies, ...entry.optionalDependencies })
      .filter((name) => !isLocked(packages, path, name))
      .map((name) => `${path || "package.json"} wants ${name}, which is not locked`),
  ]);
}

/** Looks where Node looks: in the package's own node_modules, then in those of the folders above. */
function isLocked(packages: Readonly<Record<string, unknown>>, path: string, name: string): boolean {
  for (let folder = path; ; folder = folder.slice(0, Math.max(0, folder.lastIndexOf("/node_modules/")))) {
    if (Object.hasOwn(packages, posix.join(folder, "node_modules", name))) return true;
    if (folder === "") return false;
  }
}

/** True when `text` holds a path inside `folder`, as opposed to a longer path that ends like it. */
export function namesPathIn(folder: string, text: string): boolean {
  for (let at = text.indexOf(`${folder}/`); at !== -1; at = text.indexOf(`${folder}/`, at + 1)) {
    if (at === 0 || !/[\w.~/-]/.test(text.charAt(at - 1))) return true;
  }
  return false;
}
