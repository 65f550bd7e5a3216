import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { after } from "node:test";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), "tether-run-"));
after(() => rmSync(scratch, { recursive: true, force: true }));

mkdirSync(join(scratch, "test/inner"), { recursive: true });
symlinkSync(join(root, "node_modules"), join(scratch, "node_modules"));
writeFileSync(join(scratch, "package.json"), '{ "type": "module" }');
for (const name of ["run.ts", "deadline.ts", "peers.ts"])
  cpSync(join(root, "test", name), join(scratch, "test", name));
sample("good.test.ts", 'test("adds", () => {}); test("adds again", () => {});');
sample("inner/bad.test.ts", 'test("is wrong", () => { throw new Error("as it should"); });');
sample("broken.test.ts", "throw new Error();");
sample(
  "lacking.test.ts",
  `test("needs two", { skip: "needs socat, mosquitto: apt-get install all of it" }, () => {});
   test("has a whim", { skip: "not today" }, () => {});`,
);

function sample(name: string, body: string): void {
  writeFileSync(join(scratch, "test", name), `import test from "node:test";\n${body}\n`);
}

function runTests(...filters: string[]): { status: number | null; stdout: string; stderr: string } {
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  return spawnSync(process.execPath, ["--import", "tsx", "test/run.ts", ...filters], {
    cwd: scratch,
    env,
    encoding: "utf8",
  });
}

test("a run in which all pass exits 0 and closes with Node's counts", () => {
  const { status, stdout } = runTests("good");
  assert.equal(status, 0);
  assert.match(stdout, /^# tests 2\n# suites 0\n# pass 2\n# fail 0\n/m);
  assert.doesNotMatch(stdout, /skipped \(/);
});

test("a failing test makes the run fail and is shown", () => {
  const { status, stdout } = runTests("inner/");
  assert.equal(status, 1);
  assert.match(stdout, /as it should/);
  assert.match(stdout, /^# fail 1$/m);
});

test("a file that cannot be loaded makes the run fail", () => {
  assert.equal(runTests("broken").status, 1);
});

test("without arguments every file runs", () => {
  assert.match(runTests().stdout, /^# tests 6\n/m);
});

test("what was skipped is listed with one line that brings the peers", () => {
  const { status, stdout } = runTests("lacking");
  assert.equal(status, 0);
  assert.match(stdout, /^ {2}needs two \(needs socat, mosquitto\)\n {2}has a whim \(not today\)$/m);
  assert.match(stdout, /^what is missing comes with: apt-get install mosquitto mosquitto-clients socat$/m);
  assert.match(stdout, /^# skipped 2$/m);
});

test("a filter that matches nothing is a failure", () => {
  const { status, stderr } = runTests("no-such-file");
  assert.equal(status, 1);
  assert.match(stderr, /no test file matches no-such-file/);
});
