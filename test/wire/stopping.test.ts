import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { programArguments, startAgent } from "../agent-process.ts";
import { until } from "../firmware-bridge/until.ts";
import { identityOf, RawController, strangerIdentity } from "./raw-controller.ts";
import { callText, END, jsonOf, KIND, MORE, rawOpen, TYPE } from "./raw-frames.ts";

/** A device that never answers: its command runs until its timeout. */
const SLOW = {
  name: "slow",
  serial: { simulate: "bench" },
  driver: "line",
  line: { timeout: "2s" },
  commands: { wait: { send: "NOTHING ANSWERS THIS", expect: "^never$" } },
};

test("SIGTERM lets the call in flight finish, refuses new ones, and exits 0", async (t) => {
  const agent = await startAgent(t, { configuration: { devices: [SLOW] } });
  const identity = identityOf(await agent.pair());
  const controller = (await RawController.connect(agent.port, identity)).greet();
  controller.send(rawOpen(1, KIND.call, callText("devices.slow.wait", []), END));
  controller.send(rawOpen(3, KIND.call, callText("math.add", [1, 2]), END));
  await controller.next(TYPE.document, 3);
  const start = performance.now();
  agent.signal("SIGTERM");
  await agent.line("stopping");
  await until(async () => {
    await assert.rejects(RawController.connect(agent.port, identity));
    return true;
  }, "the closed port");
  controller.send(rawOpen(5, KIND.call, callText("math.add", [1, 2]), END));
  assert.equal(jsonOf(await controller.next(TYPE.reset, 5)).code, "unreachable");
  const answer = jsonOf(await controller.next(TYPE.document, 1));
  assert.ok(answer.result !== undefined || answer.error !== undefined, "the call has its answer");
  assert.match(String(jsonOf(await controller.closed()).message), /stopping/);
  assert.equal(await agent.stop(), 0);
  const taken = performance.now() - start;
  assert.ok(taken < 30_000, `${taken} ms`);
  assert.equal(agent.stderr, "");
});

test("SIGTERM ends within 5 s whatever peers do: a call that takes longer, endless streams, no reading", async (t) => {
  const slower = { ...SLOW, line: { timeout: "60s" } };
  const agent = await startAgent(t, { configuration: { devices: [slower] } });
  const identity = identityOf(await agent.pair());
  const calling = (await RawController.connect(agent.port, identity)).greet();
  calling.send(rawOpen(1, KIND.call, callText("devices.slow.wait", []), END));
  // It asks for the deadline of a day, whose timer must not keep the process.
  const long = JSON.stringify({
    ...(JSON.parse(callText("devices.slow.wait", [])) as object),
    timeoutMs: 86_400_000,
  });
  calling.send(rawOpen(3, KIND.call, long, END));
  calling.send(rawOpen(5, 3, '{"follow":true}', END));
  calling.send(rawOpen(7, KIND.call, "[", MORE));
  await calling.next(TYPE.document, 5);

  const deaf = (await RawController.connect(agent.port, identity)).greet();
  deaf.socket.pause();
  const big = callText("text.upper", ["x".repeat(40_000)]);
  for (let at = 0; at < 900; at++) deaf.send(rawOpen(2 * at + 1, KIND.call, big, END));
  const stranger = await RawController.connect(agent.port, strangerIdentity());
  stranger.socket.pause();
  const raw = connect(agent.port, "127.0.0.1");
  await once(raw, "connect");
  raw.on("error", () => undefined);
  t.after(() => {
    for (const socket of [calling.socket, deaf.socket, stranger.socket, raw]) socket.destroy();
  });

  const start = performance.now();
  assert.equal(await agent.stop(), 0);
  const taken = performance.now() - start;
  assert.ok(taken < 30_000, `${taken} ms`);
  assert.equal(agent.stderr, "");
  assert.equal(jsonOf(await calling.next(TYPE.reset, 5)).code, "unreachable");
  // And the state folder is free again.
  const again = await startAgent(t, { folder: agent.folder });
  assert.equal(await again.stop("SIGINT"), 0);
});

test("the agent goes on when the reader of its log has gone", async (t) => {
  const agent = await startAgent(t);
  const home = await agent.pair();
  const state = join(agent.folder, "other");
  const config = ["--config", agent.configurationFile, "--state", state];
  const child = spawn(process.execPath, [...programArguments("tetherd"), "run", ...config]);
  const killed = once(child, "exit");
  t.after(() => child.kill("SIGKILL"));
  const port = await new Promise<number>((resolve) => {
    let log = "";
    child.stdout.setEncoding("utf8").on("data", (more: string) => {
      log += more;
      const ready = log.split("\n").find((line) => line.includes('"event":"ready"') && line.endsWith("}"));
      if (ready !== undefined) resolve((JSON.parse(ready) as { port: number }).port);
    });
  });
  child.stdout.destroy();
  child.stderr.destroy();
  for (let at = 0; at < 3; at++) {
    const controller = (await RawController.connect(port, identityOf(home))).greet();
    controller.send(rawOpen(1, KIND.call, callText("math.add", [1]), END));
    assert.equal(jsonOf(await controller.next(TYPE.reset, 1)).code, "unauthorized");
    controller.destroy();
  }
  child.kill("SIGTERM");
  const [code] = (await killed) as [number];
  assert.equal(code, 0);
});

test("a controller that is paired again with another role loses its sessions, not those of its own role", async (t) => {
  const agent = await startAgent(t);
  const home = await agent.pair();
  const session = (await RawController.connect(agent.port, identityOf(home))).greet();
  assert.equal((jsonOf(await session.next(TYPE.hello)).agent as { role: string }).role, "admin");
  await agent.pair(home);
  session.send(rawOpen(1, KIND.call, callText("math.add", [1, 2]), END));
  assert.equal(jsonOf(await session.next(TYPE.document, 1)).result, 3);
  await agent.pair(home, { role: "viewer" });
  assert.equal(jsonOf(await session.closed()).code, "forbidden");
  const next = (await RawController.connect(agent.port, identityOf(home))).greet();
  t.after(() => next.destroy());
  assert.equal((jsonOf(await next.next(TYPE.hello)).agent as { role: string }).role, "viewer");
});

test("tether ends in silence when its output is closed, and in time when the agent stands still", async (t) => {
  const agent = await startAgent(t);
  const home = await agent.pair();
  const env = { ...process.env, TETHER_HOME: home };
  const start = (...args: readonly string[]) =>
    spawn(process.execPath, [...programArguments("tether"), ...args], { env });

  const procedures = start("procedures");
  procedures.stdout.destroy();
  const [[code], complaint] = await Promise.all([once(procedures, "exit"), text(procedures.stderr)]);
  assert.equal(code, 0);
  assert.equal(complaint, "");

  agent.signal("SIGSTOP");
  t.after(() => agent.signal("SIGCONT"));
  const began = performance.now();
  const call = start("call", "math.add", "1", "--timeout", "1s");
  const [[late], why] = await Promise.all([once(call, "exit"), text(call.stderr)]);
  assert.equal(late, 3, why);
  const taken = performance.now() - began;
  assert.ok(taken < 30_000, `${taken} ms`);
});
