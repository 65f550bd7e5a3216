import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { programArguments, startAgent } from "../agent-process.ts";
import { freePort } from "../free-port.ts";

test("discover lists who answers, and who is paired; nobody is no failure", async (t) => {
  const port = await freePort();
  const configuration = { listen: { host: "127.0.0.1", port: 0 }, discovery: { port } };
  const [paired, other] = await Promise.all([
    startAgent(t, { configuration: { ...configuration, name: "paired", tags: ["lab"] } }),
    startAgent(t, { configuration: { ...configuration, name: "other" } }),
  ]);
  const home = await paired.pair();
  const ended = await paired.tether(["discover", "--json", "--port", String(port)], { home });
  assert.deepEqual([ended.code, ended.stderr], [0, ""]);
  const found = JSON.parse(ended.stdout).sort((a: { name: string }, b: { name: string }) =>
    b.name.localeCompare(a.name),
  );
  assert.equal(found.length, 2);
  for (const agent of found) {
    const keys = ["id", "name", "address", "port", "version", "fingerprint", "paired", "tags"];
    assert.deepEqual(Object.keys(agent), keys);
  }
  const [first, second] = found;
  assert.deepEqual(
    { ...first, id: "", version: "" },
    {
      id: "",
      version: "",
      name: "paired",
      address: "127.0.0.1",
      port: paired.port,
      fingerprint: paired.fingerprint,
      paired: true,
      tags: ["lab"],
    },
  );
  assert.deepEqual([second.name, second.paired, second.port], ["other", false, other.port]);
  const plain = await paired.tether(["discover", "--timeout", "300ms", "--port", String(port)], { home });
  assert.match(plain.stdout, /^NAME +ADDRESS +PORT +PAIRED/);

  const empty = String(await freePort());
  const before = performance.now();
  const none = await paired.tether(["discover", "--json", "--timeout", "200ms", "--port", empty], { home });
  assert.deepEqual(none, { code: 0, stdout: "[]\n", stderr: "" });
  assert.ok(performance.now() - before >= 200);
  const said = await paired.tether(["discover", "--timeout", "100ms", "--port", empty], { home });
  assert.deepEqual([said.code, said.stdout], [0, ""]);
  assert.match(said.stderr, /^tether: nobody answered \([^\n]*--target[^\n]*\)\n$/);
  const targets = ["--target", "127.0.0.1", "nowhere.invalid"];
  const unresolved = await paired.tether(
    ["discover", "--json", "--timeout", "300ms", "--port", String(port), ...targets],
    { home },
  );
  assert.equal(unresolved.code, 0);
  assert.match(unresolved.stderr, /nowhere\.invalid has no address/);
});

test("discover --watch --json tells of arrivals and departures as they happen, a line each", async (t) => {
  const port = await freePort();
  const configuration = { name: "comes", listen: { host: "127.0.0.1", port: 0 }, discovery: { port } };
  const args = [...programArguments("tether"), "discover", "--watch", "--json", "--port", String(port)];
  const watcher = spawn(process.execPath, args, {
    env: { ...process.env, TETHER_HOME: "/nonexistent" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  t.after(() => watcher.kill("SIGKILL"));
  const lines = createInterface({ input: watcher.stdout })[Symbol.asyncIterator]();
  const next = async () => JSON.parse(String((await lines.next()).value));

  const agent = await startAgent(t, { configuration });
  const arrival = await next();
  assert.deepEqual(Object.keys(arrival), ["time", "event", "agent"]);
  assert.deepEqual([arrival.event, arrival.agent.name, arrival.agent.port], ["arrived", "comes", agent.port]);
  await agent.stop();
  const departure = await next();
  assert.deepEqual([departure.event, departure.agent.id], ["departed", arrival.agent.id]);
  const again = await startAgent(t, { folder: agent.folder });
  const back = await next();
  assert.equal(back.agent.id, arrival.agent.id);
  assert.equal(back.agent.port, again.port);
  const gone = new Promise((resolve) => watcher.once("exit", resolve));
  watcher.kill("SIGINT");
  await gone;
});
