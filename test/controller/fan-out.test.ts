import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { type AgentProcess, runProgram, startAgent } from "../agent-process.ts";
import { errorIn } from "../end-to-end/owner-acts.ts";
import { SuiteOwner } from "../files/filing-agent.ts";
import { needs } from "../peers.ts";
import { processesMarked, RunningTether, until } from "../programs/program-agent.ts";
import { Terminal } from "../shell/terminal.ts";

const owner = new SuiteOwner();
const folder = mkdtempSync(join(tmpdir(), "tether-fan-out-"));
owner.after(() => rmSync(folder, { recursive: true, force: true }));
let red: AgentProcess;
let blue: AgentProcess;
let home: string;

before(async () => {
  const start = (name: string) =>
    startAgent(owner, { configuration: { name, tags: ["lab"], compute: { procedures: folder } } });
  // Slow where it is told to be, and otherwise quick.
  const slow = `export const procedures = [{ name: "slow", summary: "", parameters: { file: { type: "string" } },
    async run({ file }, { progress }) {
      const { existsSync } = await import("node:fs");
      for (let n = 0; !existsSync(file); n++) {
        progress({ done: n, note: "waiting" });
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      return "at last";
    } }];`;
  writeFileSync(join(folder, "slow.mjs"), slow, { mode: 0o644 });
  [red, blue] = await Promise.all([start("red"), start("blue")]);
  home = await red.pair();
  await blue.pair(home);
});
after(() => owner.undo());

const tether = (args: readonly string[], input = "") =>
  runProgram("tether", args, { home, input, cwd: folder });
const both = ["-a", "red", "-a", "blue"];

test("a program's lines come behind the agents' names, outputs apart, and each gets the whole input", async () => {
  const script = "cat; printf 'out\\n\\nlast'; echo err >&2";
  const ended = await tether(["exec", "--all", "--", "sh", "-c", script], "in\n");
  assert.equal(ended.code, 0, ended.stderr);
  const lines = (text: string) => text.trimEnd().split("\n").sort();
  assert.deepEqual(
    lines(ended.stdout),
    ["blue", "red"].flatMap((name) => [`${name}: `, `${name}: in`, `${name}: last`, `${name}: out`]),
  );
  assert.deepEqual(lines(ended.stderr), ["blue: err", "red: err"]);

  const json = await tether(["exec", "--json", ...both, "--", "sh", "-c", "cat; echo e >&2; exit 3"], "x");
  assert.equal(json.code, 5);
  const program = { exitCode: 3, signal: null, stdout: "x", stderr: "e\n" };
  assert.deepEqual(JSON.parse(json.stdout), { red: program, blue: program });

  const failed = await tether(["exec", ...both, "--", "sh", "-c", "exit 3"]);
  assert.equal(failed.code, 5);
  assert.deepEqual(lines(failed.stderr), ["tether: blue: exit code 3", "tether: red: exit code 3"]);
});

test("input that cannot be kept for all of them is refused, and ends them", async () => {
  const ended = await tether(["exec", "--all", "--", "cat"], "x".repeat(8 * 1024 * 1024 + 1));
  assert.equal(ended.code, 255);
  assert.match(ended.stderr, /the input for several agents has more than 8388608 bytes/);
});

test("more agents than a signal has listeners by default are nothing special", async () => {
  const nobody = Array.from({ length: 24 }, (_, n) => ["-a", `127.0.0.${n + 1}:1`]).flat();
  const ended = await tether(["call", "math.add", "1", "2", "-a", "red", ...nobody]);
  assert.equal(ended.code, 5);
  assert.equal(ended.stdout, "red:\n  3\n");
  const lines = ended.stderr.trimEnd().split("\n");
  assert.equal(lines.length, 24);
  for (const line of lines) assert.match(line, /^tether: 127\.0\.0\.\d+:1: no agent answers/);
});

test("logs of several come behind their names, or by name", async () => {
  const plain = await tether(["logs", "--all"]);
  assert.equal(plain.code, 0, plain.stderr);
  for (const name of ["red", "blue"]) assert.match(plain.stdout, new RegExp(`^${name}: \\S+Z info `, "m"));
  const json = JSON.parse((await tether(["logs", "--json", ...both])).stdout);
  assert.deepEqual(Object.keys(json), ["red", "blue"]);
  assert.ok(json.red.some(({ event }: { event: string }) => event === "ready"));
  assert.equal(errorIn((await tether(["logs", "-f", "--json", ...both])).stderr).code, "usage");
});

test("a script runs on each, and what it leaves comes into a folder for each", async () => {
  const script = join(folder, "leave.sh");
  writeFileSync(script, 'echo "$1 $TAG" > left.txt; echo done');
  const ended = await tether(["run", script, "word", "--env", "TAG=t", "--fetch", "*.txt", "--tag", "lab"]);
  assert.equal(ended.code, 0, ended.stderr);
  assert.deepEqual(ended.stdout.trimEnd().split("\n").sort(), ["blue: done", "red: done"]);
  for (const name of ["red", "blue"]) {
    assert.equal(readFileSync(join(folder, name, "left.txt"), "utf8"), "word t\n");
  }
});

test("the same file goes to each, as do the other verbs on files", async () => {
  writeFileSync(join(folder, "note.txt"), "hello");
  const put = await tether(["put", "note.txt", ":", "--all", "--json"]);
  assert.equal(put.code, 0, put.stderr);
  const outcomes = JSON.parse(put.stdout);
  for (const name of ["red", "blue"]) {
    assert.deepEqual([outcomes[name].files, outcomes[name].bytes], [1, 5], name);
    assert.equal((await tether(["cat", `${name}:note.txt`])).stdout, "hello");
  }
  assert.deepEqual(await tether(["mkdir", "sub", "--all"]), { code: 0, stdout: "", stderr: "" });
  assert.deepEqual(await tether(["mv", "note.txt", "sub/note.txt", ...both]), {
    code: 0,
    stdout: "",
    stderr: "",
  });
  const list = await tether(["ls", "sub", "--all", "--json"]);
  assert.deepEqual(
    Object.entries(JSON.parse(list.stdout) as Record<string, { name: string }[]>).map(([name, entries]) => [
      name,
      entries[0]?.name,
    ]),
    [
      ["red", "note.txt"],
      ["blue", "note.txt"],
    ],
  );
  await tether(["rm", "-r", "red:sub"]);
  const some = await tether(["rm", "-r", "sub", "--all"]);
  assert.equal(some.code, 5);
  assert.match(some.stderr, /^tether: red: .*sub/);

  const missing = await tether(["put", "no-such-file", ":", "--all"]);
  assert.equal(missing.code, 5);
  assert.equal(missing.stderr.trimEnd().split("\n").length, 2);
  const two = await tether(["put", "note.txt", "red:", "--all", "--json"]);
  assert.equal(errorIn(two.stderr).code, "usage");
});

test("what is for one agent at a time says so", async () => {
  for (const words of [
    ["shell"],
    ["exec", "-t", "--", "ls"],
    ["get", ":a", "."],
    ["cat", "a"],
    ["device", "watch", "bench"],
    ["forward", "80"],
    ["job", "wait", "1"],
  ]) {
    const [verb = "", ...rest] = words;
    const ended = await tether([verb, ...both, ...rest]);
    assert.equal(ended.code, 2, `${words}: ${ended.stderr}`);
    assert.match(
      ended.stderr,
      /one agent at a time, and 2 are meant \(name one of them with -a: red, blue\)/,
    );
  }
});

test("the slow one holds up nobody's result, and a table shows who is at work", async (t) => {
  if (!needs(t, "tmux")) return;
  const wait = join(folder, "go-on");
  // blue finds what it waits for at once.
  const alone = new RunningTether(t, home, ["call", "slow", wait, ...both]);
  const marker = new RunningTether(t, home, ["exec", ...both, "--", "sh", "-c", `test "$HOME" && echo here`]);
  await marker.said(/(red|blue): here/);
  assert.equal(await marker.ended(), 0);

  const terminal = new Terminal(t, { cwd: folder, env: { TETHER_HOME: home } });
  const program = `${process.execPath} ${join(process.cwd(), "dist/tether.cjs")}`;
  red.signal("SIGSTOP");
  t.after(() => red.signal("SIGCONT"));
  terminal.enter(`clear; ${program} exec --all -- echo quick; echo exit $?`);
  await until(() => /AGENT +STATE +TIME/.test(terminal.screen), "the table");
  assert.match(terminal.screen, /^blue: quick$/m);
  assert.match(terminal.screen, /^red +working +\d+\.\d s/m);
  assert.match(terminal.screen, /^blue +done +\d+\.\d s +quick$/m);
  red.signal("SIGCONT");
  await until(() => /exit 0/.test(terminal.screen), "the end");
  assert.match(terminal.screen, /^blue: quick\nred: quick\nexit 0$/m);
  assert.doesNotMatch(terminal.screen, /AGENT/);

  terminal.enter(`clear; ${program} call slow ${wait} --all; echo exit $?`);
  await until(() => /waiting/.test(terminal.screen), "progress in the table");
  writeFileSync(wait, "");
  await until(() => /exit 0/.test(terminal.screen), "the end");
  assert.equal(await alone.ended(), 0);
});

test("Ctrl-C ends the program on every agent", async (t) => {
  const running = new RunningTether(t, home, [
    "exec",
    "--all",
    "--env",
    "MARK=fan-out",
    "--",
    "sh",
    "-c",
    "echo begun; sleep 600",
  ]);
  await running.said(/begun[\s\S]*begun/);
  assert.equal(processesMarked("MARK", "fan-out").length, 4);
  running.child.kill("SIGINT");
  assert.equal(await running.ended(), 255);
  await until(() => processesMarked("MARK", "fan-out").length === 0, "the end of all of them");
});
