/** `tether shell` as a person uses it: at a terminal, and from a pipe. */
import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { programArguments, startAgent } from "../agent-process.ts";
import { until } from "../firmware-bridge/until.ts";
import { scratchFolder } from "../ftp/scratch.ts";
import { missing } from "../peers.ts";
import { Terminal } from "./terminal.ts";

const skip = missing("tmux");
const PROMPT = /test-agent:\/\S*> ?$/;

const agent = await startAgent({ after });
const home = await agent.pair();
const root = join(agent.statePath, "files");

/** The command line that starts a shell, as one types it. */
function shellLine(...args: readonly string[]): string {
  return [process.execPath, ...programArguments("tether"), "shell", ...args]
    .map((one) => `'${one}'`)
    .join(" ");
}

async function openShell(owner: { after(action: () => unknown): void }, cwd: string): Promise<Terminal> {
  const terminal = new Terminal(owner, { cwd, env: { TETHER_HOME: home } });
  await terminal.see(/system> $|system>$/);
  terminal.enter(`clear; ${shellLine()}`);
  await terminal.see(PROMPT);
  return terminal;
}

test("Tab completes verbs, procedures, and paths with spaces on both sides", { skip }, async (t) => {
  const here = scratchFolder(t);
  mkdirSync(join(here, "my folder"));
  writeFileSync(join(here, "my folder/a file.txt"), "from here");
  mkdirSync(join(root, "over there"));
  writeFileSync(join(root, "over there/it's one"), "from there");
  const shell = await openShell(t, here);

  shell.type("sys");
  shell.press("Tab");
  await shell.see(/> system $|> system$/);
  shell.press("Enter");
  await shell.see(/memory[\s\S]*> $|memory[\s\S]*>$/);

  shell.type("call text.up");
  shell.press("Tab");
  await shell.see(/> call text\.upper ?$/);
  shell.enter("green");
  await shell.see(/\nGREEN\n/);

  shell.type("put my");
  shell.press("Tab");
  await shell.see(/> put my\\ folder\/$/);
  shell.press("Tab");
  await shell.see(/> put my\\ folder\/a\\ file\.txt ?$/);
  shell.type('"over');
  shell.press("Tab");
  await shell.see(/a\\ file\.txt "over there\/$/);
  shell.type('"');
  shell.press("Enter");
  await shell.see(/1 file, 9 B/);
  assert.equal(readFileSync(join(root, "over there/a file.txt"), "utf8"), "from here");

  shell.type("cd o");
  shell.press("Tab");
  await shell.see(/> cd over\\ there\/$/);
  shell.press("Enter");
  await shell.see(/test-agent:\/over there> ?$/);
  shell.type("get it");
  shell.press("Tab");
  await shell.see(/> get it\\'s\\ one ?$/);
  shell.press("Enter");
  await shell.see(/1 file, 10 B/);
  assert.equal(readFileSync(join(here, "it's one"), "utf8"), "from there");

  // Several that fit are shown, and what they have in common is written.
  shell.type("l");
  await shell.see((screen) => {
    // Two at once would be a paste.
    shell.press("Tab");
    return /\nls +lcd +lpwd\n/.test(screen);
  }, "the list");
});

test("Up brings back the lines of the session before; Ctrl-D and bye leave with 0", { skip }, async (t) => {
  const here = scratchFolder(t);
  const first = await openShell(t, here);
  first.enter("call math.add 20 22");
  await first.see(/\n42\n/);
  first.press("C-d");
  await first.see(/system> ?$/);
  first.enter("echo code $?");
  await first.see(/\ncode 0\n/);
  first.enter(`clear; ${shellLine()}`);
  await first.see(PROMPT);
  first.press("Up");
  await first.see(/> call math\.add 20 22$/);
  first.press("Enter");
  await first.see(/\n42\n/);
  first.enter("bye");
  await first.see(/system> ?$/);
  assert.match(readFileSync(join(home, "history"), "utf8"), /^call math\.add 20 22$/m);
});

test("Ctrl-C at the prompt gives a line up, and the next one is carried out", { skip }, async (t) => {
  const shell = await openShell(t, scratchFolder(t));
  shell.type("call text.upper nonsense");
  await shell.see(/nonsense$/);
  shell.press("C-c");
  await shell.see(/nonsense\^C\n\S*> ?$/);
  shell.enter("call text.upper sense");
  const screen = await shell.see(/\nSENSE\n/);
  assert.doesNotMatch(screen, /NONSENSE/);
});

test("Ctrl-C in a transfer ends the transfer only, and leaves no half file under a name on either side", {
  skip,
}, async (t) => {
  const here = scratchFolder(t);
  writeFileSync(join(here, "large"), "");
  truncateSync(join(here, "large"), 1.5 * 2 ** 30);
  writeFileSync(join(root, "larger"), "");
  truncateSync(join(root, "larger"), 1.5 * 2 ** 30);
  t.after(() => truncateSync(join(root, "larger"), 0));
  const before = readdirSync(root);
  const shell = await openShell(t, here);
  for (const [line, folder] of [
    ["put large", root],
    ["get larger", here],
  ] as const) {
    const names = readdirSync(folder);
    shell.enter(line);
    await until(() => readdirSync(folder).some((name) => name.endsWith(".part")), "the partial file");
    shell.press("C-c");
    await shell.see(new RegExp(`${line}\\n[\\s\\S]*interrupted[\\s\\S]*${PROMPT.source}`));
    // What has arrived is kept beside the name, for the same line to go on with.
    const own = () => readdirSync(folder).filter((name) => !name.startsWith(".tether-"));
    assert.deepEqual(own(), names, line);
    shell.enter("call text.upper alive");
    await shell.see(/\nALIVE\n/);
    await shell.clear(PROMPT);
  }
  const own = readdirSync(root).filter((name) => !name.startsWith(".tether-"));
  assert.deepEqual(own, before);
  for (const name of readdirSync(root)) if (!own.includes(name)) rmSync(join(root, name));
});

test("the agent may go and come back: the line after that works", { skip }, async (t) => {
  const own = await startAgent(t);
  const ownHome = await own.pair();
  // The same port again, where the shell looks for it.
  const terminal = new Terminal(t, { cwd: scratchFolder(t), env: { TETHER_HOME: ownHome } });
  terminal.enter(`clear; ${shellLine()}`);
  await terminal.see(PROMPT);
  terminal.enter("call text.upper first");
  await terminal.see(/\nFIRST\n/);
  const { port } = own;
  await own.stop("SIGKILL");
  terminal.enter("call text.upper nobody");
  await terminal.see(/(refused|closed|reach|lost)[\s\S]*> ?$/i);
  await startAgent(t, {
    folder: own.folder,
    configuration: {
      listen: { host: "127.0.0.1", port },
    },
  });
  terminal.enter("call text.upper again");
  await terminal.see(/\nAGAIN\n/);
});

test("from a pipe each line is a command; one that failed makes the code 1, and the others are done", async (t) => {
  const cwd = scratchFolder(t);
  mkdirSync(join(cwd, "inner"));
  writeFileSync(join(cwd, "inner/a file"), "content");
  const good = await agent.tether(["shell"], {
    home,
    cwd,
    input: [
      "# a comment",
      "",
      "lpwd",
      "lcd inner",
      "lpwd",
      "mkdir 'a \"folder\"'",
      "put 'a file' 'a \"folder\"/copy'",
      'cd a\\ \\"folder\\"',
      "pwd",
      "ls",
      "get copy 'came back'",
      "mv copy moved",
      "rm moved",
      "cd ..",
      "rm -r 'a \"folder\"'",
      "call text.upper 'two  words'",
    ].join("\n"),
  });
  assert.equal(good.code, 0, good.stderr);
  assert.match(good.stdout, new RegExp(`^${cwd}\n${cwd}/inner\n`));
  assert.match(good.stdout, /\n\/a "folder"\n/);
  assert.match(good.stdout, /\nTWO {2}WORDS\n$/);
  assert.equal(readFileSync(join(cwd, "inner/came back"), "utf8"), "content");

  const bad = await agent.tether(["shell"], {
    home,
    cwd,
    input: "rm nothing\nhelpp\nput missing\nget 'open\ncall text.upper done\nbye\ncall text.upper never\n",
  });
  assert.equal(bad.code, 1);
  assert.equal(bad.stdout, "DONE\n");
  const complaints = bad.stderr.trim().split("\n");
  assert.equal(complaints.length, 4, bad.stderr);
  assert.match(complaints[0] ?? "", /nothing/);
  assert.match(complaints[1] ?? "", /did you mean help\?/);
  assert.match(complaints[3] ?? "", /' is not closed/);
});

test("exec runs a program there: its options are its own, and its exit code is told", async (t) => {
  const ended = await agent.tether(["shell"], {
    home,
    cwd: scratchFolder(t),
    input:
      "exec sh -c 'echo out; echo err >&2; cat'\nexec printf %s, -r -- --\nexec -- sh -c 'exit 3'\nexec\n",
  });
  assert.equal(ended.code, 1);
  assert.equal(ended.stdout, "out\n-r,--,--,");
  assert.match(ended.stderr, /^err\nexit code 3\nthat is not how exec is used \(usage: exec COMMAND…\)\n$/);
});

test("Ctrl-C ends a program, and the shell stays", { skip }, async (t) => {
  const shell = await openShell(t, scratchFolder(t));
  shell.enter("exec sh -c 'echo begun; sleep 600'");
  await shell.see(/\nbegun/);
  shell.press("C-c");
  await shell.see(PROMPT);
  shell.enter("call math.add 1 2");
  await shell.see(/\n3\n/);
});
