/** `tether ftp` as a person uses it, and as a script does. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { programArguments, runProgram } from "../agent-process.ts";
import { until } from "../firmware-bridge/until.ts";
import { CuttingProxy } from "../ftp/cutting-proxy.ts";
import { type FtpServer, startFtpServer } from "../ftp/ftp-server.ts";
import { scratchFolder, writeRandom } from "../ftp/scratch.ts";
import { missing } from "../peers.ts";
import { Terminal } from "./terminal.ts";

const MiB = 2 ** 20;
const skip = missing("tmux");
const PROMPT = /127\.0\.0\.1:\/\S*> ?$/;

async function passwordServer(t: TestContext): Promise<FtpServer & { readonly passwordFile: string }> {
  const folder = mkdtempSync(join(tmpdir(), "tether-ftp-password-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const passwordFile = join(folder, "password");
  writeFileSync(passwordFile, "s3cret w0rd\n", { mode: 0o600 });
  return { ...(await startFtpServer(t, { login: { user: "pi", passwordFile } })), passwordFile };
}

function ftpLine(...args: readonly string[]): string {
  return [process.execPath, ...programArguments("tether"), "ftp", ...args].join(" ");
}

test("the password is asked for without showing it, also when connecting to another server", {
  skip,
}, async (t) => {
  const one = await passwordServer(t);
  const two = await passwordServer(t);
  writeFileSync(join(two.root, "of two"), "");
  const cwd = scratchFolder(t);
  const terminal = new Terminal(t, { cwd, env: { TETHER_HOME: cwd } });
  terminal.enter(ftpLine(`pi@127.0.0.1:${one.port}`));
  await terminal.see(/password of pi: ?$/);
  terminal.enter("s3cret w0rd");
  await terminal.see(PROMPT);
  terminal.enter(`connect pi@127.0.0.1:${two.port}`);
  await terminal.see(/connect [\s\S]*password of pi: ?$/);
  terminal.enter("s3cret w0rd");
  await terminal.see(/connected to 127\.0\.0\.1\n[\s\S]*> ?$/);
  terminal.enter("ls");
  await terminal.see(/of two/);
  terminal.enter(`connect pi@127.0.0.1:${one.port}`);
  await terminal.see(/connect [^\n]*\npassword of pi: ?$/);
  terminal.enter("n0t it");
  // One stays where one was.
  await terminal.see(/the server says 530[\s\S]*> ?$/);
  terminal.enter("call math.add 1 2");
  await terminal.see(/there is no verb "call"/);
  terminal.press("Up");
  await terminal.see(/> call math\.add 1 2$/);
  terminal.press("C-c");
  terminal.enter("bye");
  const screen = await terminal.see(/system> ?$/);
  assert.doesNotMatch(screen, /s3cret|n0t it/);
  assert.doesNotMatch(readFileSync(join(cwd, "history"), "utf8"), /s3cret|n0t it/);
});

test("Tab completes paths on both sides; Ctrl-C ends a transfer and not the shell", { skip }, async (t) => {
  const { port, root } = await startFtpServer(t);
  const cwd = scratchFolder(t);
  mkdirSync(join(root, "a folder"));
  writeRandom(join(cwd, "large one"), 8 * MiB);
  const content = writeRandom(join(root, "larger"), 8 * MiB);
  const proxy = await CuttingProxy.start(t, port);
  const shell = new Terminal(t, { cwd, env: { TETHER_HOME: cwd } });
  shell.enter(ftpLine("--passive", `127.0.0.1:${proxy.port}`));
  await shell.see(PROMPT);
  shell.type("put lar");
  shell.press("Tab");
  await shell.see(/> put large\\ one ?$/);
  shell.type("a");
  shell.press("Tab");
  await shell.see(/large\\ one a\\ folder\/$/);
  proxy.stallAfter(4 * MiB);
  shell.press("Enter");
  await until(() => readdirSync(join(root, "a folder")).length === 1, "the partial file");
  shell.press("C-c");
  await shell.see(/interrupted[\s\S]*> ?$/);
  proxy.stallAfter(4 * MiB);
  shell.enter("get larger");
  await until(() => readdirSync(cwd).some((name) => name.startsWith("larger.")), "the partial file");
  shell.press("C-c");
  await shell.see(/get larger\n[\s\S]*interrupted[\s\S]*> ?$/);
  assert.deepEqual(
    readdirSync(cwd).filter((name) => name.startsWith("larger")),
    ["larger.part"],
  );
  proxy.stallAfter(Number.POSITIVE_INFINITY);
  // The same line again goes on there.
  shell.enter("get larger");
  await shell.see(new RegExp(`1 file, ${8 * MiB} bytes\\n[\\s\\S]*> ?$`));
  assert.deepEqual(readdirSync(cwd).sort(), ["history", "large one", "larger"]);
  assert.deepEqual(readFileSync(join(cwd, "larger")), content);
  shell.press("C-d");
  await shell.see(/system> ?$/);
});

test("from a pipe: each line is a command, a line that failed makes the code 1", async (t) => {
  const { port, root, passwordFile } = await passwordServer(t);
  const cwd = scratchFolder(t);
  writeFileSync(join(cwd, "a file"), "content");
  const tether = (input: string, ...args: string[]) =>
    runProgram("tether", ["ftp", "--password-file", passwordFile, ...args, `pi@127.0.0.1:${port}`], {
      cwd,
      home: cwd,
      input,
    });
  const script = [
    "mkdir 'a \"folder\"'",
    "put 'a file' 'a \"folder\"'",
    'cd a\\ \\"folder\\"',
    "pwd",
    "ls",
    "mv 'a file' b",
    "get b back",
    "lpwd",
    "rm b",
    "cd",
    "rm -r 'a \"folder\"'",
    "system",
    "bye",
  ].join("\n");
  for (const options of [[], ["--passive"]]) {
    const { code, stdout, stderr } = await tether(script, ...options);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /\n\/a "folder"\n/);
    assert.match(stdout, /UNIX/);
    assert.equal(readFileSync(join(cwd, "back"), "utf8"), "content");
    rmSync(join(cwd, "back"));
    assert.deepEqual(readdirSync(root), []);
  }
  const bad = await tether("get missing\nls missing\npwd\n");
  assert.equal(bad.code, 1);
  assert.equal(bad.stdout, "/\n");
  assert.match(bad.stderr, /missing: the server says 550 /);
});

test("what keeps one from connecting is one line, with the code for it", async (t) => {
  const { port } = await passwordServer(t);
  const cwd = scratchFolder(t);
  writeFileSync(join(cwd, "wrong"), "wrong");
  const run = (...args: string[]) => runProgram("tether", ["ftp", ...args], { cwd, home: cwd });
  const wrong = await run("--password-file", "wrong", `pi@127.0.0.1:${port}`);
  assert.equal(wrong.code, 4);
  assert.match(wrong.stderr, /^tether: cannot log in as pi: the server says 530 [^\n]*\n$/);
  const nobody = await run("127.0.0.1:1");
  assert.equal(nobody.code, 3);
  assert.match(nobody.stderr, /^tether: [^\n]*\n$/);
  const noTls = await run("--tls", `127.0.0.1:${port}`);
  assert.match(noTls.stderr, /the server says 502 /);
  assert.equal((await run()).code, 2);
});
