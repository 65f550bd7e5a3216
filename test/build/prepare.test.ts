import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { afterEach, beforeEach } from "node:test";
import { fileURLToPath } from "node:url";

const PREPARE = fileURLToPath(new URL("../../build/prepare.mjs", import.meta.url));

const LOCK = {
  "": { version: "1.0.0" },
  "node_modules/kept": { version: "1.2.3", integrity: "sha512-a" },
  "node_modules/kept/node_modules/inner": { version: "2.0.0", integrity: "sha512-b" },
  "node_modules/for-another-machine": { version: "3.0.0", optional: true },
};
const { "node_modules/for-another-machine": _, "": __, ...INSTALLED } = LOCK;

let project: string;

beforeEach(async () => {
  project = await mkdtemp(join(tmpdir(), "tether-prepare-"));
  await mkdir(join(project, "build"));
  await mkdir(join(project, "node_modules"));
  await copyFile(PREPARE, join(project, "build/prepare.mjs"));
  await writeFile(join(project, "package-lock.json"), JSON.stringify({ packages: LOCK }));
  // Stands for npm, which needs the network: notes how it was called.
  await writeFile(
    join(project, "npm.cjs"),
    'require("fs").writeFileSync("called", process.argv[2]); process.exit(+process.env.NPM_EXIT)',
  );
});
afterEach(() => rm(project, { recursive: true }));

async function installed(packages: object): Promise<void> {
  await writeFile(join(project, "node_modules/.package-lock.json"), JSON.stringify({ packages }));
}

async function prepare(npmExit = 0): Promise<{ status: number | null; said: string; called: string }> {
  const { status, stderr } = spawnSync(process.execPath, ["build/prepare.mjs"], {
    cwd: project,
    env: { ...process.env, npm_execpath: join(project, "npm.cjs"), NPM_EXIT: String(npmExit) },
    encoding: "utf8",
  });
  const called = await readFile(join(project, "called"), "utf8").catch(() => "");
  return { status, said: stderr, called };
}

test("nothing is done nor said when all is installed", async () => {
  await installed(INSTALLED);
  assert.deepEqual(await prepare(), { status: 0, said: "", called: "" });
});

for (const [what, packages, said] of [
  ["without node_modules", undefined, "there is no node_modules"],
  ["when a package is missing", { "node_modules/kept": LOCK["node_modules/kept"] }, "inner is missing"],
  [
    "when a version differs",
    { ...INSTALLED, "node_modules/kept": { version: "1.2.2", integrity: "sha512-a" } },
    "kept is 1.2.2, not the 1.2.3 of package-lock.json",
  ],
  [
    "when a package's content differs",
    { ...INSTALLED, "node_modules/kept": { version: "1.2.3", integrity: "sha512-x" } },
    "kept is not the content that package-lock.json names",
  ],
  [
    "when there is one too many",
    { ...INSTALLED, "node_modules/left-over": { version: "1.0.0" } },
    "left-over is not in package-lock.json",
  ],
] as const) {
  test(`npm ci runs ${what}`, async () => {
    if (packages !== undefined) await installed(packages);
    assert.deepEqual(await prepare(), {
      status: 0,
      said: `Installing the dependencies with npm ci: ${said}.\n`,
      called: "ci",
    });
  });
}

test("a failing npm ci is a failure", async () => {
  const { status, said } = await prepare(1);
  assert.equal(status, 1);
  assert.match(said, /npm ci failed\.$/m);
});
