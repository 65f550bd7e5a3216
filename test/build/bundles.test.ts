import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import {
  copyFile,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  realpath,
  rm,
  symlink,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { after, before, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { HOT_VERBS } from "../../build/hot-start.ts";
import { licenceTexts } from "../../build/licences.ts";
import { bundleController, bundleProgram } from "../../build/program.ts";
import { copySerialAddons } from "../../build/serial-addon.ts";
import { VERBS } from "../../controller/commands/index.ts";
import { otherNode } from "../other-node.ts";
import { arePeersRequired } from "../peers.ts";

const run = promisify(execFile);
const root = fileURLToPath(new URL("../../", import.meta.url));
const NODES = [20, 22, 24, 26];

/** Sources that stand for programs, with this repository's packages in reach. */
let sources: string;
/** What was built, where no node_modules is in reach. */
let built: string;
let bundled: string[];

before(async () => {
  sources = await mkdtemp(join(tmpdir(), "tether-sources-"));
  built = await mkdtemp(join(tmpdir(), "tether-built-"));
  await symlink(join(root, "node_modules"), join(sources, "node_modules"));
  await source("lazy.ts", 'import("./verb.ts").then(({ said }) => console.log(said));');
  await source("idle.ts", 'if (process.argv.length > 2) import("./verb.ts");\nconsole.log("idle");');
  await source("verb.ts", 'console.log("verb loaded"); export const said: string = "verb said";');
  await source("shebang.ts", '#!/usr/bin/env node\nconsole.log("started");');
  await source("location.ts", "console.log(import.meta.dirname, import.meta.filename);");
  await source("url.ts", "console.log(import.meta.url);");
  await source(
    "serial.ts",
    `import("serialport").then(
       ({ SerialPort }) => console.log(typeof SerialPort.list),
       (error: Error) => console.log(error.message),
     );`,
  );
  for (const name of ["lazy", "idle", "shebang", "location", "serial"]) await bundle(name);
  bundled = [
    ...(await bundleController({
      entry: join(root, "controller/main.ts"),
      outfile: join(built, "tether.cjs"),
      readableStacks: false,
    })),
    ...(await bundle("tetherd", join(root, "agent/main.ts"))),
  ];
  await copySerialAddons(built);
});
after(async () => {
  await rm(sources, { recursive: true, force: true });
  await rm(built, { recursive: true, force: true });
});

async function source(name: string, text: string): Promise<void> {
  await writeFile(join(sources, name), text);
}

function bundle(name: string, entry = join(sources, `${name}.ts`)): Promise<string[]> {
  return bundleProgram({ entry, outfile: join(built, `${name}.cjs`), readableStacks: name === "tetherd" });
}

async function start(node: string, name: string, ...args: string[]): Promise<string> {
  const env = { ...process.env, TETHER_HOME: join(built, "home") };
  return (await run(node, [join(built, `${name}.cjs`), ...args], { cwd: built, env })).stdout;
}

/** The Node of that major version; undefined, with the test skipped, when it cannot be had. */
async function nodeOrSkip(t: TestContext, major: number): Promise<string | undefined> {
  try {
    return await otherNode(major);
  } catch (error) {
    if (arePeersRequired()) throw error;
    t.skip(`Node ${major} cannot be fetched`);
    return undefined;
  }
}

for (const major of NODES) {
  test(`Node ${major} starts the programs and the serial port's addon without node_modules`, async (t) => {
    const node = await nodeOrSkip(t, major);
    if (node === undefined) return;
    assert.match((await run(node, ["--version"])).stdout, new RegExp(`^v${major}\\.`));
    assert.match(await start(node, "tether", "--version"), /^tether \d/);
    assert.equal(await start(node, "tether", "agents", "--json"), "[]\n");
    assert.match(await start(node, "tether", "completion", "bash"), /^# tether completion/);
    assert.match(await start(node, "tetherd", "--version"), /^tetherd \d/);
    assert.equal(await start(node, "serial"), "function\n");
    assert.equal(await start(node, "lazy"), "verb loaded\nverb said\n");
  });
}

test("tether has the hot verbs in a program of their own, and all others in the whole one", async () => {
  for (const verb of HOT_VERBS) assert.ok(verb in VERBS, verb);
  const text = await readFile(join(built, "tether.cjs"), "utf8");
  const hot = text.slice(0, text.lastIndexOf("/*whole"));
  assert.ok(hot.length < text.length / 2, `${hot.length} of ${text.length} characters`);
  assert.ok(!hot.includes("rfc2217"), "a verb that is not hot is in it");
  // A mistake is told alike by both.
  for (const verb of ["call", "put"]) {
    await assert.rejects(start(process.execPath, "tether", verb), {
      code: 2,
      stderr: /^tether: .* is missing/,
    });
  }
});

test("a module that is imported on demand does not run before", async () => {
  assert.equal(await start(process.execPath, "idle"), "idle\n");
});

test("a bundle can be started by its name", { skip: process.platform === "win32" }, async () => {
  assert.equal((await run(join(built, "shebang.cjs"))).stdout, "started\n");
  assert.match((await run(join(built, "tether.cjs"), ["--version"])).stdout, /^tether /);
});

test("a bundle knows where it lies", async () => {
  const folder = await realpath(built);
  assert.equal(await start(process.execPath, "location"), `${folder} ${join(folder, "location.cjs")}\n`);
});

test("what CommonJS cannot know is a mistake of the build", async () => {
  await assert.rejects(bundle("url"), /import\.meta/);
});

test("without its addon, the serial port's error names the missing file", async () => {
  const alone = await mkdtemp(join(tmpdir(), "tether-alone-"));
  try {
    await copyFile(join(built, "serial.cjs"), join(alone, "serial.cjs"));
    const { stdout } = await run(process.execPath, [join(alone, "serial.cjs")]);
    assert.match(stdout, new RegExp(`serialport-${process.platform}-\\S+\\.node is missing in `));
  } finally {
    await rm(alone, { recursive: true });
  }
});

test("addons are there for every machine that an agent runs on", async () => {
  const folder = join(built, "addons");
  await mkdir(folder);
  const names = await copySerialAddons(folder);
  assert.deepEqual((await readdir(folder)).sort(), names.sort());
  for (const machine of [
    "x64-glibc",
    "x64-musl",
    "arm64-glibc",
    "arm64-musl",
    "armv7-glibc",
    "armv6-glibc",
  ]) {
    assert.ok(names.includes(`serialport-linux-${machine}.node`), machine);
  }
});

test("the licences of what is bundled can go out with it", async () => {
  const text = await licenceTexts(bundled);
  assert.match(text, /^@serialport\/bindings-cpp \S+ \(MIT\)\n\n[\s\S]*?Permission is hereby granted/m);
  assert.match(text, /^yaml \S+ \(ISC\)$/m);
  assert.doesNotMatch(text, /^esbuild /m);
});
