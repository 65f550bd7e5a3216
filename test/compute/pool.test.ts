import assert from "node:assert/strict";
import { after, test } from "node:test";
import type { TetherError } from "../../protocol/index.ts";
import { until } from "../firmware-bridge/until.ts";
import { procedureFile, startComputing } from "./procedures-folder.ts";
import { descendants } from "./processes.ts";

const FILE = procedureFile({
  "work.pid": "() => process.pid",
  "work.spin": "() => { for (;;); }",
  // Ends as soon as it hears of it.
  "work.wait":
    "(_, { signal, log }) => new Promise((_, reject) => { log('waiting'); signal.onabort = () => { log('heard: ' + signal.reason.message); reject(signal.reason); }; })",
  "work.deaf": "(_, { log }) => { log('deaf'); return new Promise(() => setInterval(() => {}, 1000)); }",
  "work.twice": "async (_, { call }) => [await call('work.pid'), process.pid]",
  "work.product": "async (_, { call }) => call('math.multiply', [6, 7])",
  "work.led": "(_, { devices }) => devices.bench.led({ state: 1 })",
  "work.admin": "(_, { call }) => call('work.secret')",
  "work.forever": "(_, { call }) => call('work.forever')",
  "work.start":
    "async () => { const { spawn } = await import('node:child_process'); return spawn('sleep', ['1000']).pid; }",
});
const SECRET = `export const procedures = [{ name: "work.secret", summary: "", parameters: {}, role: "admin", run: () => 1 }];`;

const computing = await startComputing(
  { after },
  { "work.mjs": FILE, "secret.mjs": SECRET },
  { limits: { queuedCalls: 16 } },
);
const { agent } = computing;
const client = await computing.connect();
const failure = (call: Promise<unknown>) =>
  call.then(
    (result) => assert.fail(`it gave ${result}`),
    (error: TetherError) => error,
  );
/** Fills both processes with work that only an end of theirs ends. */
async function spin(count: number) {
  const stop = new AbortController();
  const calls = Array.from({ length: count }, () =>
    failure(client.call("work.spin", [], { signal: stop.signal })),
  );
  await until(() => descendants(agent.pid).length >= 2, "two processes");
  return { stop: () => stop.abort(), calls };
}

test("a process is started when needed, and used again", async () => {
  assert.deepEqual(descendants(agent.pid), [], "none before the first call");
  const pid = await client.call("work.pid", []);
  assert.notEqual(pid, agent.pid);
  assert.equal(await client.call("work.pid", []), pid);
  assert.deepEqual(descendants(agent.pid), [pid]);
});

test("while every process is busy, a light call and a sign of life are answered, and waiting is bounded", async () => {
  const { stop, calls } = await spin(10);
  assert.ok((await client.ping({ timeout: 5_000 })) > 0);
  assert.equal(await client.call("math.multiply", [6, 7], { timeout: 5_000 }), 42);
  const refused = await failure(client.call("work.pid", []));
  assert.equal(refused.code, "busy");
  assert.match(refused.message, /^8 calls of user procedures are waiting already$/);
  const late = await failure(
    computing.connect().then((other) => other.call("work.pid", [], { timeout: 50 })),
  );
  assert.equal(late.code, "busy");
  stop();
  await Promise.all(calls);
  assert.equal(typeof (await client.call("work.pid", [])), "number", "there is room again");
});

test("a call that waits is given up without its turn", async () => {
  const { stop, calls } = await spin(2);
  const error = await failure(client.call("work.pid", [], { timeout: 50 }));
  assert.equal(error.code, "timeout");
  stop();
  await Promise.all(calls);
});

test("cancel reaches the work, which ends by itself", async () => {
  const pid = await client.call("work.pid", []);
  const from = agent.log.length;
  const stop = new AbortController();
  const call = failure(client.call("work.wait", [], { signal: stop.signal }));
  await agent.line("procedure-log", ({ message }) => message === "work.wait: waiting", from);
  stop.abort();
  assert.equal((await call).code, "cancelled");
  await agent.line("procedure-log", ({ message }) => message.startsWith("work.wait: heard: "), from);
  assert.equal(typeof (await client.call("work.pid", [])), "number");
  assert.ok(descendants(agent.pid).includes(Number(pid)), "its process goes on");
});

test("so does the deadline, and who does not listen is ended and replaced", async () => {
  const pid = await client.call("work.pid", []);
  const from = agent.log.length;
  const call = failure(client.call("work.deaf", [], { timeout: 300 }));
  await agent.line("procedure-log", ({ message }) => message === "work.deaf: deaf", from);
  assert.equal((await call).code, "timeout");
  await until(() => !descendants(agent.pid).includes(Number(pid)), "the end of the process");
  assert.notEqual(await client.call("work.pid", []), pid);
});

test("procedures call each other in one process, the agent's own too, and not without end", async () => {
  const [inner, outer] = (await client.call("work.twice", [])) as number[];
  assert.equal(inner, outer);
  assert.equal(await client.call("work.product", []), 42);
  const error = await failure(client.call("work.forever", []));
  assert.equal(error.code, "limit");
  assert.match(error.message, /more than 16 deep/);
  // As many as there are processes, each waiting for another: nobody waits forever.
  const all = Array.from({ length: 6 }, () => client.call("work.twice", [], { timeout: 20_000 }));
  assert.equal((await Promise.all(all)).length, 6);
});

test("a procedure has the role of its caller and no other", async () => {
  assert.equal(await client.call("work.admin", []), 1);
  const operator = await agent.pair(agent.makeHome(), { role: "operator" });
  const call = (name: string) => agent.tether(["call", name, "--json"], { home: operator });
  assert.equal((await call("work.pid")).code, 0, "operator is the role of a procedure that says none");
  assert.match((await call("work.admin")).stderr, /"forbidden".*work\.secret needs the role admin/);
  const viewer = await agent.pair(agent.makeHome(), { role: "viewer" });
  const refused = await agent.tether(["call", "work.pid"], { home: viewer });
  assert.equal(refused.code, 4);
});

test("a device that is not there is an error of the call", async () => {
  const error = await failure(client.call("work.led", []));
  assert.equal(error.code, "not-found");
  assert.match(error.message, /devices\.bench\.led/);
});

test("what a procedure has started ends with its process, and that with the agent", async () => {
  const child = Number(await client.call("work.start", []));
  assert.ok(descendants(agent.pid).includes(child));
  const running = descendants(agent.pid);
  assert.equal(await agent.stop(), 0);
  for (const pid of running) await until(() => !isAlive(pid), `the end of ${pid}`);
  assert.equal(agent.stderr, "");
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
