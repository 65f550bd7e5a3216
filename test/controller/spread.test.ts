import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { type AgentProcess, runProgram, startAgent } from "../agent-process.ts";
import { errorIn } from "../end-to-end/owner-acts.ts";
import { SuiteOwner } from "../files/filing-agent.ts";
import { needs } from "../peers.ts";
import { RunningTether, until } from "../programs/program-agent.ts";
import { Terminal } from "../shell/terminal.ts";

const ROWS = 1_000;
const NAMES = ["a", "b", "c", "d"];

const owner = new SuiteOwner();
const folder = mkdtempSync(join(tmpdir(), "tether-spread-"));
owner.after(() => rmSync(folder, { recursive: true, force: true }));
const agents = new Map<string, AgentProcess>();
let home: string;

const start = (name: string) =>
  startAgent(owner, { configuration: { name, compute: { procedures: folder, workers: 1 } } });

before(async () => {
  // A little work, the same however often; and work that leaves a trace and must not be repeated.
  const procedures = `
    import { appendFileSync } from "node:fs";
    const number = { type: "number" };
    const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
    export const procedures = [
      { name: "farm.square", summary: "", parameters: { n: number }, retryable: true,
        async run({ n }) { await pause(5); return n * n; } },
      { name: "farm.once", summary: "", parameters: { n: number, file: { type: "string" } },
        async run({ n, file }) { appendFileSync(file, n + "\\n"); await pause(20); return n; } },
      { name: "farm.odd", summary: "", parameters: { n: number }, retryable: true,
        run({ n }) { if (n % 2 === 0) throw new Error("even"); return n; } },
      { name: "farm.sleep", summary: "", parameters: { ms: number }, retryable: true,
        async run({ ms }) { await pause(ms); return ms; } },
    ];`;
  writeFileSync(join(folder, "farm.mjs"), procedures, { mode: 0o644 });
  for (const agent of await Promise.all(NAMES.map(start))) {
    agents.set(NAMES[agents.size] as string, agent);
    home = await agent.pair(home);
  }
});
after(() => owner.undo());

/** Kills an agent and starts it again where it was. */
async function restart(name: string): Promise<void> {
  const killed = agents.get(name) as AgentProcess;
  const { port, folder: place, configurationFile } = killed;
  killed.signal("SIGKILL");
  await killed.exited;
  const configuration = readFileSync(configurationFile, "utf8").replace(/"port": 0/, `"port": ${port}`);
  agents.set(name, await startAgent(owner, { folder: place, configuration }));
}

const tether = (args: readonly string[], input = "") =>
  runProgram("tether", args, { home, input, cwd: folder });
const four = NAMES.flatMap((name) => ["-a", name]);
const numbers = (count: number) => Array.from({ length: count }, (_, index) => index + 1);

interface Line {
  readonly row: number;
  readonly agent: string;
  readonly result?: number;
  readonly error?: { readonly code: string; readonly message: string };
}
const linesOf = (text: string) =>
  text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Line);

test("1,000 rows over four agents, one of them killed halfway: each is answered exactly once", async (t) => {
  const file = join(folder, "rows.txt");
  writeFileSync(file, numbers(ROWS).join("\n"));
  const running = new RunningTether(t, home, ["call", "farm.square", "--spread", file, "--json", ...four]);
  await until(() => running.stdout.split("\n").length > ROWS / 2, "half of the rows");
  agents.get("c")?.signal("SIGKILL");
  assert.equal(await running.ended(), 0, running.stderr);
  const lines = linesOf(running.stdout);
  assert.deepEqual(
    lines.map(({ row, result }) => [row, result]).sort(([a = 0], [b = 0]) => a - b),
    numbers(ROWS).map((n) => [n, n * n]),
  );
  for (const name of NAMES) {
    assert.ok(lines.filter(({ agent }) => agent === name).length > ROWS / 20, `${name} had its part`);
  }
});

test("results come in the order of the rows, whatever they are written as", async () => {
  const rows = '1\n\n[2]\n{"n": 3}\n  4  \n';
  const plain = await tether(["call", "farm.square", "--spread", "-", "-a", "a", "-a", "b"], rows);
  assert.deepEqual(plain, { code: 0, stdout: "1\n4\n9\n16\n", stderr: "" });
  const slowFirst = await tether(
    ["call", "farm.sleep", "--spread", "-", "-a", "a", "-a", "b"],
    "300\n1\n2\n3\n",
  );
  assert.equal(slowFirst.stdout, "300\n1\n2\n3\n");
  const asTheyCome = await tether(
    ["call", "farm.sleep", "--spread", "-", "--json", "-a", "a", "-a", "b"],
    "300\n1\n2\n3\n",
  );
  assert.deepEqual(linesOf(asTheyCome.stdout).at(-1)?.row, 1);
  const words = await tether(["call", "text.upper", "--spread", "-", "-a", "a"], `"two words"\n'"quoted"'\n`);
  assert.equal(words.stdout, "TWO WORDS\nQUOTED\n");
  const none = await tether(["call", "farm.square", "--spread", "-", "-a", "a"], "\n");
  assert.deepEqual(none, { code: 0, stdout: "", stderr: "" });
});

test("rows that fail leave an empty line, and the exit code says whether all did", async () => {
  const some = await tether(["call", "farm.odd", "--spread", "-", "-a", "a"], "1\n2\n3\n");
  assert.equal(some.code, 5);
  assert.equal(some.stdout, "1\n\n3\n");
  assert.match(some.stderr, /^tether: row 2, a: .*even.*\n$/);
  assert.equal((await tether(["call", "farm.odd", "--spread", "-", "-a", "a"], "2\n4\n")).code, 1);
});

test("mistakes are found before the first call", async () => {
  const file = join(folder, "never");
  const bad = await tether(["call", "farm.once", "--spread", "-", "-a", "a"], `1 ${file}\n[1, \n`);
  assert.equal(bad.code, 2);
  assert.match(bad.stderr, /-:2: /);
  assert.equal((await tether(["call", "farm.square", "5", "--spread", "-", "-a", "a"])).code, 2);
  assert.equal((await tether(["call", "--batch", "-", "--spread", "-", "-a", "a"])).code, 2);
  const unknown = await tether(
    ["call", "farm.sqare", "--spread", "-", "--json", "-a", "a", "-a", "b"],
    "1\n",
  );
  assert.equal(unknown.code, 1);
  assert.equal(errorIn(unknown.stderr).code, "not-found");
  assert.throws(() => readFileSync(file));
});

test("an agent that is not there takes no rows, and none there is exit 3", async () => {
  const rest = await tether(["call", "farm.square", "--spread", "-", "-a", "a", "-a", "c"], "1\n2\n3\n");
  assert.equal(rest.code, 0, rest.stderr);
  assert.equal(rest.stdout, "1\n4\n9\n");
  assert.equal((await tether(["call", "farm.square", "--spread", "-", "-a", "c"], "1\n")).code, 3);
});

test("an agent that comes back takes rows again", async (t) => {
  const running = new RunningTether(
    t,
    home,
    ["call", "farm.sleep", "--spread", "-", "--json", "-a", "b", "-a", "d"],
    "pipe",
  );
  running.child.stdin?.end("20\n".repeat(5_000));
  await running.said(/"agent":"d"/);
  const known = running.stdout.length;
  await restart("d");
  await until(() => running.stdout.slice(known).includes('"agent":"d"'), "rows of the one that is back");
  running.child.kill("SIGINT");
  assert.equal(await running.ended(), 1, running.stderr);
});

test("a row that may have been done where the agent was lost is never given to another", async (t) => {
  const file = join(folder, "done.txt");
  const rows = numbers(60)
    .map((n) => `${n} ${file}\n`)
    .join("");
  const running = new RunningTether(
    t,
    home,
    ["call", "farm.once", "--spread", "-", "--json", "-a", "a", "-a", "b"],
    "pipe",
  );
  running.child.stdin?.end(rows);
  await running.said(/"agent":"b","result"/);
  // It is back at once, and cannot know what it had begun.
  await restart("b");
  assert.equal(await running.ended(), 5, running.stderr);
  const lines = linesOf(running.stdout);
  assert.deepEqual(
    lines.map(({ row }) => row).sort((a, b) => a - b),
    numbers(60),
  );
  const failed = lines.filter(({ error }) => error !== undefined);
  assert.ok(failed.length > 0);
  for (const { agent, error } of failed) {
    assert.equal(agent, "b");
    assert.match(error?.message ?? "", /not known|may have/);
  }
  const done = readFileSync(file, "utf8").trimEnd().split("\n");
  assert.equal(new Set(done).size, done.length, "nothing was done twice");
  for (const { row, result } of lines) if (result !== undefined) assert.ok(done.includes(String(row)));
  assert.deepEqual(existsSync(join(home, "keys")), false, "the keys are nobody's later");
});

test("when nobody is left who can come back, the rest of the rows fail at once", async (t) => {
  const agent = agents.get("d") as AgentProcess;
  const running = new RunningTether(
    t,
    home,
    ["call", "farm.sleep", "--spread", "-", "--json", "-a", "d"],
    "pipe",
  );
  running.child.stdin?.end("20\n".repeat(200));
  await running.said(/"agent":"d"/);
  const [{ label }] = JSON.parse((await agent.tetherd(["controllers", "--json"])).stdout);
  assert.equal((await agent.tetherd(["revoke", label])).code, 0);
  assert.equal(await running.ended(), 5, running.stderr);
  const lines = linesOf(running.stdout);
  assert.deepEqual(
    lines.map(({ row }) => row).sort((a, b) => a - b),
    numbers(200),
  );
  assert.ok(lines.some(({ error }) => error?.code === "unreachable"));
});

test("Ctrl-C and --timeout end it, and what is printed is whole", async (t) => {
  const late = await tether(
    ["call", "farm.sleep", "--spread", "-", "--json", "--timeout", "1s", "-a", "a", "-a", "b"],
    "20\n".repeat(1_000),
  );
  assert.equal(late.code, 3);
  assert.equal(errorIn(late.stderr).code, "timeout");
  assert.ok(linesOf(late.stdout).every(({ result }) => result === 20));
  const running = new RunningTether(
    t,
    home,
    ["call", "farm.sleep", "--spread", "-", "--json", "-a", "a", "-a", "b"],
    "pipe",
  );
  running.child.stdin?.end("20\n".repeat(1_000));
  await running.said(/"result"/);
  running.child.kill("SIGINT");
  assert.equal(await running.ended(), 1);
  assert.equal(errorIn(running.stderr).code, "cancelled");
});

test("on a terminal a bar says how far it is, and the results stand above it", async (t) => {
  if (!needs(t, "tmux")) return;
  const terminal = new Terminal(t, { cwd: folder, env: { TETHER_HOME: home } });
  const program = `${process.execPath} ${join(process.cwd(), "dist/tether.cjs")}`;
  writeFileSync(join(folder, "sleeps"), "30\n".repeat(100));
  terminal.enter(`clear; ${program} call farm.sleep --spread sleeps -a a -a b | tail -n 1; echo exit $?`);
  await until(() => /\[#*\.+\] \d+ % of 100 rows/.test(terminal.screen), "the bar");
  assert.match(terminal.screen, /^a +working +\d+\.\d s +\d+ rows/m);
  await until(() => /exit 0/.test(terminal.screen), "the end");
  assert.match(terminal.screen, /^30\nexit 0$/m);
  assert.doesNotMatch(terminal.screen, /AGENT|%/);
});
