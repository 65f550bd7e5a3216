import assert from "node:assert/strict";
import { chmodSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { LogLine } from "../agent-process.ts";
import { type ComputingAgent, procedureFile, startComputing } from "./procedures-folder.ts";

const VERSION = (version: number) => procedureFile({ "own.version": `() => ${version}` });

async function call({ agent }: ComputingAgent, ...words: string[]): Promise<unknown> {
  const { code, stdout, stderr } = await agent.tether(["call", "--json", ...words]);
  return code === 0 ? JSON.parse(stdout) : (JSON.parse(stderr) as { error: { code: string } }).error.code;
}

/** Does something and waits for the line of the log that it causes. */
async function causes(
  { agent }: ComputingAgent,
  event: string,
  act: () => void,
  fits?: (line: LogLine) => boolean,
): Promise<LogLine> {
  const from = agent.log.length;
  act();
  return await agent.line(event, fits, from);
}

test("files are loaded at start, the broken ones told with their place, and no line of theirs runs in the agent", async (t) => {
  const computing = await startComputing(t, {
    "syntax.mjs": "export const a = 1;\nexport const b = {;\n",
    "throws.mjs": "const a = 1;\n\n  null.member;\n",
    "import.mjs": 'import { nothing } from "./nothing.mjs";\n',
    "empty.mjs": "export const something = 1;\n",
    "shape.mjs": "export const procedures = [{ name: 'own.shape', sumary: '', run() {} }];\n",
    "schema.mjs":
      "export const procedures = [{ name: 'own.schema', parameters: { n: { type: 'int' } }, run() {} }];\n",
    "exits.mjs": "process.exit(3);\n",
    "spins.mjs": "for (;;);\n",
    "taken.mjs": procedureFile({
      "math.multiply": "() => 0",
      "devices.x.y": "() => 0",
      "own.mine": "() => 1",
    }),
    "twice.mjs": procedureFile({ "own.mine": "() => 2", "own.pid": "() => process.pid" }),
    "ignored.js": "null.member;\n",
    ".hidden.mjs": "null.member;\n",
  });
  const { agent, folder } = computing;
  const told = agent.log
    .filter(({ event }) => /^procedures?-refused$/.test(event))
    .map(({ message }) => message.replaceAll(`${folder}/`, ""));
  const expected = [
    "empty.mjs: no `export const procedures`; allowed: an array of {name, …",
    "exits.mjs: the process ended (exit code 3)",
    "import.mjs: Error: Cannot find module …",
    'schema.mjs: own.schema: the parameter "n" has the type "int"; allowed: string, number, …',
    'shape.mjs: procedures[0] has the unknown key "sumary"; allowed: summary',
    "spins.mjs: not loaded within 5000 ms",
    "syntax.mjs:2:19: SyntaxError: Unexpected token ';'",
    "throws.mjs:3:8: TypeError: Cannot read …",
    "taken.mjs: procedure math.multiply is already registered",
    "taken.mjs: devices.x.y: names that begin with devices. are the agent's own",
    "twice.mjs: own.mine is already in taken.mjs",
  ];
  assert.equal(told.length, expected.length, told.join("\n"));
  for (const [index, line] of expected.entries()) {
    const [start = ""] = line.split("…");
    assert.ok(told[index]?.startsWith(start), `${told[index]} for ${line}`);
  }
  assert.equal(await call(computing, "math.multiply", "6", "7"), 42, "the built-in one");
  assert.equal(await call(computing, "own.mine"), 1);
  assert.notEqual(await call(computing, "own.pid"), agent.pid);
});

test("a changed file is loaded, a broken one leaves the old version, a removed one is gone", async (t) => {
  const computing = await startComputing(t, { "own.mjs": VERSION(1) });
  const { agent, folder, write } = computing;
  assert.equal(await call(computing, "own.version"), 1);

  await causes(computing, "procedures-loaded", () => write("own.mjs", VERSION(2)));
  assert.equal(await call(computing, "own.version"), 2);

  const broken = await causes(computing, "procedures-refused", () => write("own.mjs", "\nexport {"));
  assert.match(broken.message, /own\.mjs:2(:\d+)?: SyntaxError: .*; the old version stays$/);
  assert.equal(await call(computing, "own.version"), 2);

  await causes(computing, "procedures-loaded", () =>
    write("more.mjs", procedureFile({ "own.more": "() => 1" })),
  );
  assert.equal(await call(computing, "own.more"), 1);
  assert.equal(await call(computing, "own.version"), 2, "still the one that was not broken");

  await causes(computing, "procedures-loaded", () => rmSync(join(folder, "own.mjs")));
  assert.equal(await call(computing, "own.version"), "not-found");

  // Written in place, not beside it and renamed.
  await causes(computing, "procedures-loaded", () => writeFileSync(join(folder, "more.mjs"), VERSION(3)));
  assert.equal(await call(computing, "own.version"), 3);
  assert.equal(await call(computing, "own.more"), "not-found");

  await causes(computing, "procedures-loaded", () => renameSync(folder, `${folder}-away`));
  assert.equal(await call(computing, "own.version"), "not-found", "the folder is gone");
  await causes(computing, "procedures-loaded", () => renameSync(`${folder}-away`, folder));
  assert.equal(await call(computing, "own.version"), 3);
  assert.equal(agent.stderr, "");
});

test("a call that runs while its file changes ends as it began", async (t) => {
  const slow = (version: number) =>
    procedureFile({
      "own.slow": `async (_, { log }) => { log('runs'); await new Promise((r) => setTimeout(r, 1500)); return ${version}; }`,
    });
  const computing = await startComputing(t, { "own.mjs": slow(1) });
  const running = call(computing, "own.slow");
  await computing.agent.line("procedure-log");
  await causes(computing, "procedures-loaded", () => computing.write("own.mjs", slow(2)));
  assert.equal(await running, 1);
  assert.equal(await call(computing, "own.slow"), 2);
});

test("what others can write, or what lies in files.root, is not run", async (t) => {
  const computing = await startComputing(t, { "own.mjs": VERSION(1) });
  const { agent, folder, write } = computing;
  const open = await causes(computing, "procedures-refused", () => {
    write("open.mjs", procedureFile({ "own.open": "() => 1" }));
    chmodSync(join(folder, "open.mjs"), 0o664);
  });
  assert.match(open.message, /open\.mjs: others can write this file; allowed: mode 0644 or less$/);
  assert.equal(await call(computing, "own.open"), "not-found");

  const served = join(agent.statePath, "files", "served.mjs");
  const link = await causes(computing, "procedures-refused", () => {
    writeFileSync(served, procedureFile({ "own.served": "() => 1" }), { mode: 0o600 });
    symlinkSync(served, join(folder, "served.mjs"));
  });
  assert.match(link.message, /served\.mjs: lies inside files\.root/);
  assert.equal(await call(computing, "own.served"), "not-found");

  const everybody = await causes(computing, "procedures-refused", () => {
    chmodSync(folder, 0o777);
    write("own.mjs", VERSION(2));
  });
  assert.match(everybody.message, /others can write this folder.*; what was loaded stays$/);
  assert.equal(await call(computing, "own.version"), 1);
});

test("a folder may come later, and its files may import each other, packages and tether/procedure", async (t) => {
  const computing = await startComputing(t, {});
  const { folder } = computing;
  rmSync(folder, { recursive: true });
  const later = `${folder}-later`;
  mkdirSync(join(later, "lib"), { recursive: true, mode: 0o755 });
  mkdirSync(join(later, "node_modules", "tripler"), { recursive: true, mode: 0o755 });
  writeFileSync(join(later, "node_modules", "tripler", "index.js"), "module.exports = (n) => 3 * n;");
  writeFileSync(join(later, "lib", "double.js"), "export const double = (n) => 2 * n;");
  writeFileSync(join(later, "lib", "package.json"), '{ "type": "module" }');
  writeFileSync(join(later, "base.mjs"), VERSION(7));
  writeFileSync(
    join(later, "own.mjs"),
    `import { readFileSync } from "node:fs";
     import { procedure } from "tether/procedure";
     import tripler from "tripler";
     import { procedures as others } from "./base.mjs";
     import { double } from "./lib/double.js";
     export const procedures = [procedure({
       name: "own.all", summary: "", parameters: {},
       run: () => [double(2), tripler(2), others[0].run(), readFileSync(import.meta.filename ?? new URL(import.meta.url)).length > 0],
     })];`,
  );
  await causes(
    computing,
    "procedures-loaded",
    () => renameSync(later, folder),
    ({ procedures }) => procedures === 2,
  );
  assert.deepEqual(await call(computing, "own.all"), [4, 6, 7, true]);
});

test("SIGHUP takes another folder and other bounds", async (t) => {
  const computing = await startComputing(t, { "own.mjs": VERSION(1) });
  const { agent, folder } = computing;
  const other = `${folder}-other`;
  mkdirSync(other, { mode: 0o755 });
  const large = `async () => {
    const all = [];
    while (all.length < 200) {
      all.push(Buffer.alloc(2 ** 20, 1));
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    return all.length;
  }`;
  writeFileSync(join(other, "large.mjs"), procedureFile({ "own.large": large }));
  const base = {
    name: "test-agent",
    listen: { host: "127.0.0.1", port: 0 },
    discovery: { broadcast: false },
  };
  const use = (memory: string) =>
    causes(computing, "configuration-read", () => {
      writeFileSync(
        agent.configurationFile,
        JSON.stringify({ ...base, compute: { procedures: other, memory } }),
      );
      agent.signal("SIGHUP");
    });
  await use("64MiB");
  assert.equal(await call(computing, "own.version"), "not-found");
  assert.equal(await call(computing, "own.large"), "limit");
  await use("256MiB");
  assert.equal(await call(computing, "own.large"), 200);
});
