import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import type { Plugin } from "esbuild";
import { parseSync } from "oxc-parser";

/** Where a name that an index exports is defined. */
interface Origin {
  readonly file: string;
  readonly name: string;
}

/**
 * esbuild plugin: a name imported through a folder's `index.ts` is imported from the module that defines it.
 *
 * A module that is loaded when it is wanted runs whatever it imports, and an index imports its whole folder: one
 * function of `transfer/` would cost every start of `tether` the loading of all of it.
 */
export function directImports(): Plugin {
  return {
    name: "direct-imports",
    setup(build) {
      const tables = new Map<string, Promise<ReadonlyMap<string, Origin>>>();
      const tableOf = (index: string) => {
        const table = tables.get(index) ?? exportsOf(index, tableOf);
        tables.set(index, table);
        return table;
      };
      build.onLoad({ filter: /\.ts$/ }, async ({ path }) => {
        if (path.includes("/node_modules/")) return undefined;
        const code = await readFile(path, "utf8");
        return { contents: await rewrite(path, code, tableOf), loader: "ts" };
      });
    },
  };
}

type TableOf = (index: string) => Promise<ReadonlyMap<string, Origin>>;

/** The code with its imports through an index replaced; lines stay where they are. */
async function rewrite(path: string, code: string, tableOf: TableOf): Promise<string> {
  let rewritten = code;
  const { staticImports } = parseSync(path, code).module;
  // From the last to the first, so that positions before a change stay right.
  for (const { start, end, moduleRequest, entries } of staticImports.toReversed()) {
    if (!/^\.{1,2}\/(.*\/)?index\.ts$/.test(moduleRequest.value)) continue;
    const table = await tableOf(resolve(dirname(path), moduleRequest.value));
    const values = entries.filter(({ isType }) => !isType);
    const statements = values.map(({ importName, localName }) => {
      const origin = importName.name == null ? undefined : table.get(importName.name);
      if (origin === undefined) throw new Error(`${path}: ${moduleRequest.value} has no ${importName.name}`);
      return `import { ${origin.name} as ${localName.value} } from ${JSON.stringify(origin.file)};`;
    });
    const lines = "\n".repeat(code.slice(start, end).split("\n").length - 1);
    rewritten = rewritten.slice(0, start) + statements.join(" ") + lines + rewritten.slice(end);
  }
  return rewritten;
}

/** What a module exports, and where each is defined. */
async function exportsOf(path: string, tableOf: TableOf): Promise<ReadonlyMap<string, Origin>> {
  const table = new Map<string, Origin>();
  const { staticExports } = parseSync(path, await readFile(path, "utf8")).module;
  for (const { entries } of staticExports) {
    for (const { exportName, importName, moduleRequest, isType } of entries) {
      if (isType) continue;
      if (moduleRequest === null) {
        if (exportName.name != null) table.set(exportName.name, { file: path, name: exportName.name });
        continue;
      }
      const inner = await tableOf(resolve(dirname(path), moduleRequest.value));
      if (exportName.name == null) {
        for (const [name, origin] of inner) table.set(name, origin);
      } else {
        const origin = inner.get(importName.name ?? exportName.name);
        if (origin !== undefined) table.set(exportName.name, origin);
      }
    }
  }
  return table;
}
