import assert from "node:assert/strict";
import { chmodSync, existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { runProgram, startAgent } from "../agent-process.ts";
import { issueCode } from "../end-to-end/owner-acts.ts";
import { temporaryFolder } from "../identity/folder.ts";

const agent = await startAgent({ after });
const address = () => `127.0.0.1:${agent.port}`;
const modeOf = (path: string) => (statSync(path).mode & 0o777).toString(8);

test("the laptop's files are made where the environment says, for their owner alone", async (t) => {
  const folder = temporaryFolder(t);
  const places = [
    { env: { TETHER_HOME: join(folder, "one"), XDG_CONFIG_HOME: "/x" }, home: join(folder, "one") },
    { env: { XDG_CONFIG_HOME: join(folder, "two"), HOME: "/x" }, home: join(folder, "two/tether") },
    { env: { XDG_CONFIG_HOME: "", HOME: join(folder, "three") }, home: join(folder, "three/.config/tether") },
  ];
  for (const { env, home } of places) {
    assert.equal((await runProgram("tether", ["agents"], { env })).code, 0);
    assert.ok(!existsSync(home), "looking makes nothing");
    const { code } = await issueCode(agent);
    const paired = await runProgram("tether", ["pair", address(), "--code", code], { env });
    assert.equal(paired.code, 0, paired.stderr);
    assert.equal(modeOf(home), "700");
    assert.deepEqual(
      readdirSync(home).filter((name) => !name.startsWith("lock.")),
      ["agents.json", "key.pem"],
    );
    for (const name of ["agents.json", "key.pem"]) assert.equal(modeOf(join(home, name)), "600", name);
    const call = await runProgram("tether", ["call", "math.add", "1", "2"], { env });
    assert.equal(call.stdout, "3\n");
  }
});

test("others may look into the folder, but not write in it, nor read the key", async (t) => {
  const home = join(temporaryFolder(t), "home");
  mkdirSync(home, { mode: 0o755 });
  chmodSync(home, 0o755);
  await agent.pair(home);
  assert.equal(modeOf(home), "755");
  const call = () => agent.tether(["call", "math.add", "1", "2"], { home });
  assert.equal((await call()).code, 0);
  for (const mode of [0o775, 0o757, 0o777]) {
    chmodSync(home, mode);
    const refused = await call();
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /^tether: [^\n]*has mode 07[57][57]: [^\n]*chmod 0700 [^\n]*\n$/);
  }
  chmodSync(home, 0o755);
  for (const name of ["key.pem", "agents.json"]) {
    chmodSync(join(home, name), 0o644);
    const refused = await call();
    assert.equal(refused.code, 1, name);
    assert.match(refused.stderr, /has mode 0644[^\n]*chmod 0600/, name);
    chmodSync(join(home, name), 0o600);
  }
  writeFileSync(join(home, "agents.json"), "{", { mode: 0o600 });
  assert.match((await call()).stderr, /agents\.json is damaged/);
});
