import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { test } from "node:test";
import { type AgentProcess, startAgent } from "../agent-process.ts";
import { freePort } from "../free-port.ts";
import { errorIn, issueCode } from "./owner-acts.ts";

const on = (port: number, discoveryPort?: number) => ({
  listen: { host: "127.0.0.1", port },
  discovery: discoveryPort === undefined ? { broadcast: false } : { port: discoveryPort },
});

async function agentsOf(agent: AgentProcess, home: string) {
  const { stdout } = await agent.tether(["agents", "--json"], { home });
  return JSON.parse(stdout) as { name: string; fingerprint: string; port: number; address: string }[];
}

test("an agent with a new key is refused by both fingerprints until it is forgotten", async (t) => {
  const agent = await startAgent(t, { configuration: on(await freePort()) });
  const home = await agent.pair();
  await agent.stop();
  // The card was flashed again.
  rmSync(agent.statePath, { recursive: true });
  const anew = await startAgent(t, { folder: agent.folder });
  assert.equal(anew.port, agent.port);
  assert.notEqual(anew.fingerprint, agent.fingerprint);
  const { code } = await issueCode(anew);
  const address = `127.0.0.1:${agent.port}`;

  const verbs = [
    ["call", "math.add", "1", "2"],
    ["info", "-a", address],
    ["pair", address, "--code", code],
  ];
  const [plain, ...refused] = await Promise.all([
    anew.tether(["ping"], { home }),
    ...verbs.map((args) => anew.tether([...args, "--json"], { home })),
  ]);
  for (const [n, ended] of refused.entries()) {
    const args = verbs[n] ?? [];
    const verb = args.join(" ");
    assert.equal(ended.code, 4, verb);
    assert.equal(ended.stdout, "", verb);
    const error = errorIn(ended.stderr);
    assert.equal(error.code, "unauthorized", verb);
    assert.ok(error.message.includes(agent.fingerprint) && error.message.includes(anew.fingerprint), verb);
    assert.match(error.hint ?? "", /tether forget test-agent/, verb);
  }
  assert.match(plain.stderr, /^tether: the key of test-agent at [^\n]* has changed: [^\n]*\n$/);
  assert.equal((await agentsOf(anew, home))[0]?.fingerprint, agent.fingerprint, "the pin stays");

  assert.equal((await anew.tether(["forget", "test-agent"], { home })).code, 0);
  const paired = await anew.tether(["pair", address, "--code", code], { home });
  assert.equal(paired.code, 0, `the code is still good: ${paired.stderr}`);
  assert.equal((await anew.tether(["call", "math.add", "1", "2"], { home })).stdout, "3\n");
});

test("another agent of the same host, on another port, is simply another agent", async (t) => {
  const [one, other] = await Promise.all([startAgent(t), startAgent(t)]);
  const home = await one.pair();
  await other.pair(home);
  const agents = await agentsOf(one, home);
  assert.deepEqual(
    agents.map(({ name, port }) => ({ name, port })),
    [
      { name: "test-agent", port: one.port },
      { name: "test-agent-2", port: other.port },
    ],
  );
});

test("an agent that has moved is found, and whoever lives at its old address is no imposter", async (t) => {
  const [old, next] = [await freePort(), await freePort()];
  // The discovery port is the one at which it is asked for because it listened there before.
  const agent = await startAgent(t, { configuration: on(old, old) });
  const [home, newcomers] = [await agent.pair(), await agent.pair()];
  await agent.stop();
  const moved = await startAgent(t, { folder: agent.folder, configuration: on(next, old) });
  assert.equal(moved.fingerprint, agent.fingerprint);
  const lodger = await startAgent(t, { configuration: { ...on(old), name: "lodger" } });

  const call = await moved.tether(["call", "math.add", "1", "2"], { home });
  assert.deepEqual(call, { code: 0, stdout: "3\n", stderr: "" });
  const [known] = await agentsOf(moved, home);
  assert.equal(known?.port, next, "its new place is remembered");

  const { code } = await issueCode(lodger);
  const address = `127.0.0.1:${old}`;
  const paired = await lodger.tether(["pair", address, "--code", code], { home });
  assert.deepEqual({ code: paired.code, stderr: paired.stderr }, { code: 0, stderr: "" });
  const names = await lodger.tether(["call", "system.info", "-a", address, "--json"], { home });
  assert.equal(JSON.parse(names.stdout).name, "lodger");

  // Nobody has told this laptop of the move yet.
  const second = await issueCode(lodger);
  const pairing = await lodger.tether(["pair", address, "--code", second.code], { home: newcomers });
  assert.deepEqual({ code: pairing.code, stderr: pairing.stderr }, { code: 0, stderr: "" });
  assert.deepEqual(
    (await agentsOf(lodger, newcomers)).map(({ name, port }) => ({ name, port })),
    [
      { name: "test-agent", port: next },
      { name: "lodger", port: old },
    ],
  );
});

test("an agent that is nowhere is unreachable", async (t) => {
  const agent = await startAgent(t);
  const home = await agent.pair();
  await agent.stop();
  const ended = await agent.tether(["call", "math.add", "1", "2", "--json"], { home });
  assert.equal(ended.code, 3);
  assert.equal(errorIn(ended.stderr).code, "unreachable");
  const before = performance.now();
  const bounded = await agent.tether(["info", "--timeout", "100ms", "--json"], { home });
  assert.equal(bounded.code, 3);
  assert.ok(performance.now() - before < 5_000);
});
