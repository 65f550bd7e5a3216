/** `npm run build`: everything that `dist/` holds. */
import { readdir, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { writeDeclarations } from "./declarations.ts";
import { licenceTexts } from "./licences.ts";
import { bundleController, bundleLibrary, bundleProgram } from "./program.ts";
import { copySerialAddons } from "./serial-addon.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const dist = join(root, "dist");

await rm(dist, { recursive: true, force: true });
const bundled = await Promise.all([
  bundleController({
    entry: join(root, "controller/main.ts"),
    outfile: join(dist, "tether.cjs"),
    readableStacks: false,
  }),
  bundleProgram({
    entry: join(root, "agent/main.ts"),
    outfile: join(dist, "tetherd.cjs"),
    readableStacks: true,
  }),
  bundleProgram({
    entry: join(root, "agent/compute/worker/main.ts"),
    outfile: join(dist, "tether-worker.cjs"),
    readableStacks: true,
  }),
  bundleLibrary(join(root, "controller/index.ts"), join(dist, "library.mjs")),
  bundleLibrary(join(root, "agent/compute/procedure-definition.ts"), join(dist, "procedure.mjs")),
]);
await Promise.all([
  writeFile(join(dist, "LICENCES.txt"), await licenceTexts(bundled.flat())),
  copySerialAddons(dist),
  writeDeclarations({
    root,
    entry: [join(root, "controller/index.ts"), join(root, "agent/compute/procedure-definition.ts")],
    folder: join(dist, "types"),
    scratch: join(root, "node_modules/.cache/tether"),
  }),
]);

for (const name of (await readdir(dist)).sort()) {
  const facts = await stat(join(dist, name));
  if (facts.isFile()) console.log(`${(facts.size / 1024).toFixed(1).padStart(8)} KiB  dist/${name}`);
}
