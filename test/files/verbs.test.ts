import assert from "node:assert/strict";
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { parseRemotePath } from "../../controller/remote-path.ts";
import { progressLine } from "../../controller/render/progress.ts";
import { Progress } from "../../transfer/index.ts";
import { type AgentProcess, startAgent } from "../agent-process.ts";
import { SuiteOwner } from "./filing-agent.ts";

describe("the verbs for files", { skip: process.platform !== "linux" }, () => {
  const owner = new SuiteOwner();
  let agent: AgentProcess;
  let home: string;
  let viewer: string;
  let here: string;
  let root: string;

  before(async () => {
    agent = await startAgent(owner);
    viewer = await agent.pair(agent.makeHome(), { role: "viewer" });
    home = await agent.pair();
    root = join(agent.statePath, "files");
    here = join(agent.folder, "here");
    mkdirSync(here);
  });
  after(() => owner.undo());

  const run = (...args: string[]) => agent.tether(args, { home, cwd: here });
  const json = async (...args: string[]): Promise<unknown> => {
    const { code, stdout, stderr } = await run(...args, "--json");
    assert.equal(code, 0, stderr);
    return JSON.parse(stdout);
  };
  const fails = async (code: number, error: string, ...args: string[]) => {
    const ended = await run(...args, "--json");
    assert.equal(ended.code, code, ended.stderr);
    assert.equal((JSON.parse(ended.stderr) as { error: { code: string } }).error.code, error, ended.stderr);
    assert.equal(ended.stdout, "");
  };

  test("print what the contract says", async () => {
    writeFileSync(join(here, "a.txt"), "hello", { mode: 0o640 });
    utimesSync(join(here, "a.txt"), 1_600_000_000, 1_600_000_000);
    assert.equal(await json("mkdir", "folder"), null);
    const put = (await json("put", "a.txt", ":folder")) as { [name: string]: number };
    assert.deepEqual(Object.keys(put), ["files", "bytes", "sent", "resumed", "seconds"]);
    assert.deepEqual([put.files, put.bytes, put.resumed], [1, 5, 0]);
    assert.ok((put.sent ?? 0) > 5 && (put.sent ?? 0) < 500);
    symlinkSync("a.txt", join(root, "folder/link"));
    const file = { name: "a.txt", type: "file", size: 5, modified: "2020-09-13T12:26:40.000Z", mode: "0640" };
    const entries = (await json("ls", ":folder")) as { type: string }[];
    assert.deepEqual(entries[0], file);
    assert.equal(entries[1]?.type, "symlink");
    assert.deepEqual(await json("ls", "test-agent:folder/a.txt"), [file]);
    assert.deepEqual(await json("ls", "folder", "-a", "test-agent"), entries);
    assert.deepEqual(await json("stat", "/folder/a.txt"), file);
    assert.equal(((await json("stat", "folder/link")) as { type: string }).type, "symlink");
    assert.equal((await run("cat", "folder/a.txt", ":folder/link")).stdout, "hellohello");
    assert.equal(await json("mv", ":folder/a.txt", "b.txt"), "/b.txt");
    assert.equal(await json("mv", "b.txt", "folder"), "/folder/b.txt");
    const got = (await json("get", ":folder/b.txt", "c.txt")) as { files: number };
    assert.equal(got.files, 1);
    assert.equal(readFileSync(join(here, "c.txt"), "utf8"), "hello");
    const space = (await json("df")) as {
      quota: number;
      used: number;
      free: number;
      disk: { total: number };
    };
    assert.equal(space.quota, 2 * 1024 ** 3);
    assert.equal(space.used, 5);
    assert.ok(space.free <= space.quota - 5 && space.disk.total > 0);
    assert.match((await run("df")).stdout, /^ +SIZE +USED +FREE\nfiles +2\.0 GiB +5 B/);
    assert.match((await run("ls", ":folder")).stdout, /^-0640 +5 +2020-09-13 12:26:40 +b\.txt\nl0777 /);
    assert.equal(await json("rm", "folder/b.txt"), null);
    await fails(1, "invalid", "rm", "folder");
    assert.equal(await json("rm", "-r", "folder"), null);
    assert.deepEqual(await json("ls"), []);
  });

  test("fail with the contract's exit codes", async () => {
    await fails(1, "not-found", "ls", "nowhere");
    await fails(1, "not-found", "stat", "nowhere");
    await fails(1, "not-found", "rm", "nowhere");
    await fails(1, "not-found", "get", ":nowhere", ".");
    await fails(1, "not-found", "put", "nowhere", ":");
    await fails(1, "not-found", "mkdir", "no/where");
    await run("mkdir", "there");
    await fails(1, "exists", "mkdir", "there");
    await fails(1, "invalid", "get", ":there", ".");
    await fails(4, "forbidden", "ls", "../..");
    await fails(4, "forbidden", "rm", "-r", "/");
    await fails(4, "forbidden", "put", "a.txt", ":../a.txt");
    await fails(1, "invalid", "mkdir", "x".repeat(256));
    await fails(2, "usage", "get", ":a");
    await fails(2, "usage", "get", "a", "b");
    await fails(2, "usage", "get", ":a", ":b");
    await fails(2, "usage", "put", "a", "b");
    await fails(2, "usage", "put", ":a", ":b");
    await fails(2, "usage", "get", "one:a", "two:b", ".");
    await fails(2, "usage", "put", "-x", "a", ":b");
    await fails(4, "unauthorized", "ls", "stranger:");
    await run("rm", "-r", "there");
  });

  test("take patterns for what is on the agent", async () => {
    for (const name of [
      "one.log",
      "two.log",
      "other.txt",
      ".hidden.log",
      "sub1/x.log",
      "sub2/x.log",
      "sub2/y",
      "a*b",
    ]) {
      const path = join(root, "patterns", name);
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, name);
    }
    mkdirSync(join(here, "logs"));
    const got = async (...sources: string[]) => {
      const { files } = (await json("get", ...sources.map((path) => `:patterns/${path}`), "logs")) as {
        files: number;
      };
      const names = readdirSync(join(here, "logs")).sort();
      for (const name of names) rmSync(join(here, "logs", name));
      return [files, ...names];
    };
    assert.deepEqual(await got("*.log"), [2, "one.log", "two.log"]);
    assert.deepEqual(await got("[!t]*.log", "*.txt"), [2, "one.log", "other.txt"]);
    assert.deepEqual(await got("sub?/y"), [1, "y"]);
    assert.deepEqual(await got(".*.log"), [1, ".hidden.log"]);
    assert.deepEqual(await got("a*b"), [1, "a*b"], "a name that is there is no pattern");
    assert.equal((await run("cat", ":patterns/sub*/x.log")).stdout, "sub1/x.logsub2/x.log");
    await fails(1, "not-found", "get", ":patterns/*.none", "logs");
    await fails(1, "not-found", "get", ":patterns/*.log/x*", "logs");
    assert.equal(await json("rm", ":patterns/*.log"), null);
    assert.deepEqual(readdirSync(join(root, "patterns")).sort(), [
      ".hidden.log",
      "a*b",
      "other.txt",
      "sub1",
      "sub2",
    ]);
    rmSync(join(root, "patterns"), { recursive: true });
  });

  test("let a viewer read and nothing else", async () => {
    await run("put", "a.txt", ":");
    const as = async (...args: string[]) => (await agent.tether(args, { home: viewer, cwd: here })).code;
    assert.equal(await as("cat", "a.txt"), 0);
    assert.equal(await as("get", ":a.txt", "viewed"), 0);
    assert.equal(await as("ls"), 0);
    assert.equal(await as("df"), 0);
    for (const args of [
      ["put", "a.txt", ":b.txt"],
      ["mkdir", "x"],
      ["rm", "a.txt"],
      ["mv", "a.txt", "b.txt"],
    ]) {
      assert.equal(await as(...args), 4, args.join(" "));
    }
    assert.deepEqual(
      ((await json("ls")) as { name: string }[]).map(({ name }) => name),
      ["a.txt"],
    );
  });

  test("list a folder of more entries than one answer holds", async () => {
    mkdirSync(join(root, "many"));
    for (let n = 0; n < 10_050; n++) writeFileSync(join(root, "many", `f${n}`), "");
    const entries = (await json("ls", "many")) as { name: string }[];
    assert.equal(new Set(entries.map(({ name }) => name)).size, 10_050);
    assert.equal(await json("rm", "-r", "many"), null);
  });

  test("leave a line in the agent's log for what was written", async () => {
    const { files, bytes, label, target } = await agent.line("files-written");
    assert.deepEqual([files, bytes, target], [1, 5, "folder"]);
    assert.equal(typeof label, "string");
  });
});

describe("a remote path", () => {
  test("is told from a local one as scp does", () => {
    const parse = (text: string) => parseRemotePath(text, "linux");
    assert.deepEqual(parse("pi:a/b"), { agent: "pi", path: "a/b" });
    assert.deepEqual(parse(":a"), { agent: undefined, path: "a" });
    assert.deepEqual(parse(":"), { agent: undefined, path: "" });
    assert.deepEqual(parse("pi:"), { agent: "pi", path: "" });
    assert.deepEqual(parse("pi:/a:b"), { agent: "pi", path: "/a:b" });
    assert.deepEqual(parse("[fe80::1]:a"), { agent: "[fe80::1]", path: "a" });
    assert.deepEqual(parse("[fe80::1]:7415:a"), { agent: "[fe80::1]:7415", path: "a" });
    assert.deepEqual(parse("pi.local:7415:a b"), { agent: "pi.local:7415", path: "a b" });
    assert.deepEqual(parse("pi:7415"), { agent: "pi", path: "7415" });
    assert.equal(parse("a/b:c"), undefined);
    assert.equal(parse("./pi:c"), undefined);
    assert.equal(parse("plain"), undefined);
    assert.equal(parse("/a:b"), undefined);
    assert.deepEqual(parse("C:\\x"), { agent: "C", path: "\\x" });
    assert.equal(parseRemotePath("C:\\x", "win32"), undefined);
    assert.deepEqual(parseRemotePath("pi:x", "win32"), { agent: "pi", path: "x" });
  });
});

describe("the line of progress", () => {
  test("tells the file and the whole, within the terminal's width", () => {
    const progress = new Progress();
    progress.begin("folder/long name\u001b[2J", 4 * 1024 * 1024);
    progress.advance(1024 * 1024);
    assert.equal(
      progressLine(progress, 1024 * 1024, 80),
      "folder/long name [2J  25 % of 4.0 MiB  1.0 MiB/s  3 s left",
    );
    progress.total = { files: 10, bytes: 100 * 1024 * 1024 };
    const line = progressLine(progress, 1024 * 1024, 100);
    assert.match(line, /0\/10 files, 1 %, 1 min 39 s left$/);
    for (const columns of [20, 60, 80]) assert.ok(progressLine(progress, 1, columns).length < columns);
  });
});
