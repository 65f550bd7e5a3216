import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  chmodSync,
  closeSync,
  existsSync,
  ftruncateSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { createServer, connect as dial } from "node:net";
import { join } from "node:path";
import { after, before, beforeEach, describe, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { connect } from "../../controller/index.ts";
import { type SyncOutcome, syncFromAgent, syncToAgent } from "../../controller/syncing/index.ts";
import type { TetherError } from "../../protocol/index.ts";
import {
  fileBody,
  folderBody,
  isPartial,
  LocalFolder,
  linkBody,
  type PlannedAction,
  Progress,
  type SyncChoices,
  type SyncItem,
  syncBody,
  syncType,
} from "../../transfer/index.ts";
import { programArguments } from "../agent-process.ts";
import { chosenSeed, Random } from "../wire/random.ts";
import { record, syncDirectly, syncReceiver } from "./direct-sync.ts";
import { descriptorsOf, type FilingAgent, SuiteOwner, snapshot, startFilingAgent } from "./filing-agent.ts";

const MiB = 1024 * 1024;
const never = new AbortController().signal;

describe("a sync", { skip: process.platform !== "linux" }, () => {
  const owner = new SuiteOwner();
  let place: FilingAgent;

  before(async () => {
    place = await startFilingAgent(owner, { quota: "90MiB" });
  });
  after(() => owner.undo());
  beforeEach(async () => {
    const { root, here, client } = place;
    // By the agent, so that what it knows of the quota is exact.
    for (const name of readdirSync(root)) await client.call("files.remove", [name, true]);
    for (const name of readdirSync(here)) rmSync(join(here, name), { recursive: true, force: true });
  });

  /** The two ways: where the source and the target are, and what makes them equal. */
  const ways = {
    "to the agent": {
      places: () => [join(place.here, "source"), join(place.root, "target")] as const,
      sync: (choices: Partial<SyncChoices> = {}) => sync("to", join(place.here, "source"), "target", choices),
    },
    "from the agent": {
      places: () => [join(place.root, "source"), join(place.here, "target")] as const,
      sync: (choices: Partial<SyncChoices> = {}) =>
        sync("from", "source", join(place.here, "target"), choices),
    },
  };

  async function sync(
    way: "to" | "from",
    source: string,
    target: string,
    choices: Partial<SyncChoices> = {},
    client = place.client,
  ): Promise<SyncOutcome & { readonly plan: readonly PlannedAction[] }> {
    const plan: PlannedAction[] = [];
    const none = { delete: false, dryRun: false, checksum: false, exclude: [] };
    const options = { ...none, ...choices, source, target, progress: new Progress(), signal: never };
    const onPlan = (action: PlannedAction) => void plan.push(action);
    const work = way === "to" ? syncToAgent : syncFromAgent;
    return { ...(await work(client, { ...options, onPlan })), plan };
  }

  for (const [way, { places, sync: run }] of Object.entries(ways)) {
    test(`${way}: makes a tree equal, then finds nothing to do`, async () => {
      const [source, target] = places();
      const names = [
        "plain",
        "with space",
        "new\nline",
        "日本語 ä",
        "é".repeat(127),
        "*",
        ".hidden",
        "\u{1f600}",
        "\uffe0",
      ];
      for (const [index, name] of names.entries()) {
        mkdirSync(join(source, "sub", name), { recursive: true });
        writeFileSync(join(source, "sub", name, name), randomBytes(index * 30_000));
        chmodSync(join(source, "sub", name, name), [0o600, 0o755, 0o444][index % 3] as number);
        const time = 1_600_000_000.123_456 + index;
        utimesSync(join(source, "sub", name, name), time, time);
      }
      mkdirSync(join(source, "empty"), { mode: 0o750 });
      symlinkSync("sub/plain/plain", join(source, "link"));
      utimesSync(join(source, "empty"), 1_500_000_000.5, 1_500_000_000.5);
      const first = await run();
      assert.deepEqual([messages(first), first.files, first.unchanged], [[], names.length, 0]);
      assertSame(target, source);
      const again = await run({ delete: true });
      assert.deepEqual([messages(again), again.files, again.unchanged], [[], 0, names.length]);
      assert.ok(again.sent < 4_000, `${again.sent} bytes for nothing`);
      assertSame(target, source);
    });

    test(`${way}: sends of large files what is different, wherever it is`, async () => {
      const [source, target] = places();
      mkdirSync(source);
      const seed = chosenSeed();
      const random = new Random(seed);
      const names = ["a", "b", "c", "d"];
      for (const name of names) writeFileSync(join(source, name), randomBytes(5 * MiB + random.below(9_999)));
      await run();
      for (let round = 0; round < 4; round++) {
        let changed = 0;
        for (const name of names) {
          const content = readFileSync(join(source, name));
          const at = random.below(content.length);
          const gone = random.below(3) * random.below(50_000);
          const come = randomBytes(random.below(3) * random.below(50_000));
          changed += come.length;
          writeFileSync(
            join(source, name),
            Buffer.concat([content.subarray(0, at), come, content.subarray(at + gone)]),
          );
        }
        const outcome = await run();
        const what = `seed ${seed}, round ${round}`;
        assert.deepEqual(messages(outcome), [], what);
        assertSame(target, source, what);
        // Signatures, and what of a block at the edge is not found.
        assert.ok(outcome.sent < changed + names.length * 25_000, `${what}: ${outcome.sent} for ${changed}`);
      }
    });

    test(`${way}: removes what the source has not, and only with leave`, async () => {
      const [source, target] = places();
      mkdirSync(join(source, "kept"), { recursive: true });
      writeFileSync(join(source, "kept/file"), "here");
      await run();
      mkdirSync(join(target, "old/deep"), { recursive: true });
      writeFileSync(join(target, "old/deep/file"), "x");
      writeFileSync(join(target, "kept/extra"), "y");
      mkdirSync(join(place.here, "elsewhere"), { recursive: true });
      writeFileSync(join(place.here, "elsewhere/file"), "z");
      symlinkSync("../../here/elsewhere", join(target, "link"));
      assert.equal((await run()).deleted, 0);
      assert.ok(existsSync(join(target, "old/deep/file")) && existsSync(join(target, "kept/extra")));
      const before = look(target);
      const dry = await run({ delete: true, dryRun: true });
      assert.equal(look(target), before);
      const planned = dry.plan.filter(({ action }) => action === "delete").map(({ path }) => path);
      assert.deepEqual(planned.sort(), ["kept/extra", "link", "old"]);
      const done = await run({ delete: true });
      assert.deepEqual([messages(done), done.deleted], [[], 3]);
      assertSame(target, source);
      assert.equal(readFileSync(join(place.here, "elsewhere/file"), "utf8"), "z");
    });

    test(`${way}: leaves alone what is excluded`, async () => {
      const [source, target] = places();
      for (const path of [
        "a.tmp",
        ".b.tmp",
        "c",
        "sub/d.tmp",
        "sub/notes",
        "notes",
        "build/x",
        "sub/build",
      ]) {
        mkdirSync(join(source, path, ".."), { recursive: true });
        writeFileSync(join(source, path), path);
      }
      mkdirSync(join(target, "build"), { recursive: true });
      mkdirSync(join(target, "gone/in"), { recursive: true });
      for (const path of ["own.tmp", "build/own", "gone/in/own.tmp", "gone/in/x"]) {
        writeFileSync(join(target, path), "own");
      }
      const outcome = await run({ delete: true, exclude: ["*.tmp", "/notes", "build/"] });
      assert.deepEqual(messages(outcome), []);
      const paths = readdirSync(target, { recursive: true }).map(String).sort();
      const kept = ["build", "build/own", "gone", "gone/in", "gone/in/own.tmp", "own.tmp"];
      assert.deepEqual(paths, [...kept, "c", "sub", "sub/build", "sub/notes"].sort());
    });

    test(`${way}: --checksum finds what size and time do not show`, async () => {
      const [source, target] = places();
      mkdirSync(source);
      for (const [name, size] of [
        ["small", 1_000],
        ["large", 2 * MiB],
        ["same", 2 * MiB],
      ] as const) {
        writeFileSync(join(source, name), randomBytes(size));
      }
      await run();
      for (const name of ["small", "large"]) {
        const path = join(target, name);
        const { atime, mtime } = statSync(path);
        const content = readFileSync(path);
        content[500] = (content[500] as number) ^ 1;
        writeFileSync(path, content);
        utimesSync(path, atime, mtime);
        utimesSync(join(source, name), atime, mtime);
      }
      assert.equal((await run()).files, 0);
      const dry = await run({ checksum: true, dryRun: true });
      assert.deepEqual(
        dry.plan
          .filter(({ action }) => action === "update")
          .map(({ path }) => path)
          .sort(),
        ["large", "small"],
      );
      const outcome = await run({ checksum: true });
      assert.deepEqual([messages(outcome), outcome.files, outcome.unchanged], [[], 2, 1]);
      assertSame(target, source);
      assert.ok(outcome.sent < 20_000, `${outcome.sent} bytes`);
    });

    test(`${way}: holes stay holes`, async () => {
      const [source, target] = places();
      mkdirSync(source);
      const file = join(source, "file");
      const change = (at: number) => {
        const descriptor = openSync(file, existsSync(file) ? "r+" : "w");
        writeSync(descriptor, randomBytes(MiB), 0, MiB, at);
        ftruncateSync(descriptor, 32 * MiB);
        closeSync(descriptor);
      };
      change(8 * MiB + 4096);
      for (const at of [20 * MiB + 4096, 3 * MiB]) {
        await run();
        change(at);
      }
      assert.deepEqual(messages(await run()), []);
      assertSame(target, source);
      const { blocks } = statSync(join(target, "file"));
      assert.ok(blocks * 512 < 4 * MiB, `${blocks * 512} bytes on the disk`);
    });

    test(`${way}: a touched file gets its time and mode, and nothing else is sent`, async () => {
      const [source, target] = places();
      mkdirSync(source);
      writeFileSync(join(source, "file"), randomBytes(8 * MiB));
      await run();
      const { ino } = statSync(join(target, "file"));
      utimesSync(join(source, "file"), 1_700_000_000.25, 1_700_000_000.25);
      chmodSync(join(source, "file"), 0o700);
      const outcome = await run();
      assert.deepEqual([messages(outcome), outcome.files, outcome.unchanged], [[], 0, 1]);
      assertSame(target, source);
      assert.equal(statSync(join(target, "file")).ino, ino);
      assert.ok(outcome.sent < 5_000, `${outcome.sent} bytes`);
    });

    test(`${way}: puts files, folders and links in the place of each other`, async () => {
      const [source, target] = places();
      const make = (kind: string, path: string) => {
        if (kind === "file") writeFileSync(path, path);
        else if (kind === "link") symlinkSync("nowhere", path);
        else mkdirSync(path);
        if (kind === "full") writeFileSync(join(path, "inner"), "x");
      };
      const kinds = ["file", "link", "folder", "full"];
      mkdirSync(source);
      mkdirSync(target);
      for (const from of kinds) {
        for (const to of kinds) {
          make(from, join(source, `${from}-${to}`));
          make(to, join(target, `${from}-${to}`));
        }
      }
      const refused = await run();
      assert.deepEqual(
        refused.failures.map(({ code }) => code),
        ["exists", "exists"],
        messages(refused).join("\n"),
      );
      assert.ok(existsSync(join(target, "file-full/inner")));
      const outcome = await run({ delete: true });
      assert.deepEqual(messages(outcome), []);
      assertSame(target, source);
    });

    test(`${way}: refuses a link that leads out, and goes through none`, async () => {
      const [source, target] = places();
      mkdirSync(join(source, "folder"), { recursive: true });
      writeFileSync(join(source, "folder/file"), "new");
      writeFileSync(join(source, "file"), "new");
      symlinkSync("../../../../../../etc/passwd", join(source, "out"));
      const outside = join(place.agent.folder, "outside");
      mkdirSync(outside);
      writeFileSync(join(outside, "file"), "old");
      writeFileSync(join(outside, "other"), "old");
      mkdirSync(target);
      symlinkSync(outside, join(target, "folder"));
      symlinkSync(join(outside, "file"), join(target, "file"));
      const outcome = await run({ delete: true });
      rmSync(join(source, "out"));
      assert.deepEqual(
        outcome.failures.map(({ code }) => code),
        ["forbidden"],
      );
      assert.ok(snapshot(target) === snapshot(source));
      assert.equal(readFileSync(join(outside, "file"), "utf8"), "old");
      assert.deepEqual(readdirSync(outside), ["file", "other"]);
      rmSync(outside, { recursive: true });
    });

    test(`${way}: removes nothing when not all of the source can be read`, async () => {
      const [source, target] = places();
      mkdirSync(source);
      mkdirSync(target);
      writeFileSync(join(source, "file"), "x");
      // A name that is no UTF-8 cannot be sent.
      writeFileSync(Buffer.concat([Buffer.from(`${source}/bad-`), Buffer.from([0xff])]), "x");
      writeFileSync(join(target, "old"), "x");
      const outcome = await run({ delete: true });
      assert.equal(outcome.failures.length, 1);
      assert.match(outcome.notes.join(), /nothing was removed/);
      assert.deepEqual(readdirSync(target).sort(), ["file", "old"]);
    });

    test(`${way}: a file goes to a name, or into a folder`, async () => {
      const [source, target] = places();
      writeFileSync(source, randomBytes(3 * MiB));
      assert.equal((await run()).files, 1);
      assert.ok(readFileSync(target).equals(readFileSync(source)));
      writeFileSync(source, Buffer.concat([Buffer.from("x"), readFileSync(source)]));
      const changed = await run();
      assert.ok(changed.files === 1 && changed.sent < 100_000, JSON.stringify(changed));
      assert.ok(readFileSync(target).equals(readFileSync(source)));
      assert.equal((await run()).unchanged, 1);
      rmSync(target);
      mkdirSync(target);
      writeFileSync(join(target, "other"), "x");
      assert.equal((await run({ delete: true })).files, 1);
      assert.deepEqual(readdirSync(target), ["other", "source"]);
      assert.equal((await run({ delete: true })).unchanged, 1);
    });
  }

  test("a folder does not take the place of a file that was named", async () => {
    mkdirSync(join(place.here, "source"));
    writeFileSync(join(place.root, "target"), "x");
    await assert.rejects(sync("to", join(place.here, "source"), "target"), { code: "exists" });
    await assert.rejects(sync("to", join(place.here, "nothing"), "target"), { code: "not-found" });
    await assert.rejects(sync("from", "nothing", join(place.here, "target")), { code: "not-found" });
    assert.equal(readFileSync(join(place.root, "target"), "utf8"), "x");
  });

  test("what it says that it sent is what was on the wire", async (t) => {
    let wire = 0;
    const proxy = createServer((near) => {
      const far = dial(place.agent.port, "127.0.0.1");
      for (const [from, to] of [
        [near, far],
        [far, near],
      ] as const) {
        from.on("data", (bytes) => {
          wire += bytes.length;
        });
        from.pipe(to);
        from.on("error", () => to.destroy());
      }
    });
    await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
    t.after(() => proxy.close());
    const { port } = proxy.address() as { port: number };
    const client = await connect(`127.0.0.1:${port}`, { folder: place.home });
    t.after(() => client.close());
    const source = join(place.here, "source");
    mkdirSync(source);
    for (let n = 0; n < 2_000; n++) writeFileSync(join(source, `file-${n}`), "x");
    writeFileSync(join(source, "large"), randomBytes(20 * MiB));
    await sync("to", source, "target", {}, client);
    const content = readFileSync(join(source, "large"));
    writeFileSync(
      join(source, "large"),
      Buffer.concat([content.subarray(0, MiB), randomBytes(MiB), content.subarray(MiB)]),
    );
    for (const [run, most] of [
      [() => sync("to", source, "target", {}, client), 1.02],
      [() => sync("from", "target", join(place.here, "back"), {}, client), 1.02],
      // A frame for each of so many short answers.
      [() => sync("from", "target", join(place.here, "back"), { checksum: true }, client), 1.2],
    ] as const) {
      await client.call("net.hostname", []);
      const before = wire;
      const { sent } = await run();
      await client.call("net.hostname", []);
      const real = wire - before;
      assert.ok(sent <= real && real < sent * most + 6_000, `${sent} said, ${real} on the wire`);
    }
  });

  test("a killed side leaves each file old or new", async () => {
    const { here, root, agent, home } = place;
    const source = join(here, "source");
    mkdirSync(source);
    mkdirSync(join(root, "target"));
    const old = randomBytes(16 * MiB);
    const fresh = Buffer.concat([
      randomBytes(999),
      old.subarray(0, 10 * MiB),
      randomBytes(MiB),
      old.subarray(11 * MiB),
    ]);
    let cut = 0;
    for (let round = 0; round < 8; round++) {
      writeFileSync(join(source, "large"), fresh);
      writeFileSync(join(root, "target/large"), old);
      const child = spawn(
        process.execPath,
        [...programArguments("tether"), "sync", "--delete", source, ":target"],
        {
          env: { ...process.env, TETHER_HOME: home },
          stdio: "ignore",
        },
      );
      const ended = new Promise((resolve) => child.once("close", resolve));
      let partial: string | undefined;
      while (child.exitCode === null && partial === undefined) {
        partial = readdirSync(join(root, "target")).find(isPartial);
        const size = partial && statSync(join(root, "target", partial), { throwIfNoEntry: false })?.size;
        if (typeof size !== "number" || size < (fresh.length * round) / 10) partial = undefined;
        await wait(1);
      }
      child.kill("SIGKILL");
      await ended;
      const content = readFileSync(join(root, "target/large"));
      assert.ok(content.equals(old) || content.equals(fresh), `round ${round}`);
      if (content.equals(old)) cut++;
    }
    assert.ok(cut >= 3, `${cut} of 8 were cut in the middle`);
    assert.equal((await agent.tether(["sync", source, ":target"], { home })).code, 0);
    assert.ok(readFileSync(join(root, "target/large")).equals(fresh));
    await until(() => descriptorsOf(agent.pid).every((path) => !path.includes("target")));
  });

  test("a viewer may look and bring, and not write", async (t) => {
    const home = await place.agent.pair(place.agent.makeHome(), { role: "viewer" });
    const client = await connect(`127.0.0.1:${place.agent.port}`, { folder: home });
    t.after(() => client.close());
    const source = join(place.here, "source");
    mkdirSync(source);
    writeFileSync(join(source, "file"), "x");
    await assert.rejects(sync("to", source, "target", {}, client), { code: "forbidden" });
    const { plan } = await sync("to", source, "target", { dryRun: true }, client);
    assert.deepEqual(
      plan.map(({ action, path }) => `${action} ${path}`),
      ["folder ", "send file"],
    );
    assert.deepEqual(readdirSync(place.root), []);
    await sync("to", source, "target");
    assert.equal((await sync("from", "target", join(place.here, "back"), {}, client)).files, 1);
  });

  test("the quota holds, and what was removed makes room", async () => {
    const source = join(place.here, "source");
    mkdirSync(source);
    for (const name of ["a", "b", "c"]) writeFileSync(join(source, name), Buffer.alloc(40 * MiB));
    const outcome = await sync("to", source, "target");
    assert.deepEqual(
      outcome.failures.map(({ code }) => code),
      ["quota"],
    );
    rmSync(join(source, "a"));
    await sync("to", source, "target", { delete: true });
    const second = await sync("to", source, "target");
    assert.deepEqual([messages(second), readdirSync(join(place.root, "target"))], [[], ["b", "c"]]);
  });

  test("the command says what it would do, and what is wrong with its use", async () => {
    const { agent, home, here } = place;
    const run = (...args: string[]) => agent.tether(["sync", ...args], { home, cwd: here });
    mkdirSync(join(here, "source"));
    writeFileSync(join(here, "source/file"), "x");
    assert.equal((await run("--dry-run", "source", ":target")).stdout, "folder .\nsend file\n");
    assert.deepEqual(readdirSync(place.root), []);
    const { stdout } = await run("--json", "source", ":target");
    const { seconds, sent, ...counts } = JSON.parse(stdout);
    assert.ok(seconds > 0 && sent > 0);
    assert.deepEqual(counts, { files: 1, bytes: 1, resumed: 0, unchanged: 0, deleted: 0 });
    for (const [args, pattern] of [
      [["a", "b"], /both are here/],
      [[":a", ":b"], /both are on an agent/],
      [["a"], /missing/],
    ] as const) {
      const ended = await run(...args);
      assert.equal(ended.code, 2);
      assert.match(ended.stderr, pattern);
    }
    const bad = await run("--exclude", "", "source", ":target");
    assert.equal(bad.code, 1);
    assert.match(bad.stderr, /no pattern/);
  });

  test("an old file that changes meanwhile makes the new one come as a whole", async () => {
    const [from, to] = [join(place.here, "from"), join(place.here, "to")];
    for (const one of [from, to]) mkdirSync(one);
    const old = randomBytes(MiB);
    const fresh = Buffer.concat([randomBytes(100), old]);
    writeFileSync(join(from, "file"), fresh);
    writeFileSync(join(to, "file"), old);
    const outcome = await syncDirectly(from, to, {
      answer(bytes, number) {
        // The second answer is that about the file's pieces.
        if (number === 1) writeFileSync(join(to, "file"), randomBytes(MiB));
        return bytes;
      },
    });
    assert.deepEqual([outcome.error, outcome.failures], [undefined, []]);
    assert.ok(outcome.reports.some((report) => "again" in report));
    assert.ok(readFileSync(join(to, "file")).equals(fresh));
    assert.deepEqual(readdirSync(to), ["file"]);
  });

  test("a file that cannot be read keeps everything in the target", async () => {
    const [from, to] = [join(place.here, "from"), join(place.here, "to")];
    for (const one of [from, to]) mkdirSync(one);
    writeFileSync(join(from, "bad"), "x");
    writeFileSync(join(from, "good"), "x");
    writeFileSync(join(to, "old"), "x");
    let looks = 0;
    const folder = new (class extends LocalFolder {
      override path(name: string): string {
        // It is listed, and cannot be opened.
        return super.path(name === "bad" && looks++ > 0 ? "gone" : name);
      }
    })(from);
    const outcome = await syncDirectly(from, to, { delete: true, folder });
    assert.deepEqual([outcome.error, outcome.failures.length], [undefined, 1]);
    assert.deepEqual(readdirSync(to), ["good", "old"]);
  });

  test("answers that no receiver gives end it, and nothing is changed", async () => {
    const [from, to] = [join(place.here, "from"), join(place.here, "to")];
    for (const one of [from, to]) mkdirSync(one);
    for (const one of [from, to]) writeFileSync(join(one, "file"), randomBytes(MiB));
    const seed = chosenSeed();
    const random = new Random(seed);
    for (let round = 0; round < 300; round++) {
      const wrong = random.below(3);
      const before = look(to);
      const outcome = await syncDirectly(from, to, {
        delete: true,
        dryRun: round % 2 === 0,
        answer(bytes, number) {
          if (number !== wrong) return bytes;
          const damaged = Buffer.from(bytes);
          // A length, or an end that does not come, would only make it wait.
          if (random.below(5) === 0) damaged[0] = random.pick([0, 3, 4, 255]);
          for (let n = random.below(4); n >= 0 && damaged.length > 5; n--) {
            damaged[5 + random.below(damaged.length - 5)] = random.below(256);
          }
          return damaged;
        },
      });
      if (outcome.error === undefined) continue;
      assert.ok(
        ["invalid", "limit", "internal", "exists", "forbidden"].includes(outcome.error.code),
        `seed ${seed}: ${outcome.error}`,
      );
      if (round % 2 === 0) assert.ok(look(to) === before, `seed ${seed}`);
      assert.deepEqual(readdirSync(to).filter(isPartial), []);
    }
  });

  test("a hostile sender gets nowhere but into the target", async () => {
    const { root, here, client, agent } = place;
    const outside = join(agent.folder, "beside");
    const content = "secret";
    for (const top of [join(root, "target"), join(here, "target")]) {
      mkdirSync(join(top, "inner"), { recursive: true });
      writeFileSync(join(top, "kept.key"), content);
      mkdirSync(join(top, "safe"));
      writeFileSync(join(top, "safe/file"), content);
      symlinkSync("../../beside", join(top, "out"));
      symlinkSync(outside, join(top, "away"));
    }
    mkdirSync(outside);
    writeFileSync(join(outside, "canary"), content);
    const paths = [
      "..",
      "../beside/x",
      "inner/../../x",
      "/etc/passwd",
      "out",
      "out/x",
      "away/x",
      "./x",
      "a//b",
      "inner/.",
      "a\0b",
      "safe/file",
      "safe",
      "kept.key",
      `${"a/".repeat(3_000)}b`,
      ".tether-0123456789abcdef.part",
      "",
    ];
    const facts = { mode: 0o777, modified: 1 };
    const items = paths.flatMap((path): SyncItem[] => [
      { kind: "list", path },
      { kind: "pieces", basis: 1, length: 65_536, size: 1, path },
      { kind: "forget", basis: 1 },
      { kind: "remove", isRecursive: true, isReplaced: false, path },
      { kind: "set", facts, path: path === "" ? ".." : path },
    ]);
    const was = look(outside);
    const choices = { delete: true, dryRun: false, checksum: false, exclude: ["safe/", "*.key"] };
    const kept = [look(join(root, "target/safe")), look(join(here, "target/safe"))];
    for (const item of items) {
      const bytes = record(syncType(item), syncBody(item));
      const begin = record(32, Buffer.from([0]));
      // To the agent, over a real stream.
      const target = join(here, "target");
      const answers: Buffer[] = [];
      await new Promise<void>((resolve) => {
        const request = JSON.stringify({
          action: "sync",
          target: "target",
          ...choices,
          key: Buffer.alloc(32).toString("base64"),
        });
        const stream = client.stream("files", request, {
          onData: (answer) => answers.push(answer),
          onEnd: resolve,
          onReset: () => resolve(),
        });
        stream.sendData(Buffer.concat([begin, bytes]));
        stream.end();
      });
      // And to a controller.
      const receiver = syncReceiver(target, choices, { answer: (answer) => void answers.push(answer) });
      receiver.push(Buffer.concat([begin, bytes]));
      receiver.end();
      await receiver.done.catch(() => undefined);
      const told = Buffer.concat(answers).toString("latin1");
      assert.ok(
        !told.includes("canary") && (item.kind !== "list" || item.path !== "" || !told.includes("kept.key")),
        JSON.stringify(item),
      );
    }
    // Only links, and what is not excluded, could go.
    assert.ok(look(outside) === was);
    assert.deepEqual([look(join(root, "target/safe")), look(join(here, "target/safe"))], kept);
    for (const top of [join(root, "target"), join(here, "target")]) {
      assert.equal(readFileSync(join(top, "kept.key"), "utf8"), content);
    }
    // What is excluded is not written either.
    const failures: TetherError[] = [];
    const careful = syncReceiver(join(here, "target"), choices, {
      answer: () => undefined,
      onFailed: (error) => failures.push(error),
    });
    const header = { size: 0, mode: 0o644, modified: 1, isSparse: false };
    careful.push(record(32, Buffer.from([0])));
    careful.push(record(5, folderBody("", header)));
    careful.push(record(1, fileBody({ ...header, name: "kept.key" })));
    careful.push(record(3, Buffer.alloc(17)));
    careful.push(record(7, linkBody("other.key", "inner")));
    careful.push(record(5, folderBody("safe", header)));
    careful.push(record(6, Buffer.alloc(0)));
    careful.push(record(6, Buffer.alloc(0)));
    careful.end();
    await careful.done;
    assert.deepEqual(
      failures.map(({ code }) => code),
      ["forbidden", "forbidden", "forbidden"],
    );
    assert.equal(readFileSync(join(here, "target/kept.key"), "utf8"), content);
    // In a dry run a receiver writes nothing, whoever asks.
    const receiver = syncReceiver(
      join(here, "target"),
      { ...choices, dryRun: true },
      { answer: () => undefined },
    );
    receiver.push(record(8, Buffer.from('{"code":"invalid","message":"x"}')));
    receiver.push(record(39, Buffer.concat([Buffer.from([1]), Buffer.from("inner")])));
    await assert.rejects(receiver.done, { code: "forbidden" });
    assert.ok(existsSync(join(here, "target/inner")));
  });
});

/** Everything in a folder, with times in microseconds. */
function look(folder: string): string {
  const lines = [snapshot(folder)];
  for (const path of readdirSync(folder, { recursive: true }).map(String).sort()) {
    const facts = lstatSync(join(folder, path));
    // To what a double of seconds holds; a link's own time is nobody's.
    if (!facts.isSymbolicLink()) lines.push(`${path} ${Math.round(facts.mtimeMs * 100)}`);
  }
  return lines.join("\n");
}

/** Asserts that two places have the same in them, times to 2 µs. */
function assertSame(target: string, source: string, what = "the places differ"): void {
  // Not by assert.equal, which would print it all.
  assert.ok(snapshot(target) === snapshot(source), what);
  for (const path of ["", ...readdirSync(source, { recursive: true }).map(String)]) {
    const [a, b] = [lstatSync(join(target, path)), lstatSync(join(source, path))];
    // A link's own time is nobody's.
    if (!a.isSymbolicLink()) assert.ok(Math.abs(a.mtimeMs - b.mtimeMs) <= 0.002, `${what}: time of ${path}`);
  }
}

function messages({ failures }: { readonly failures: readonly TetherError[] }): string[] {
  return failures.map(({ message }) => message);
}

async function until(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 20_000;
  while (!condition()) {
    assert.ok(performance.now() < deadline, "it never came to pass");
    await wait(10);
  }
}
