import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { type AgentProcess, programArguments, startAgent } from "../agent-process.ts";
import { SuiteOwner } from "../files/filing-agent.ts";
import { temporaryFolder } from "../identity/folder.ts";
import { missing } from "../peers.ts";
import { processesMarked, RunningTether, startProgramAgent, until } from "./program-agent.ts";

const MiB = 1024 * 1024;

const owner = new SuiteOwner();
let agent: AgentProcess;
let home: string;

before(async () => {
  ({ agent, home } = await startProgramAgent(owner));
});
after(() => owner.undo());

test("output, errors, input and exit codes are the program's own", async () => {
  const plain = await agent.tether(["exec", "--", "sh", "-c", "cat; echo err >&2; exit 7"], {
    input: "in\n",
  });
  assert.deepEqual(plain, { code: 7, stdout: "in\n", stderr: "err\n" });
  const words = await agent.tether(["exec", "--", "printf", "%s|", "a b", "$HOME", "*", "--json", ""]);
  assert.equal(words.stdout, "a b|$HOME|*|--json||");
  const killed = await agent.tether(["exec", "--", "sh", "-c", "kill -9 $$"]);
  assert.equal(killed.code, 137);
  const missing = await agent.tether(["exec", "--", "no-such-program"]);
  assert.deepEqual(missing, {
    code: 127,
    stdout: "",
    stderr: "tether: there is no program no-such-program\n",
  });
  const forbidden = await agent.tether(["exec", "--", "/etc/passwd"]);
  assert.equal(forbidden.code, 126);
  const json = await agent.tether(["exec", "--json", "--", "sh", "-c", "echo a; echo b >&2; exit 2"]);
  assert.deepEqual(JSON.parse(json.stdout), { exitCode: 2, signal: null, stdout: "a\n", stderr: "b\n" });
});

test("failures of Tether's own are 255", async () => {
  const folder = await agent.tether(["exec", "--cwd", "/no/such", "--", "ls"]);
  assert.equal(folder.code, 255);
  assert.match(folder.stderr, /no folder \/no\/such/);
  assert.equal((await agent.tether(["exec", "-a", "127.0.0.1:1", "--", "ls"])).code, 255);
  const late = await agent.tether(["exec", "--timeout", "300ms", "--", "sleep", "60"]);
  assert.equal(late.code, 255);
  assert.match(late.stderr, /longer than 300 ms/);
  assert.equal((await agent.tether(["exec"])).code, 2);
});

test("the environment is the stated one, the folder the wanted one", async () => {
  const { stdout } = await agent.tether(["exec", "--cwd", "/usr", "--env", "A=b=c", "--", "env"]);
  const names = stdout.split("\n").map((line) => line.split("=")[0]);
  for (const name of ["PATH", "HOME", "USER", "LANG", "SHELL"]) assert.ok(names.includes(name), name);
  assert.ok(stdout.includes("\nA=b=c\n"));
  assert.ok(!stdout.includes("TETHER_TEST_SECRET"));
  assert.equal((await agent.tether(["exec", "--cwd", "/usr", "--", "pwd"])).stdout, "/usr\n");
});

test("a script may open its outputs by name", async () => {
  const script = "cat; echo err > /dev/stderr; echo out > /dev/stdout";
  const ended = await agent.tether(["exec", "--", "sh", "-c", script], { input: "in\n" });
  assert.deepEqual(ended, { code: 0, stdout: "in\nout\n", stderr: "err\n" });
});

test("64 MiB go through cat and back unchanged, and a reader that stops stops the program", async (t) => {
  const sent = createHash("sha256");
  const back = createHash("sha256");
  const child = spawn(process.execPath, [...programArguments("tether"), "exec", "--", "cat"], {
    env: { ...process.env, TETHER_HOME: home },
    stdio: ["pipe", "pipe", "inherit"],
  });
  t.after(() => child.kill("SIGKILL"));
  const ended = once(child, "close");
  const feed = async () => {
    const piece = randomBytes(MiB);
    for (let n = 0; n < 64; n++) {
      piece.writeUInt32LE(n);
      sent.update(piece);
      if (!child.stdin.write(Buffer.from(piece))) await once(child.stdin, "drain");
    }
    child.stdin.end();
  };
  const fed = feed();
  let bytes = 0;
  for await (const chunk of child.stdout as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    back.update(chunk);
  }
  await Promise.all([fed, ended]);
  assert.equal(bytes, 64 * MiB);
  assert.equal(back.digest("hex"), sent.digest("hex"));

  const endless = spawn(
    process.execPath,
    [...programArguments("tether"), "exec", "--env", "MARK=endless", "--", "yes"],
    {
      env: { ...process.env, TETHER_HOME: home },
      stdio: ["ignore", "pipe", "inherit"],
    },
  );
  t.after(() => endless.kill("SIGKILL"));
  // Nobody reads: what both sides hold is bounded.
  await once(endless.stdout, "readable");
  const [yes] = processesMarked("MARK", "endless");
  const written = () => Number(/wchar: (\d+)/.exec(readFileSync(`/proc/${yes}/io`, "utf8"))?.[1]);
  let last = -1;
  let still = 0;
  await until(() => {
    const now = written();
    still = now === last ? still + 1 : 0;
    last = now;
    return still >= 40;
  }, "the program to stop writing");
  assert.ok(last < 16 * MiB, String(last));
  endless.stdout.destroy();
  await once(endless, "close");
  await until(() => processesMarked("MARK", "endless").length === 0, "the end of yes");
});

test("Ctrl-C sends SIGTERM to the whole group within 100 ms, and none is left after 5 s", async (t) => {
  const polite = join(temporaryFolder(t), "stamp");
  const script = `trap 'date +%s%N > ${polite}; echo bye; exit 9' TERM; echo up; while :; do sleep 0.01; done`;
  const first = new RunningTether(t, home, ["exec", "--", "sh", "-c", script]);
  await first.said(/up/);
  const sent = Date.now();
  first.child.kill("SIGINT");
  assert.equal(await first.ended(), 9);
  assert.match(first.stdout, /bye/);
  const took = Number(readFileSync(polite, "utf8")) / 1e6 - sent;
  assert.ok(took < 100, `${took} ms`);

  const stubborn = `trap '' TERM; sh -c 'trap "" TERM; sleep 300 & while :; do sleep 1; done' & echo up; wait; sleep 300`;
  const second = new RunningTether(t, home, ["exec", "--env", "MARK=stubborn", "--", "sh", "-c", stubborn]);
  await second.said(/up/);
  await until(() => processesMarked("MARK", "stubborn").length >= 3, "all processes");
  second.child.kill("SIGINT");
  await until(() => processesMarked("MARK", "stubborn").length === 0, "the end of all", 5_000);
  assert.equal(await second.ended(), 137);
});

test("a lost connection and a revoked pairing end the program", async (t) => {
  const lost = new RunningTether(t, home, [
    "exec",
    "--env",
    "MARK=lost",
    "--",
    "sh",
    "-c",
    "echo up; sleep 300",
  ]);
  await lost.said(/up/);
  lost.child.kill("SIGKILL");
  await until(() => processesMarked("MARK", "lost").length === 0, "the end", 5_000);

  const other = await agent.pair(agent.makeHome());
  const revoked = new RunningTether(t, other, [
    "exec",
    "--env",
    "MARK=revoked",
    "--",
    "sh",
    "-c",
    "echo up; sleep 300",
  ]);
  await revoked.said(/up/);
  const list = JSON.parse((await agent.tetherd(["controllers", "--json"])).stdout) as { label: string }[];
  await agent.tetherd(["revoke", list.at(-1)?.label ?? ""]);
  assert.equal(await revoked.ended(), 255);
  await until(() => processesMarked("MARK", "revoked").length === 0, "the end", 5_000);
  // The last one paired is what `agent.tether` uses.
  await agent.pair(home);
});

test("only an admin runs programs, and nobody where the owner forbids it", async (t) => {
  const operator = await agent.pair(agent.makeHome(), { role: "operator" });
  for (const args of [["exec", "--", "id"], ["exec", "--detach", "--", "id"], ["jobs"]]) {
    const refused = await agent.tether(args, { home: operator });
    assert.ok([255, 4].includes(refused.code), String(refused.code));
    assert.match(refused.stderr, /role admin/);
  }
  const strict = await startAgent(t, { configuration: { compute: { exec: false } } });
  await strict.pair();
  for (const args of [
    ["exec", "--", "id"],
    ["exec", "--detach", "--", "id"],
  ]) {
    const refused = await strict.tether(args);
    assert.equal(refused.code, 255);
    assert.match(refused.stderr, /compute.exec is false/);
  }
  await agent.pair(home);
});

test("starts, ends and refusals are in the log", async () => {
  const from = agent.log.length;
  await agent.tether(["exec", "--", "sh", "-c", "exit 4"]);
  const started = await agent.line("program-started", () => true, from);
  assert.equal(started.command, "sh -c exit 4");
  assert.ok(started.label && started.address);
  assert.equal((await agent.line("program-ended", () => true, from)).exitCode, 4);
});

test("a script runs in a fresh folder, and only what was asked for comes back", async (t) => {
  const folder = temporaryFolder(t);
  const script = join(folder, "job.sh");
  writeFileSync(
    script,
    'pwd; stat -c %a .; echo "$1" > a.txt; mkdir -p d/e; echo deep > d/e/b.txt; echo no > c.csv; ln -s /etc/passwd l.txt; exit 6',
  );
  const cwd = join(folder, "here");
  mkdirSync(cwd);
  const ended = await agent.tether(["run", script, "hi", "--fetch", "**/*.txt"], { cwd });
  assert.equal(ended.code, 6);
  const [work = "", mode] = ended.stdout.split("\n");
  assert.equal(mode, "700");
  assert.ok(!existsSync(work));
  assert.ok(work.startsWith(agent.statePath) && !work.startsWith(join(agent.statePath, "files")));
  assert.deepEqual((readdirSync(cwd, { recursive: true }) as string[]).sort(), [
    "a.txt",
    "d",
    "d/e",
    "d/e/b.txt",
  ]);
  assert.equal(readFileSync(join(cwd, "a.txt"), "utf8"), "hi\n");

  // A link here is not written through.
  const outside = join(folder, "outside");
  mkdirSync(outside);
  const trap = join(folder, "trap");
  mkdirSync(trap);
  symlinkSync(outside, join(trap, "d"));
  const refused = await agent.tether(["run", script, "hi", "--fetch", "d/e/*"], { cwd: trap });
  assert.equal(refused.code, 255);
  assert.deepEqual(readdirSync(outside), []);
  assert.equal((await agent.tether(["run", script, "--fetch", "../*"], { cwd })).code, 2);

  const kinds = {
    "k.py": "import sys; print(sys.argv[1])",
    "k.mjs": "console.log(process.argv[2])",
    k: "#!/bin/sh\necho $1",
  };
  for (const [name, text] of Object.entries(kinds)) {
    writeFileSync(join(folder, name), text);
    assert.equal((await agent.tether(["run", join(folder, name), "x"])).stdout, "x\n", name);
  }
  writeFileSync(join(folder, "odd.bin"), "??");
  const odd = await agent.tether(["run", join(folder, "odd.bin")]);
  assert.equal(odd.code, 255);
  assert.match(odd.stderr, /#! line/);
});

test("a killed controller leaves no work folder", async (t) => {
  const script = join(temporaryFolder(t), "long.sh");
  writeFileSync(script, "pwd; sleep 300");
  const run = new RunningTether(t, home, ["run", script]);
  const [, folder = ""] = await run.said(/^(\/.*)\n/);
  assert.ok(statSync(folder).isDirectory());
  run.child.kill("SIGKILL");
  await until(() => !existsSync(folder), "the folder to go", 5_000);
});

test("a terminal has its size, keys and exit code", { skip: missing("python3") }, async (t) => {
  const inner = "stty size; tty; read x; echo got $x; kill -INT $$; sleep 5";
  const command = [process.execPath, ...programArguments("tether"), "exec", "-t", "--", "sh", "-c", inner]
    .map((word) => `'${word.replaceAll("'", "'\\''")}'`)
    .join(" ");
  const local = spawn("script", ["-qefc", `stty rows 33 cols 101; ${command}`, "/dev/null"], {
    env: { ...process.env, TETHER_HOME: home },
    stdio: ["pipe", "pipe", "inherit"],
  }) as ChildProcess;
  t.after(() => local.kill("SIGKILL"));
  let shown = "";
  local.stdout?.on("data", (more: Buffer) => {
    shown += more;
  });
  await until(() => /33 101\s+\/dev\/pts/.test(shown), `the size in ${shown}`);
  local.stdin?.write("hello\r");
  await until(() => /got hello/.test(shown), `the line in ${shown}`);
  const [code] = (await once(local, "close")) as [number];
  assert.equal(code, 130);
});

test("a lost terminal ends all of its session", { skip: missing("python3") }, async (t) => {
  const shell = new RunningTether(
    t,
    home,
    ["exec", "-t", "--env", "MARK=session", "--", "bash", "-i"],
    "pipe",
  );
  shell.child.stdin?.write("trap '' HUP TERM; sleep 300 & echo u''p\n");
  await shell.said(/up\r/);
  shell.child.kill("SIGKILL");
  await until(() => processesMarked("MARK", "session").length === 0, "the end of the session", 5_000);
});
