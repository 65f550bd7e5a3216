import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { after, before } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { writeDeclarations } from "../../build/declarations.ts";
import { bundleLibrary } from "../../build/program.ts";

const run = promisify(execFile);
const root = fileURLToPath(new URL("../../", import.meta.url));

/** A project of somebody who has Tether in its node_modules, with nothing of this repository beside it. */
let project: string;

before(async () => {
  project = await mkdtemp(join(tmpdir(), "tether-consumer-"));
  const installed = join(project, "node_modules/tether");
  const entry = join(root, "controller/index.ts");
  await mkdir(installed, { recursive: true });
  await bundleLibrary(entry, join(installed, "dist/library.mjs"));
  await writeDeclarations({ root, entry, folder: join(installed, "dist/types"), scratch: project });
  await symlink(join(root, "package.json"), join(installed, "package.json"));
  await symlink(join(root, "node_modules/@types"), join(project, "node_modules/@types"));
  await writeFile(join(project, "package.json"), '{ "type": "module" }');
  await writeFile(
    join(project, "tsconfig.json"),
    JSON.stringify({
      compilerOptions: {
        module: "nodenext",
        moduleResolution: "nodenext",
        target: "es2022",
        strict: true,
        noEmit: true,
        types: ["node"],
      },
      files: ["main.ts"],
    }),
  );
});
after(() => rm(project, { recursive: true, force: true }));

async function compile(source: string): Promise<string> {
  await writeFile(join(project, "main.ts"), source);
  const compiler = join(root, "node_modules/typescript/bin/tsc");
  return run(process.execPath, [compiler, "-p", project]).then(
    () => "",
    (error: { stdout: string }) => error.stdout,
  );
}

test("the declarations satisfy a strict consumer that checks them too", async () => {
  assert.equal(
    await compile(`
      import { connect, discover } from "tether";
      export const both: readonly [typeof connect, typeof discover] = [connect, discover];
    `),
    "",
  );
});

test("the declarations notice a wrong use", async () => {
  assert.match(
    await compile('import { connect } from "tether"; export const n: number = connect;'),
    /TS2322/,
  );
  assert.match(await compile('import { noSuchThing } from "tether"; noSuchThing();'), /TS2305/);
});

test("the library can be imported where nothing else is installed", async () => {
  const code = 'import("tether").then((t) => console.log(typeof t.discover, typeof t.connect))';
  const { stdout } = await run(process.execPath, ["-e", code], { cwd: project });
  assert.equal(stdout, "function function\n");
});
