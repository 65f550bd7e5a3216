import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);
const DEMO = fileURLToPath(new URL("../../build/demo.ts", import.meta.url));

test("the demo walks through its steps, ends with 0, and leaves nothing behind", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "demo-test-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const env = { ...process.env, TMPDIR: folder };
  const { stdout } = await run(process.execPath, ["--import", "tsx", DEMO], { env, timeout: 120_000 });
  for (const said of [
    "\n    42\n",
    "equal to the last byte",
    "\n    OK\n",
    '"unit":"°C"',
    "All of it works here",
  ]) {
    assert.ok(stdout.includes(said), `it does not say ${JSON.stringify(said)}:\n${stdout}`);
  }
  const left = (await readdir(folder)).filter((name) => name.startsWith("tether-demo"));
  assert.deepEqual(left, []);
});
