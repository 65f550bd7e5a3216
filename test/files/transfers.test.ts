import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  watch,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { Writable } from "node:stream";
import { after, before, beforeEach, describe, test } from "node:test";
import { setImmediate as breathe, setTimeout as wait } from "node:timers/promises";
import { getFiles, putFiles, readFiles, type TransferOutcome } from "../../controller/files/index.ts";
import { asTetherError, type TetherError } from "../../protocol/index.ts";
import { isPartial, Progress } from "../../transfer/index.ts";
import { descriptorsOf, type FilingAgent, SuiteOwner, snapshot, startFilingAgent } from "./filing-agent.ts";

const MiB = 1024 * 1024;
const never = new AbortController().signal;

describe("a transfer", { skip: process.platform !== "linux" }, () => {
  const owner = new SuiteOwner();
  let place: FilingAgent;

  before(async () => {
    place = await startFilingAgent(owner, { quota: "400MiB" });
  });
  after(() => owner.undo());
  beforeEach(async () => {
    const { root, here, client } = place;
    // By the agent, so that what it knows of the quota is exact.
    for (const name of readdirSync(root)) await client.call("files.remove", [name, true]);
    for (const name of readdirSync(here)) rmSync(join(here, name), { recursive: true, force: true });
  });

  const put = (
    sources: readonly string[],
    target: string,
    more: Partial<Parameters<typeof putFiles>[1]> = {},
  ) =>
    putFiles(place.client, {
      sources,
      target,
      recursive: true,
      progress: new Progress(),
      signal: never,
      ...more,
    });
  const get = (
    sources: readonly string[],
    target: string,
    more: Partial<Parameters<typeof getFiles>[1]> = {},
  ) =>
    getFiles(place.client, {
      sources,
      target,
      recursive: true,
      progress: new Progress(),
      totals: false,
      signal: never,
      ...more,
    });

  test("keeps content, modes, times, empty folders, links and names of every kind, there and back", async () => {
    const tree = join(place.here, "tree");
    const names = [
      "plain",
      "with space",
      "new\nline",
      'quote"\\',
      "-rf",
      "日本語 ä",
      "e\u0301",
      "\u00e9",
      "x".repeat(255),
      "é".repeat(127),
      "*",
      ".hidden",
    ];
    mkdirSync(join(tree, "empty/inner"), { recursive: true });
    for (const [index, name] of names.entries()) {
      mkdirSync(join(tree, "sub", name), { recursive: true });
      const file = join(tree, "sub", name, name);
      writeFileSync(file, randomBytes(index * 7_000));
      chmodSync(file, [0o600, 0o755, 0o444, 0o640][index % 4] as number);
      utimesSync(file, 1_600_000_000.123_456 + index, 1_600_000_000.123_456 + index);
    }
    for (const size of [0, 1, 65_535, 65_536, 65_537, 258_047, 258_048, 258_049, 3 * MiB + 1]) {
      writeFileSync(join(tree, `size-${size}`), randomBytes(size));
    }
    symlinkSync("size-1", join(tree, "link"));
    symlinkSync("../size-1", join(tree, "sub", "up"));
    symlinkSync("nowhere", join(tree, "dangling"));
    chmodSync(join(tree, "sub"), 0o700);
    chmodSync(join(tree, "empty"), 0o750);
    utimesSync(join(tree, "empty"), 1_500_000_000.5, 1_500_000_000.5);

    const there = await put([tree], "");
    assert.deepEqual(messages(there), []);
    assert.equal(snapshot(join(place.root, "tree")), snapshot(tree));
    const back = await get(["tree"], join(place.here, "back"));
    assert.deepEqual(messages(back), []);
    assert.equal(snapshot(join(place.here, "back")), snapshot(tree));
    assert.equal(there.files, names.length + 9);
    assert.equal(back.files, there.files);
    assert.equal(back.bytes, there.bytes);
    for (const copy of [join(place.root, "tree"), join(place.here, "back")]) {
      for (const name of names) assertSameTime(join(copy, "sub", name, name), join(tree, "sub", name, name));
      assertSameTime(join(copy, "empty"), join(tree, "empty"));
      assert.equal(readlinkSync(join(copy, "dangling")), "nowhere");
    }
  });

  test("puts what it names as scp does", async () => {
    const { here, root } = place;
    writeFileSync(join(here, "a"), "a");
    writeFileSync(join(here, "b"), "b");
    mkdirSync(join(here, "folder"));
    writeFileSync(join(here, "folder/c"), "c");
    mkdirSync(join(root, "there"));
    const own = (name: string) => join(here, name);
    await put([own("a")], "new");
    await put([own("a")], "there");
    await put([own("a"), own("b"), own("folder")], "there/");
    await put([own("folder")], "renamed");
    await put([`${here}/folder/.`], "there");
    await put([own("b")], "new");
    assert.deepEqual(
      readdirSync(root, { recursive: true, encoding: "utf8" }).sort(),
      [
        "new",
        "renamed",
        "renamed/c",
        "there",
        "there/a",
        "there/b",
        "there/c",
        "there/folder",
        "there/folder/c",
      ].sort(),
    );
    assert.equal(readFileSync(join(root, "new"), "utf8"), "b");
    assert.equal(await failure(put([own("a"), own("b")], "nowhere")), "not-found");
    assert.equal(await failure(put([own("a"), own("b")], "new")), "exists");
    assert.equal(await failure(put([own("a")], "nowhere/x")), "not-found");
    assert.equal(await failure(put([own("a")], "nowhere/")), "not-found");
    assert.equal(await failure(put([own("a")], "new/x")), "not-found");
    assert.deepEqual(codes(await put([own("missing"), own("a")], "there")), ["not-found"]);
    assert.deepEqual(codes(await put([own("folder")], "new")), ["exists"]);
    assert.deepEqual(codes(await put([own("folder")], "there", { recursive: false })), ["invalid"]);
    mkdirSync(join(root, "there2/a"), { recursive: true });
    assert.deepEqual(codes(await put([own("a")], "there2")), ["exists"]);

    await get(["new"], join(here, "got"));
    await get(["new", "there"], here);
    assert.equal(readFileSync(join(here, "got"), "utf8"), "b");
    assert.equal(readFileSync(join(here, "there/folder/c"), "utf8"), "c");
    assert.equal(await failure(get(["new", "there"], join(here, "got"))), "exists");
    assert.equal(await failure(get(["new"], join(here, "no/where"))), "not-found");
    assert.deepEqual(codes(await get(["missing", "new"], here)), ["not-found"]);
  });

  test("a root's contents go without it", async () => {
    writeFileSync(join(place.root, "x"), "x");
    assert.deepEqual(messages(await get([""], join(place.here, "all"))), []);
    assert.equal(readFileSync(join(place.here, "all/x"), "utf8"), "x");
  });

  test("a link that leads out of what is moved is refused, the rest comes", async () => {
    const tree = join(place.here, "tree");
    mkdirSync(tree);
    writeFileSync(join(tree, "file"), "file");
    symlinkSync("/etc/passwd", join(tree, "absolute"));
    symlinkSync("../../../../x", join(tree, "up"));
    const outcome = await put([tree], "");
    assert.deepEqual(codes(outcome), ["forbidden", "forbidden"]);
    assert.deepEqual(readdirSync(join(place.root, "tree")), ["file"]);
  });

  test("nothing over the quota is written, and what is removed makes room", async () => {
    const { here, root, client } = place;
    writeFileSync(join(here, "big"), "");
    truncateSync(join(here, "big"), 401 * MiB);
    writeFileSync(join(here, "half"), "");
    truncateSync(join(here, "half"), 210 * MiB);
    assert.deepEqual(codes(await put([join(here, "big")], "")), ["quota"]);
    assert.deepEqual(readdirSync(root), []);
    assert.deepEqual(codes(await put([join(here, "half")], "one")), []);
    assert.deepEqual(codes(await put([join(here, "half")], "two")), ["quota"]);
    // What replaces a file of the same length needs no more room.
    assert.deepEqual(codes(await put([join(here, "half")], "one")), []);
    const { used, free } = (await client.call("files.space")) as { used: number; free: number };
    assert.deepEqual([used, free], [210 * MiB, 190 * MiB]);
    await client.call("files.remove", ["one"]);
    assert.deepEqual(codes(await put([join(here, "half")], "two")), []);
    assert.deepEqual(readdirSync(root), ["two"]);
  });

  test("the second writer of a name is told, the first one's file is whole", async () => {
    const { here, root, home } = place;
    const big = join(here, "big");
    writeFileSync(big, randomBytes(100 * MiB));
    const writers = await Promise.all(
      Array.from({ length: 4 }, () => put([big], "same").then(codes, (error: TetherError) => [error.code])),
    );
    assert.deepEqual(writers.flat().sort(), ["busy", "busy", "busy"]);
    assert.ok(readFileSync(join(root, "same")).equals(readFileSync(big)));
    assert.ok(home);
  });

  test("a source that changes while it is read is noticed", async () => {
    const { here, root } = place;
    const big = join(here, "big");
    writeFileSync(big, randomBytes(100 * MiB));
    writeFileSync(join(root, "big"), "old");
    const changing = async (change: () => void): Promise<TransferOutcome> => {
      const progress = new Progress();
      const outcome = put([big], "big", { progress });
      await reached(progress, 20 * MiB, outcome);
      change();
      return outcome;
    };
    assert.deepEqual(codes(await changing(() => truncateSync(big, 30 * MiB))), ["integrity"]);
    writeFileSync(big, randomBytes(100 * MiB));
    assert.deepEqual(codes(await changing(() => utimesSync(big, 1, 1))), ["integrity"]);
    assert.equal(readFileSync(join(root, "big"), "utf8"), "old");
    assert.deepEqual(readdirSync(root), ["big"]);
    // A file that only grows comes as it was at first.
    assert.deepEqual(codes(await changing(() => writeFileSync(big, "more", { flag: "a" }))), []);
    assert.equal(statSync(join(root, "big")).size, 100 * MiB);
  });

  test("given up in the middle, it leaves the old file and a part to go on with", async () => {
    const { here, root, agent } = place;
    const big = join(here, "big");
    writeFileSync(big, randomBytes(64 * MiB));
    writeFileSync(join(root, "big"), "old");
    writeFileSync(join(root, "served"), readFileSync(big));
    const open = descriptorsOf(agent.pid).length;
    const own = descriptorsOf(process.pid).length;
    for (let n = 0; n < 10; n++) {
      const stop = new AbortController();
      const progress = new Progress();
      const target = join(here, "target");
      const work =
        n % 2 === 0
          ? put([big], "big", { progress, signal: stop.signal })
          : get(["served"], target, { progress, signal: stop.signal });
      await reached(progress, n * 5 * MiB, work);
      stop.abort();
      assert.equal(await failure(work), "cancelled");
      assert.ok(!existsSync(target));
      assert.equal(readFileSync(join(root, "big"), "utf8"), "old");
      await until(() => readdirSync(root).filter(isPartial).length <= 2);
      await until(() => readdirSync(here).filter(isPartial).length <= 2);
    }
    const [there, back] = [await put([big], "big"), await get(["served"], join(here, "target"))];
    assert.ok(there.resumed > 10 * MiB && back.resumed > 10 * MiB, `${there.resumed}, ${back.resumed}`);
    assert.ok(readFileSync(join(root, "big")).equals(readFileSync(join(here, "target"))));
    assert.ok(!readdirSync(root).some(isPartial) && !readdirSync(here).some(isPartial));
    await until(() => descriptorsOf(agent.pid).length === open);
    await until(() => descriptorsOf(process.pid).length === own);
  });

  test("a watcher never sees a part under a final name", async () => {
    const { here, root } = place;
    const tree = join(here, "tree");
    mkdirSync(tree);
    const right = new Map<string, string>();
    for (let n = 0; n < 60; n++) {
      const content = randomBytes(n % 10 === 0 ? 2 * MiB : 20_000);
      writeFileSync(join(tree, `f${n}`), content);
      right.set(`f${n}`, hash(content));
    }
    mkdirSync(join(root, "tree"));
    const wrong: string[] = [];
    let seen = 0;
    const look = (name: string | null) => {
      if (name === null || isPartial(name)) return;
      const path = join(root, "tree", name);
      if (!existsSync(path)) return;
      seen++;
      if (hash(readFileSync(path)) !== right.get(name)) wrong.push(name);
    };
    const watcher = watch(join(root, "tree"), (_, name) => look(name));
    const outcome = await put([`${tree}/.`], "tree");
    await until(() => seen >= 60);
    watcher.close();
    assert.deepEqual(codes(outcome), []);
    assert.deepEqual(wrong, []);
  });

  test("a ping stays quick and memory bounded while 400 MiB go through", async () => {
    const { here, client, agent } = place;
    const big = join(here, "big");
    writeFileSync(big, "");
    truncateSync(big, 390 * MiB);
    let over = false;
    const work = put([big], "big").finally(() => {
      over = true;
    });
    const times: number[] = [];
    let memory = 0;
    while (!over) {
      times.push(await client.ping());
      memory = Math.max(
        memory,
        Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${agent.pid}/status`, "utf8"))?.[1]),
      );
      await wait(5);
    }
    assert.deepEqual(codes(await work), []);
    times.sort((a, b) => a - b);
    const median = times[Math.floor(times.length / 2)] as number;
    assert.ok(times.length > 5);
    assert.ok(median < 100, `median of ${times.length} pings: ${median} ms`);
    assert.ok(memory < 250 * 1024, `${memory} KiB`);
  });

  test("cat gives the bytes, and says what is missing", async () => {
    const content = randomBytes(3 * MiB);
    writeFileSync(join(place.root, "bytes"), content);
    const pieces: Buffer[] = [];
    const slow = new Writable({
      write(chunk: Buffer, _, done) {
        pieces.push(Buffer.from(chunk));
        setImmediate(done);
      },
    });
    await readFiles(place.client, ["bytes", "bytes"], slow, never);
    await until(() => Buffer.concat(pieces).length === 6 * MiB);
    assert.ok(Buffer.concat(pieces).equals(Buffer.concat([content, content])));
    assert.equal(await failure(readFiles(place.client, ["nothing"], slow, never)), "not-found");
  });
});

function messages({ failures }: TransferOutcome): string[] {
  return failures.map(({ message }) => message);
}

function codes({ failures }: TransferOutcome): string[] {
  return failures.map(({ code }) => code);
}

async function failure(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => undefined,
    (thrown) => asTetherError(thrown),
  );
  assert.ok(error, "nothing failed");
  return error.code;
}

function hash(content: Buffer): string {
  return createHash("sha256").update(content).digest("hex");
}

/** The contract's tolerance: 2 µs. */
function assertSameTime(one: string, other: string): void {
  const [a, b] = [statSync(one, { bigint: true }).mtimeNs, statSync(other, { bigint: true }).mtimeNs];
  const apart = a > b ? a - b : b - a;
  assert.ok(apart <= 2_000n, `${one}: ${apart} ns apart`);
}

/** Waits until a transfer has come so far; throws when it ends before. */
async function reached(progress: Progress, bytes: number, work: Promise<unknown>): Promise<void> {
  let over = false;
  const end = () => {
    over = true;
  };
  work.then(end, end);
  while (progress.bytes < bytes) {
    assert.ok(!over, `over after ${progress.bytes} bytes`);
    await breathe();
  }
}

async function until(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 20_000;
  while (!condition()) {
    assert.ok(performance.now() < deadline, "waited in vain");
    await wait(5);
  }
}
