import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { Writable } from "node:stream";
import { after, before, describe, test } from "node:test";
import { setImmediate as breathe } from "node:timers/promises";
import { getFiles, putFiles, readFiles } from "../../controller/files/index.ts";
import { asTetherError } from "../../protocol/index.ts";
import { Progress } from "../../transfer/index.ts";
import { descriptorsOf, type FilingAgent, SuiteOwner, snapshot, startFilingAgent } from "./filing-agent.ts";
import { hostilePaths } from "./hostile-paths.ts";

const SECRET = "the secret that lies outside";
const never = new AbortController().signal;

describe("the files' root", { skip: process.platform !== "linux" }, () => {
  let place: FilingAgent;
  let outside: string;

  const owner = new SuiteOwner();
  before(async () => {
    place = await startFilingAgent(owner);
    outside = join(place.agent.statePath, "outside");
    furnish(place.root, outside);
  });

  after(() => owner.undo());

  test("200 hostile paths read, write, create and remove nothing outside", async () => {
    const { client, here, root, agent } = place;
    const paths = hostilePaths(outside);
    assert.ok(paths.length >= 200, `${paths.length} paths`);
    const harmless = join(here, "harmless");
    writeFileSync(harmless, "harmless");
    const stateBefore = snapshot(outside);
    const beside = readdirSync(agent.statePath).sort();
    const open = descriptorsOf(agent.pid).length;
    for (const path of paths) {
      const came: unknown[] = [];
      const attempt = async (work: () => Promise<unknown>) => {
        try {
          came.push(await work());
        } catch (error) {
          const { code, message } = asTetherError(error);
          assert.notEqual(code, "internal", `${JSON.stringify(path)}: ${message}`);
          assert.ok(!message.includes("/proc/self/fd"), message);
        }
      };
      const options = { recursive: true, progress: new Progress(), signal: never };
      await attempt(() => client.call("files.list", [path]));
      await attempt(() => client.call("files.stat", [path]));
      await attempt(() => text(place, path));
      await attempt(() => getFiles(client, { ...options, sources: [path], target: here, totals: false }));
      await attempt(() => putFiles(client, { ...options, sources: [harmless], target: path }));
      await attempt(() => putFiles(client, { ...options, sources: [harmless], target: `${path}/harmless` }));
      await attempt(() => client.call("files.mkdir", [path]));
      await attempt(() => client.call("files.move", ["file", path]));
      await attempt(() => client.call("files.move", [path, "moved"]));
      await attempt(() => client.call("files.remove", [path, true]));
      assert.ok(!JSON.stringify(came).includes(SECRET), `${JSON.stringify(path)} read the secret`);
      assert.equal(snapshot(outside), stateBefore, JSON.stringify(path));
      assert.ok(!readTree(here).includes(SECRET), `${JSON.stringify(path)} brought the secret`);
      rmSync(here, { recursive: true, force: true });
      mkdirSync(here);
      writeFileSync(harmless, "harmless");
      refurnish(root, outside);
    }
    assert.deepEqual(readdirSync(agent.statePath).sort(), beside);
    assert.equal(descriptorsOf(agent.pid).length, open, descriptorsOf(agent.pid).join("\n"));
  });

  test("links that stay inside are followed, to read and to write", async () => {
    const { client, here } = place;
    assert.equal(await text(place, "toInside/value"), "inside");
    assert.equal(await text(place, "absolute/value"), "inside");
    assert.equal(await text(place, "a/upAndDown"), "inside");
    const own = join(here, "own");
    writeFileSync(own, "new");
    await putFiles(client, {
      sources: [own],
      target: "toInside/value",
      recursive: false,
      progress: new Progress(),
      signal: never,
    });
    assert.equal(readFileSync(join(place.root, "inside/value"), "utf8"), "new");
  });

  test("a folder swapped for a link during 300 transfers lets nothing out", async () => {
    const { client, root, here, agent } = place;
    refurnish(root, outside);
    const before = snapshot(outside);
    const open = descriptorsOf(agent.pid).length;
    mkdirSync(join(root, "swap/inner"), { recursive: true });
    writeFileSync(join(root, "swap/secret"), "not secret");
    writeFileSync(join(root, "swap/inner/secret"), "not secret");
    const tree = join(here, "tree");
    mkdirSync(join(tree, "inner"), { recursive: true });
    for (let n = 0; n < 5; n++) writeFileSync(join(tree, "inner", `new-${n}`), "new");
    writeFileSync(join(tree, "secret"), "written over");
    let swaps = 0;
    const stop = swapper(root, outside, () => swaps++);
    const options = { recursive: true, progress: new Progress(), signal: never };
    let succeeded = 0;
    for (let n = 0; n < 300; n++) {
      const target = join(here, `back-${n}`);
      const work =
        n % 3 === 0
          ? putFiles(client, {
              ...options,
              sources: [join(tree, "inner"), join(tree, "secret")],
              target: "swap",
            })
          : n % 3 === 1
            ? getFiles(client, { ...options, sources: ["swap"], target, totals: false })
            : text(place, "swap/secret").then((content) => {
                assert.ok(!content.includes(SECRET));
                return { failures: [] };
              });
      await work.then(
        ({ failures }) => {
          if (failures.length === 0) succeeded++;
        },
        (error) => assert.notEqual(asTetherError(error).code, "internal", asTetherError(error).message),
      );
    }
    await stop();
    assert.ok(swaps > 300, `${swaps} swaps`);
    assert.ok(succeeded > 0, "no transfer met the folder");
    assert.equal(snapshot(outside), before);
    assert.ok(!readTree(here).includes(SECRET));
    assert.equal(descriptorsOf(agent.pid).length, open, descriptorsOf(agent.pid).join("\n"));
  });

  test("a folder moved out of the root while a transfer is in it gets nothing more", async () => {
    const { client, root, here } = place;
    rmSync(join(root, "going"), { recursive: true, force: true });
    mkdirSync(join(root, "going"));
    const big = join(here, "big");
    const small = join(here, "small");
    writeFileSync(big, Buffer.alloc(64 * 1024 * 1024, 1));
    writeFileSync(small, "small");
    const gone = join(place.agent.statePath, "gone");
    const progress = new Progress();
    const put = putFiles(client, {
      sources: [big, small],
      target: "going",
      recursive: false,
      progress,
      signal: never,
    });
    while (progress.bytes < 1024 * 1024) await breathe();
    renameSync(join(root, "going"), gone);
    const { failures } = await put.catch((error) => ({ failures: [asTetherError(error)] }));
    assert.deepEqual(
      failures.map(({ code }) => code),
      ["forbidden", "forbidden"],
    );
    assert.deepEqual(readdirSync(gone), []);
    rmSync(gone, { recursive: true });
  });
});

/** The root with everything that hostile paths go through, and what lies outside. */
function furnish(root: string, outside: string): void {
  mkdirSync(join(outside, "inner/deep"), { recursive: true });
  writeFileSync(join(outside, "secret"), SECRET);
  writeFileSync(join(outside, "inner/deep/secret"), SECRET);
  refurnish(root, outside);
}

function refurnish(root: string, outside: string): void {
  for (const name of readdirSync(root)) rmSync(join(root, name), { recursive: true, force: true });
  mkdirSync(join(root, "a/b/c"), { recursive: true });
  mkdirSync(join(root, "inside"));
  mkdirSync(join(root, "inner"));
  writeFileSync(join(root, "file"), "file");
  writeFileSync(join(root, "inside/value"), "inside");
  for (const [name, target] of [
    ["out", outside],
    ["outUp", "../outside"],
    ["outFile", join(outside, "secret")],
    ["chain1", "chain2"],
    ["chain2", "a/../out"],
    ["loop", "loop"],
    ["a/out", "../../outside"],
    ["a/up", "../.."],
    ["etc", "/etc"],
    ["self", "."],
    ["dangling", "/nowhere/at/all"],
    ["toInside", "inside"],
    ["absolute", join(root, "inside")],
    ["a/upAndDown", "../a/../inside/value"],
  ] as const) {
    symlinkSync(target, join(root, name));
  }
  execFileSync("mkfifo", [join(root, "fifo")]);
}

/** Puts a link to the outside in the folder's place and back, again and again; gives what ends that. */
function swapper(root: string, outside: string, swapped: () => void): () => Promise<void> {
  const [folder, aside, link] = ["swap", "swap-aside", "swap-link"].map((name) => join(root, name)) as [
    string,
    string,
    string,
  ];
  let going = true;
  const run = async () => {
    symlinkSync(outside, link);
    while (going) {
      renameSync(folder, aside);
      renameSync(link, folder);
      swapped();
      await breathe();
      renameSync(folder, link);
      renameSync(aside, folder);
      swapped();
      await breathe();
    }
    rmSync(link);
  };
  const running = run();
  return () => {
    going = false;
    return running;
  };
}

async function text({ client }: FilingAgent, path: string): Promise<string> {
  let content = "";
  const output = new Writable({
    write(chunk: Buffer, _, done) {
      content += chunk.toString();
      done();
    },
  });
  await readFiles(client, [path], output, never);
  return content;
}

/** The contents of all files below a folder, one after the other. */
function readTree(folder: string): string {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .map((name) => join(folder, name))
    .filter((path) => statSync(path, { throwIfNoEntry: false })?.isFile() === true)
    .filter((path) => statSync(path).size < 1024 * 1024)
    .map((path) => readFileSync(path, "utf8"))
    .join("\n");
}
