import { execFile } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/**
 * Writes the type declarations of `entry`, one module or several, and of all that it imports into `folder`, laid out as under `root`,
 * whose tsconfig.json holds the rules. `scratch` is a folder for the compiler's own configuration.
 *
 * Throws with the compiler's words when the types are wrong.
 */
export async function writeDeclarations(options: {
  readonly root: string;
  readonly entry: string | readonly string[];
  readonly folder: string;
  readonly scratch: string;
}): Promise<void> {
  const project = join(options.scratch, "tsconfig.declarations.json");
  await mkdir(options.scratch, { recursive: true });
  await writeFile(
    project,
    JSON.stringify({
      extends: join(options.root, "tsconfig.json"),
      compilerOptions: {
        noEmit: false,
        declaration: true,
        emitDeclarationOnly: true,
        rootDir: options.root,
        outDir: options.folder,
        typeRoots: [join(options.root, "node_modules/@types")],
      },
      include: [],
      files: [options.entry].flat(),
    }),
  );
  const compiler = join(
    dirname(createRequire(import.meta.url).resolve("typescript/package.json")),
    "bin",
    "tsc",
  );
  await run(process.execPath, [compiler, "-p", project]).catch((error: { stdout?: string }) => {
    throw new Error(`the declarations cannot be written:\n${error.stdout ?? String(error)}`);
  });
}
