import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { writeFileSync } from "node:fs";
import { test } from "node:test";
import { connect } from "../../controller/index.ts";
import { type AgentProcess, startAgent } from "../agent-process.ts";
import { freePort } from "../free-port.ts";
import { BENCH } from "./bench-device.ts";

/** Writes another configuration, asks the agent to read it, and waits for the line that says what became of it. */
async function reload(agent: AgentProcess, configuration: object | string, event = "configuration-read") {
  const from = agent.log.length;
  const text = typeof configuration === "string" ? configuration : JSON.stringify(configuration);
  writeFileSync(agent.configurationFile, text);
  agent.signal("SIGHUP");
  return agent.line(event, undefined, from);
}

async function foundAt(agent: AgentProcess, port: number) {
  const args = ["discover", "--json", "--timeout", "400ms", "--port", String(port), "--target", "127.0.0.1"];
  const { stdout } = await agent.tether(args, { home: agent.makeHome() });
  return (JSON.parse(stdout) as { id: string; name: string; tags: string[]; port: number }[]).map(
    ({ name, tags, port: service }) => ({ name, tags, port: service }),
  );
}

test("SIGHUP applies name, tags, devices, limits and discovery, and keeps sessions", async (t) => {
  const [before, after] = [await freePort(), await freePort()];
  const base = { listen: { host: "127.0.0.1", port: 0 } };
  const first = { ...base, name: "first", discovery: { port: before }, devices: [BENCH] };
  const agent = await startAgent(t, { configuration: first });
  const folder = await agent.pair();
  const client = await connect(undefined, { folder });
  t.after(() => client.close());
  const waiting = assert.rejects(client.call("devices.bench.silence"), { code: "cancelled" });
  const other = { ...BENCH, name: "other" };
  const second = {
    ...base,
    name: "second",
    tags: ["lab"],
    discovery: { port: after },
    devices: [BENCH, other],
    limits: { queuedCalls: 1 },
  };
  assert.deepEqual(await foundAt(agent, before), [{ name: "first", tags: [], port: agent.port }]);

  const line = await reload(agent, second);
  assert.equal(line.needsRestart, undefined);
  // The call that was in flight still is, so that with the new limit no other fits.
  await assert.rejects(client.call("devices.other.silence"), { code: "busy" });
  const status = JSON.parse((await agent.tetherd(["status", "--json"])).stdout);
  assert.equal(status.name, "second");
  assert.deepEqual(
    status.devices.map(({ name }: { name: string }) => name),
    ["bench", "other"],
  );
  assert.equal(status.sessions, 1);
  assert.deepEqual(await foundAt(agent, after), [{ name: "second", tags: ["lab"], port: agent.port }]);
  assert.deepEqual(await foundAt(agent, before), []);

  await reload(agent, { ...base, devices: [other], discovery: { broadcast: false } });
  await waiting;
  assert.deepEqual(await foundAt(agent, after), []);
  const commands = await client.procedures("devices.");
  assert.ok(commands.every(({ name }) => !name.startsWith("devices.bench.")));
  assert.equal(commands.filter(({ name }) => name.startsWith("devices.other.")).length, 3);
  assert.equal(await client.call("math.add", [1, 2]), 3, "the session has seen it all");
});

test("a bad file is reported and the old one stays; what needs a restart is named each time", async (t) => {
  const base = { name: "steady", listen: { host: "127.0.0.1", port: 0 }, discovery: { broadcast: false } };
  const agent = await startAgent(t, { configuration: base });
  const home = await agent.pair();
  const bad = await reload(agent, "name: other\nlisten: { prot: 1 }\n", "configuration-refused");
  assert.equal(bad.level, "error");
  assert.match(bad.message, /the old configuration stays: .*agent\.yaml:2:11: .*"prot"/);
  const status = JSON.parse((await agent.tetherd(["status", "--json"])).stdout);
  assert.equal(status.name, "steady");
  assert.equal((await agent.tether(["call", "math.add", "1", "2"], { home })).stdout, "3\n");

  const moved = {
    ...base,
    listen: { host: "127.0.0.1", port: 1 },
    files: { root: `${agent.folder}/files` },
  };
  for (const time of ["first", "second"]) {
    const line = await reload(agent, moved);
    assert.equal(line.needsRestart, "listen,files.root", time);
    assert.match(line.message, /listen and files\.root take effect after a restart/);
  }
  assert.equal((await agent.tether(["call", "math.add", "1", "2"], { home })).stdout, "3\n");
});

test("a discovery port that another program has is reported, and the agent goes on", async (t) => {
  const taken = createSocket("udp4");
  await new Promise<void>((resolve) => taken.bind({ port: 0, exclusive: true }, resolve));
  t.after(() => taken.close());
  const agent = await startAgent(t);
  const line = await reload(
    agent,
    { listen: { host: "127.0.0.1", port: 0 }, discovery: { port: taken.address().port } },
    "discovery-failed",
  );
  assert.match(line.message, /in use|taken/);
  assert.equal((await agent.tetherd(["status"])).code, 0);
});

test("many SIGHUPs at once do no harm", async (t) => {
  const agent = await startAgent(t, { configuration: { devices: [BENCH] } });
  const from = agent.log.length;
  for (let n = 0; n < 20; n++) agent.signal("SIGHUP");
  await agent.line("configuration-read", undefined, from);
  const last = await reload(agent, { name: "last", listen: { host: "127.0.0.1", port: 0 } });
  assert.equal(last.level, "info");
  assert.equal((await agent.tetherd(["status"])).code, 0);
});
