import assert from "node:assert/strict";
import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { type AgentProcess, startAgent, succeeded } from "../agent-process.ts";
import { processesMarked, RunningTether, startProgramAgent, until } from "./program-agent.ts";

async function start(agent: AgentProcess, ...command: readonly string[]): Promise<string> {
  const { stdout } = succeeded(await agent.tether(["exec", "--detach", "--json", ...command]));
  return (JSON.parse(stdout) as { id: string }).id;
}

async function listed(agent: AgentProcess, id: string): Promise<{ readonly [fact: string]: unknown }> {
  const { stdout } = succeeded(await agent.tether(["jobs", "--json"]));
  const job = (JSON.parse(stdout) as { id: string }[]).find((one) => one.id === id);
  assert.ok(job, `${id} in ${stdout}`);
  return job as unknown as { readonly [fact: string]: unknown };
}

test("a job outlives its controller, and is read, waited for and cancelled by its id", async (t) => {
  const { agent, home } = await startProgramAgent(t);
  const gate = join(agent.folder, "gate");
  const script = `echo one; echo err >&2; while ! [ -e ${gate} ]; do sleep 0.02; done; echo two; exit 5`;
  const id = await start(agent, "--", "sh", "-c", script);
  const follower = new RunningTether(t, home, ["job", "logs", "-f", id]);
  await follower.said(/one/);
  assert.equal((await listed(agent, id)).state, "running");
  const waiter = new RunningTether(t, home, ["job", "wait", id]);
  succeeded(await agent.tether(["exec", "--", "touch", gate]));
  assert.equal(await waiter.ended(), 5);
  assert.equal(await follower.ended(), 0);
  assert.equal(follower.stdout, "one\ntwo\n");
  assert.equal(follower.stderr, "err\n");
  assert.equal((await agent.tether(["job", "logs", "--from", "8", id])).stdout, "two\n");
  assert.equal((await agent.tether(["job", "logs", "--from", "10", id])).stdout, "o\n");
  assert.equal((await listed(agent, id)).exitCode, 5);
  assert.equal((await agent.tether(["job", "wait", "nobody"])).code, 255);

  const long = await start(agent, "--env", "MARK=cancelled", "--", "sh", "-c", "sleep 300 & wait");
  await until(() => processesMarked("MARK", "cancelled").length >= 2, "the job's processes");
  succeeded(await agent.tether(["job", "cancel", long]));
  assert.deepEqual(processesMarked("MARK", "cancelled"), []);
  assert.equal((await listed(agent, long)).fate, "cancelled");
  assert.equal((await agent.tether(["job", "wait", long])).code, 143);

  const missing = await agent.tether(["exec", "--detach", "--", "no-such-program"]);
  assert.notEqual(missing.code, 0);
});

test("output is kept on disk, privately and bounded, and what was given up is said", async (t) => {
  const { agent } = await startProgramAgent(t);
  const id = await start(agent, "--", "sh", "-c", "head -c 12000000 /dev/zero; printf end");
  assert.equal((await agent.tether(["job", "wait", id])).code, 0);
  const job = await listed(agent, id);
  assert.equal(job.outputBytes, 12_000_003);
  const folder = join(agent.statePath, "jobs", id);
  const bytes = readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
  assert.ok(bytes < 9.5 * 1024 * 1024, String(bytes));
  assert.equal(statSync(folder).mode & 0o777, 0o700);
  for (const name of readdirSync(folder)) assert.equal(statSync(join(folder, name)).mode & 0o777, 0o600);
  const log = await agent.tether(["job", "logs", id]);
  assert.ok(log.stdout.endsWith("end"));
  assert.equal(log.stdout.length, job.keptBytes);
  assert.match(log.stderr, /bytes before this are no longer kept/);
});

test("after a restart of the agent jobs are listed with how they ended", async (t) => {
  const { agent, home } = await startProgramAgent(t);
  const done = await start(agent, "--", "sh", "-c", "echo kept; exit 3");
  assert.equal((await agent.tether(["job", "wait", done])).code, 3);
  const stopped = await start(agent, "--env", "MARK=stopped", "--", "sleep", "300");
  assert.equal(await agent.stop(), 0);
  assert.deepEqual(processesMarked("MARK", "stopped"), []);

  const second = await startAgent(t, { folder: agent.folder });
  const on = (args: readonly string[]) =>
    second.tether(["-a", `127.0.0.1:${second.port}`, ...args], { home });
  const jobs = async () =>
    JSON.parse(succeeded(await on(["jobs", "--json"])).stdout) as {
      id: string;
      exitCode: number;
      fate: string;
    }[];
  assert.deepEqual(
    (await jobs()).map(({ id, exitCode, fate }) => [id, exitCode, fate]),
    [
      [done, 3, null],
      [stopped, 143, "agent-stopped"],
    ],
  );
  assert.equal((await on(["job", "logs", done])).stdout, "kept\n");
  assert.equal((await on(["job", "wait", done])).code, 3);

  const { stdout } = succeeded(
    await on(["exec", "--detach", "--json", "--env", "MARK=orphan", "--", "sleep", "300"]),
  );
  const orphan = (JSON.parse(stdout) as { id: string }).id;
  await second.stop("SIGKILL");
  const third = await startAgent(t, { folder: agent.folder });
  assert.deepEqual(processesMarked("MARK", "orphan"), []);
  const last = await third.tether(["-a", `127.0.0.1:${third.port}`, "job", "wait", orphan], { home });
  assert.equal(last.code, 255);
  assert.match(last.stderr, /agent restarted/);
  assert.ok(existsSync(join(agent.statePath, "jobs", orphan)));
});
