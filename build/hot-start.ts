import { readFile, writeFile } from "node:fs/promises";
import { basename } from "node:path";
import type { Plugin } from "esbuild";

/** The verbs that scripts call again and again: `tether` starts soonest for these. */
export const HOT_VERBS: readonly string[] = ["agents", "call", "device list", "info", "ping", "procedures"];

/** Between the two programs in one file; a block comment, which the parser passes over faster than code. */
const BEGIN = "/*whole";
const END = "*/";
/** Stands for the end of a comment inside of one. */
const MASKED_END = "*\u0001/";

/** The module of a verb, without its folder. */
function moduleOf(verb: string): string {
  return `${verb.replace(" ", "-")}.ts`;
}

/** Where a program starts that has only the hot verbs: it runs the whole one for all others. */
export const HOT_ENTRY = `
import { readCommandLine } from "./command-line.ts";
let verb;
try {
  verb = readCommandLine(process.argv.slice(2)).verbName;
} catch {
  // A mistake, which every verb's program tells alike.
}
if (verb === undefined || ${JSON.stringify(HOT_VERBS)}.includes(verb)) void import("./main.ts");
else runWhole();
`;

/** esbuild plugin: leaves the other verbs' modules out. */
export function onlyHotVerbs(): Plugin {
  const kept = new Set(HOT_VERBS.map(moduleOf));
  return {
    name: "only-hot-verbs",
    setup(build) {
      build.onResolve({ filter: /^\.\/.*\.ts$/ }, ({ path, importer, kind }) => {
        const isVerb = kind === "dynamic-import" && importer.endsWith("/commands/index.ts");
        return isVerb && !kept.has(basename(path)) ? { path, namespace: "left-out" } : undefined;
      });
      build.onLoad({ filter: /.*/, namespace: "left-out" }, () => ({ contents: "", loader: "ts" }));
    },
  };
}

/**
 * Joins the two programs into one file, `whole`'s: V8 looks at every function of a program before it runs the first
 * line, so a start costs what the file has in code, used or not.
 */
export async function joinPrograms(hot: string, whole: string): Promise<void> {
  const [shebang, ...rest] = (await readFile(whole, "utf8")).split("\n");
  const program = rest.join("\n");
  if (program.includes(MASKED_END)) throw new Error("the program holds what stands for the end of a comment");
  const loader =
    'function runWhole(){const text=require("node:fs").readFileSync(__filename,"utf8");' +
    `const from=text.lastIndexOf(${JSON.stringify(BEGIN.slice(0, 4))}+${JSON.stringify(BEGIN.slice(4))});` +
    `module._compile(text.slice(from+${BEGIN.length},text.lastIndexOf("*"+"/")).replaceAll("*\\u0001/","*"+"/"),__filename)}`;
  const masked = program.replaceAll(END, MASKED_END);
  const joined = [shebang, loader, await readFile(hot, "utf8"), `${BEGIN}${masked}${END}`, ""].join("\n");
  await writeFile(whole, joined);
}
