import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect as connectTcp } from "node:net";
import { type TestContext, test } from "node:test";
import { type AgentProcess, programArguments, startAgent } from "../agent-process.ts";
import { BENCH } from "./bench-device.ts";
import { errorIn } from "./owner-acts.ts";
import { connectStranger } from "./stranger.ts";

/** Milliseconds that the contract gives an agent to end. */
const END_WITHIN = 5_000;

/** Starts `tether` and leaves it alone. */
function startTether(t: TestContext, args: readonly string[], home: string) {
  const child = spawn(process.execPath, [...programArguments("tether"), ...args], {
    env: { ...process.env, TETHER_HOME: home },
    stdio: "ignore",
  });
  t.after(() => child.kill("SIGKILL"));
  return child;
}

async function timeToEnd(agent: AgentProcess, signal: NodeJS.Signals): Promise<number> {
  const before = performance.now();
  assert.equal(await agent.stop(signal), 0);
  return performance.now() - before;
}

test("SIGTERM ends an idle agent at once, with 0; SIGINT too", async (t) => {
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    const agent = await startAgent(t, { configuration: { devices: [BENCH] } });
    assert.ok((await timeToEnd(agent, signal)) < 2_000);
    assert.equal(agent.log.at(-1)?.event, "stopped");
    assert.equal(agent.stderr, "");
  }
});

test("SIGTERM ends it within 5 s whatever its clients do, and tells those who wait", async (t) => {
  const agent = await startAgent(t, { configuration: { devices: [BENCH] } });
  const home = await agent.pair();
  const call = agent.tether(["call", "devices.bench.silence", "--json"], { home });
  const connected = () => agent.log.filter(({ event }) => event === "connected").length;
  await agent.line("connected");

  const silent = connectTcp({ host: "127.0.0.1", port: agent.port });
  t.after(() => silent.destroy());
  await once(silent, "connect");
  const deaf = await connectStranger(t, agent.port);
  deaf.socket.pause();
  const stopped = startTether(t, ["call", "devices.bench.silence"], home);
  startTether(t, ["logs", "-f"], home);
  await agent.line("connected", () => connected() >= 3);
  stopped.kill("SIGSTOP");

  assert.ok((await timeToEnd(agent, "SIGTERM")) < END_WITHIN);
  const ended = await call;
  assert.equal(ended.code, 3);
  assert.match(errorIn(ended.stderr).message, /stopping/);
  assert.equal(agent.stderr, "");
});

test("a call that needs a moment is finished, not cut off, when the agent ends", async (t) => {
  const slow = { ...BENCH, commands: { ...BENCH.commands, press: { send: "PRESS", expect: "^BTN" } } };
  const agent = await startAgent(t, { configuration: { devices: [slow] } });
  const home = await agent.pair();
  const calls = Array.from({ length: 3 }, () => agent.tether(["call", "devices.bench.press"], { home }));
  await agent.line("connected", () => agent.log.filter(({ event }) => event === "connected").length === 3);
  await agent.stop();
  for (const { code, stdout } of await Promise.all(calls)) {
    // Whoever connected and had not asked yet is refused; nobody gets half an answer.
    if (code === 0) assert.match(stdout, /^BTN \d+\n$/);
    else assert.equal(code, 3);
  }
});

test("a second agent on the same state is refused in one line; a killed one leaves nothing behind", async (t) => {
  const agent = await startAgent(t);
  const args = ["run", "--config", agent.configurationFile];
  const second = await agent.tetherd(args);
  assert.equal(second.code, 1);
  assert.equal(second.stdout, "");
  assert.match(second.stderr, new RegExp(`^tetherd: another agent \\(process ${agent.pid}\\) [^\\n]*\\n$`));
  assert.equal((await agent.tetherd(["status"])).code, 0, "the first one still answers its owner");

  await agent.stop("SIGKILL");
  const orphan = await agent.tetherd(["status", "--json"]);
  assert.equal(orphan.code, 3);
  assert.equal(errorIn(orphan.stderr).code, "unreachable");
  const again = await startAgent(t, { folder: agent.folder });
  assert.equal(again.fingerprint, agent.fingerprint);
  assert.equal((await again.tetherd(["status"])).code, 0);
});

test("the agent outlives whoever reads its log", async (t) => {
  const agent = await startAgent(t);
  const home = await agent.pair();
  await agent.stop();
  const args = ["run", "--config", agent.configurationFile, "--state", agent.statePath];
  const child = spawn(process.execPath, [...programArguments("tetherd"), ...args], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  t.after(() => child.kill("SIGKILL"));
  child.stdout.setEncoding("utf8");
  let log = "";
  child.stdout.on("data", (text: string) => {
    log += text;
  });
  while (!log.includes('"event":"ready"')) await once(child.stdout, "data");
  child.stdout.destroy();
  child.stderr.destroy();
  const port = Number(/"port":(\d+)/.exec(log)?.[1]);
  // Each of these is a line of the log.
  for (let n = 0; n < 3; n++) (await connectStranger(t, port)).close();
  const call = await agent.tether(["call", "math.add", "1", "2", "-a", `127.0.0.1:${port}`], { home });
  assert.equal(call.stdout, "3\n");
  const gone = once(child, "exit");
  child.kill("SIGTERM");
  assert.deepEqual(await gone, [0, null]);
});

test("ready is said once, last, when everything listens", async (t) => {
  const agent = await startAgent(t, { configuration: { devices: [BENCH] } });
  assert.equal((await agent.tetherd(["status"])).code, 0);
  const events = agent.log.map(({ event }) => event);
  assert.equal(events.filter((event) => event === "ready").length, 1);
  assert.ok(events.indexOf("device-state") < events.indexOf("ready"));
  const ready = agent.log.find(({ event }) => event === "ready");
  assert.equal(ready?.pid, agent.pid);
  assert.match(String(ready?.time), /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
});

test("a clean stop says nothing that sounds like trouble", async (t) => {
  const agent = await startAgent(t, { configuration: { devices: [BENCH] } });
  await agent.line("device-state", ({ state }) => state === "ready");
  assert.equal(await agent.stop(), 0);
  assert.deepEqual(
    agent.log.filter(({ level }) => level === "warn" || level === "error"),
    [],
  );
});
