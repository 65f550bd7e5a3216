import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { programArguments, startAgent } from "../agent-process.ts";
import { startFilingAgent } from "./filing-agent.ts";

const isLinux = process.platform === "linux";

test("each save arrives, also after the agent was away, until Ctrl-C", { skip: !isLinux }, async (t) => {
  const { agent, root, home, here } = await startFilingAgent(t);
  const [source, target] = [join(here, "source"), join(root, "target")];
  mkdirSync(join(source, "a/b"), { recursive: true });
  writeFileSync(join(source, "a/b/file"), "0");
  const args = ["sync", "--watch", "--delete", "--exclude", "*.tmp", "--json", source, ":target"];
  const child = spawn(process.execPath, [...programArguments("tether"), ...args], {
    env: { ...process.env, TETHER_HOME: home },
    stdio: ["ignore", "pipe", "pipe"],
  });
  t.after(() => child.kill("SIGKILL"));
  let [told, said] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    told += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    said += text;
  });
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  const arrives = async (path: string, content: string | undefined) => {
    const deadline = performance.now() + 20_000;
    // It may go between looking for it and opening it.
    const there = () => {
      try {
        return readFileSync(join(target, path), "utf8");
      } catch {
        return undefined;
      }
    };
    while (there() !== content) {
      assert.ok(performance.now() < deadline && child.exitCode === null, `${path} did not arrive: ${said}`);
      await wait(5);
    }
  };
  await arrives("a/b/file", "0");

  const times: number[] = [];
  for (let n = 1; n <= 10; n++) {
    const start = performance.now();
    writeFileSync(join(source, "a/b/file"), `saved ${n}`);
    await arrives("a/b/file", `saved ${n}`);
    times.push(performance.now() - start);
  }
  times.sort((x, y) => x - y);
  // A second is what is wanted of it.
  assert.ok((times[5] as number) < 1_000, `${times.map(Math.round)} ms`);
  t.diagnostic(`each save arrived in ${Math.round(times[5] as number)} ms`);

  // As editors save: beside it, then renamed.
  writeFileSync(join(source, "a/b/.file.tmp"), "by name");
  renameSync(join(source, "a/b/.file.tmp"), join(source, "a/b/file"));
  await arrives("a/b/file", "by name");
  assert.ok(!existsSync(join(target, "a/b/.file.tmp")));

  // A new folder, what comes in it later, and one that takes the place of another.
  mkdirSync(join(source, "new/deep"), { recursive: true });
  writeFileSync(join(source, "new/deep/file"), "1");
  await arrives("new/deep/file", "1");
  writeFileSync(join(source, "new/deep/file"), "2 later");
  await arrives("new/deep/file", "2 later");
  renameSync(join(source, "new"), join(source, "moved"));
  await arrives("moved/deep/file", "2 later");
  await arrives("new/deep/file", undefined);
  mkdirSync(join(source, "new/deep"), { recursive: true });
  writeFileSync(join(source, "new/deep/file"), "3");
  await arrives("new/deep/file", "3");
  rmSync(join(source, "new"), { recursive: true });
  await arrives("new/deep/file", undefined);

  // The agent goes and comes back; what was saved meanwhile arrives.
  await agent.stop("SIGKILL");
  writeFileSync(join(source, "a/b/file"), "while away");
  const { port, folder } = agent;
  await startAgent(t, { folder, configuration: { listen: { host: "127.0.0.1", port } } });
  await arrives("a/b/file", "while away");
  writeFileSync(join(source, "a/b/file"), "back again");
  await arrives("a/b/file", "back again");
  assert.match(said, /trying again/);

  // A failure is said and does not end it.
  symlinkSync("/etc/passwd", join(source, "out"));
  writeFileSync(join(source, "a/b/file"), "beside a failure");
  await arrives("a/b/file", "beside a failure");
  while (!said.includes("leads out")) {
    assert.ok(child.exitCode === null, said);
    await wait(5);
  }

  child.kill("SIGINT");
  assert.equal(await ended, 0);
  const lines = told
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { files: number });
  assert.ok(lines.length > 10 && lines.every(({ files }) => files >= 0));
});

test("only a folder here is watched, and nothing on a dry run", { skip: !isLinux }, async (t) => {
  const { agent, home, here } = await startFilingAgent(t);
  writeFileSync(join(here, "file"), "x");
  for (const [args, pattern] of [
    [["--watch", ":a", here], /not on an agent/],
    [["--watch", "--dry-run", here, ":a"], /not with --dry-run/],
    [["--watch", join(here, "file"), ":a"], /not a folder/],
  ] as const) {
    const ended = await agent.tether(["sync", ...args], { home });
    assert.equal(ended.code, 2, ended.stderr);
    assert.match(ended.stderr, pattern);
  }
  const gone = await agent.tether(["sync", "--watch", join(here, "nothing"), ":a"], { home });
  assert.equal(gone.code, 1, gone.stderr);
});
