import { chmod, open, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { type BuildOptions, build, formatMessages } from "esbuild";
import { directImports } from "./direct-imports.ts";
import { HOT_ENTRY, joinPrograms, onlyHotVerbs } from "./hot-start.ts";
import { serialAddon } from "./serial-addon.ts";

const COMMON = {
  bundle: true,
  platform: "node",
  /** The oldest Node that runs what is built. */
  target: "node20",
  legalComments: "none",
  metafile: true,
  // What CommonJS leaves of import.meta is undefined: better found here than by a user.
  logOverride: { "empty-import-meta": "error" },
  // Errors are thrown, and so are warnings: nobody reads them in a build that worked.
  logLevel: "silent",
} as const satisfies BuildOptions;

/** One program to build. */
export interface Program {
  /** The module that runs when the program starts. */
  readonly entry: string;
  readonly outfile: string;
  /** True keeps the names of functions, for a daemon's log; false is what starts soonest. */
  readonly readableStacks: boolean;
}

/**
 * Bundles a program into one executable CommonJS file that needs no node_modules; gives the paths of the
 * modules inside.
 *
 * CommonJS, because `import()` of a module inside the bundle then becomes a function that is called when the
 * module is wanted: it is one file, and what is not used is parsed but not run.
 */
export async function bundleProgram(program: Program): Promise<string[]> {
  const { entry, outfile } = program;
  const modules = await bundle({
    ...programOptions(program),
    entryPoints: [entry],
    outfile,
    banner: (await startsWithShebang(entry)) ? {} : { js: "#!/usr/bin/env node" },
  });
  await chmod(outfile, 0o755);
  return modules;
}

function programOptions({ readableStacks }: Program) {
  return {
    format: "cjs",
    minifySyntax: true,
    minifyWhitespace: true,
    minifyIdentifiers: !readableStacks,
    define: { "import.meta.dirname": "__dirname", "import.meta.filename": "__filename" },
    plugins: [directImports(), serialAddon()],
  } as const satisfies BuildOptions;
}

/**
 * Bundles `tether`: one file with two programs, the whole one and, before it, one that has only the verbs that are
 * called again and again and starts sooner for it. Gives the paths of the modules inside.
 */
export async function bundleController(program: Program): Promise<string[]> {
  const hot = `${program.outfile}.hot`;
  const options = programOptions(program);
  const [whole] = await Promise.all([
    bundleProgram(program),
    bundle({
      ...options,
      stdin: {
        contents: HOT_ENTRY,
        resolveDir: dirname(program.entry),
        sourcefile: "hot-start.ts",
        loader: "ts",
      },
      outfile: hot,
      banner: {},
      plugins: [onlyHotVerbs(), ...options.plugins],
    }),
  ]);
  await joinPrograms(hot, program.outfile);
  await rm(hot);
  return whole;
}

/** Bundles the library into one ES module that needs no node_modules; gives the paths of the modules inside. */
export async function bundleLibrary(entry: string, outfile: string): Promise<string[]> {
  return bundle({
    entryPoints: [entry],
    outfile,
    format: "esm",
    minifySyntax: true,
  });
}

async function bundle(options: BuildOptions): Promise<string[]> {
  const { metafile, warnings } = await build({ ...options, ...COMMON });
  if (warnings.length > 0) {
    throw new Error((await formatMessages(warnings, { kind: "warning" })).join("\n"));
  }
  return Object.keys(metafile.inputs);
}

async function startsWithShebang(file: string): Promise<boolean> {
  const handle = await open(file);
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(2), 0, 2, 0);
    return buffer.toString("latin1", 0, bytesRead) === "#!";
  } finally {
    await handle.close();
  }
}
