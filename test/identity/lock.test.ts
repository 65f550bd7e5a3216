import assert from "node:assert/strict";
import { type ChildProcess, fork, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { type TestContext, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { lockState, StateFolder } from "../../agent/identity/index.ts";
import { isRunning, thisProcess, tryLockFolder, withFolderLock } from "../../transfer/index.ts";
import { temporaryFolder, tetherError } from "./folder.ts";

const LOCK = new URL("../../transfer/index.ts", import.meta.url).href;
const RACER = new URL("lock-racer.ts", import.meta.url);
const LEAD = 3_000_000n;

interface Outcome {
  readonly taken: boolean;
  readonly holder: number;
}

async function racer(t: TestContext): Promise<ChildProcess> {
  const child = fork(RACER, { execArgv: ["--import", "tsx"], stdio: ["ignore", "ignore", "inherit", "ipc"] });
  t.after(() => child.kill("SIGKILL"));
  await once(child, "message");
  return child;
}

async function ask(child: ChildProcess, message: object | string): Promise<unknown> {
  const answer = once(child, "message");
  child.send(message);
  return (await answer)[0];
}

async function race(children: readonly ChildProcess[], folder: string): Promise<Outcome[]> {
  const at = String(process.hrtime.bigint() + LEAD);
  return Promise.all(children.map(async (child) => (await ask(child, { folder, at })) as Outcome));
}

function assertOneWinner(outcomes: readonly Outcome[], children: readonly ChildProcess[]): void {
  const winners = outcomes.filter((outcome) => outcome.taken);
  assert.equal(winners.length, 1, JSON.stringify(outcomes));
  assert.ok(children.some((child) => child.pid === winners[0]?.holder));
  for (const outcome of outcomes) assert.equal(outcome.holder, winners[0]?.holder);
}

/** A mark that fits no process: this one's number and boot, and a start that was long before. */
const recycled = () => JSON.stringify({ ...thisProcess(), started: "1" });

test("of processes that race for a lock exactly one wins, whatever lies there", async (t) => {
  const root = temporaryFolder(t);
  const children = await Promise.all([racer(t), racer(t)]);
  const before: ((folder: string) => void)[] = [
    () => undefined,
    (folder) => writeFileSync(join(folder, "lock.7"), recycled()),
    (folder) => writeFileSync(join(folder, "lock.7"), ""),
    (folder) => {
      writeFileSync(join(folder, "lock.3"), recycled());
      writeFileSync(join(folder, "lock.4"), recycled());
      writeFileSync(join(folder, ".lock.5.aabbcc.tmp"), "");
    },
  ];
  for (let round = 0; round < 200; round++) {
    const folder = join(root, String(round));
    mkdirSync(folder);
    before[round % before.length]?.(folder);
    const outcomes = await race(children, folder);
    assertOneWinner(outcomes, children);
    assert.equal(readdirSync(folder).length, 1, "only the winner's ticket is left");
    await Promise.all(children.map((child) => ask(child, "release")));
  }
});

test("in one folder that is locked and given back again and again, nobody ever shares", async (t) => {
  const folder = temporaryFolder(t);
  const children = await Promise.all([racer(t), racer(t), racer(t)]);
  for (let round = 0; round < 100; round++) {
    assertOneWinner(await race(children, folder), children);
    await Promise.all(children.map((child) => ask(child, "release")));
  }
});

test("what a killed holder leaves is taken by exactly one", async (t) => {
  const folder = temporaryFolder(t);
  const children = await Promise.all([racer(t), racer(t)]);
  for (let round = 0; round < 5; round++) {
    const holder = await racer(t);
    assertOneWinner(await race([holder], folder), [holder]);
    const busy = tryLockFolder(folder);
    assert.ok(!busy.taken && busy.holder.pid === holder.pid);
    holder.kill("SIGKILL");
    await once(holder, "exit");
    assertOneWinner(await race(children, folder), children);
    await Promise.all(children.map((child) => ask(child, "release")));
  }
});

test("one who looked long ago finds its number free again, sees a higher one and withdraws", async (t) => {
  const folder = temporaryFolder(t);
  const log = join(temporaryFolder(t), "strace");
  writeFileSync(join(folder, "lock.5"), recycled());
  const program = `import { tryLockFolder } from ${JSON.stringify(LOCK)};
    const { taken, holder } = tryLockFolder(${JSON.stringify(folder)});
    console.log(JSON.stringify({ taken, holder: holder?.pid ?? process.pid }));`;
  // The end of its first look at the folder lasts two seconds.
  const slowly = ["-e", "trace=getdents64", "-e", "inject=getdents64:delay_exit=2000000:when=2"];
  const node = [process.execPath, "--import", "tsx", "--input-type=module", "-e", program];
  const late = spawn("strace", ["-f", "-P", folder, "-o", log, ...slowly, ...node], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  t.after(() => late.kill("SIGKILL"));
  const [failed] = await Promise.race([once(late, "error"), once(late, "spawn")]);
  if (failed !== undefined) return t.skip("needs strace");
  const looked = () => existsSync(log) && readFileSync(log, "utf8").includes("getdents64");
  for (let wait = 0; !looked() && wait < 1_000; wait++) await delay(10);

  const first = tryLockFolder(folder);
  assert.ok(first.taken);
  first.lock.release();
  const second = tryLockFolder(folder);
  assert.ok(second.taken);
  assert.deepEqual(readdirSync(folder), ["lock.7"]);
  const printed = await once(late.stdout, "data");
  assert.deepEqual(JSON.parse(String(printed[0])), { taken: false, holder: process.pid });
  assert.deepEqual(readdirSync(folder), ["lock.7"]);
});

test("a second agent is refused and told which process has the folder; a stopped one's is free", (t) => {
  const folder = StateFolder.open(temporaryFolder(t));
  const lock = lockState(folder);
  const refused = tetherError("busy", new RegExp(`process ${process.pid}\\) runs on`), /--state/);
  assert.throws(() => lockState(folder), refused);
  lock.release();
  lock.release();
  const again = lockState(folder);
  lock.release();
  assert.throws(() => lockState(folder), refused, "releasing the first lock again leaves the second");
  again.release();
});

test("a recycled number, a former boot, an unreaped child and rubbish hold nothing", async (t) => {
  const now = thisProcess();
  assert.ok(isRunning(now));
  assert.ok(!isRunning({ ...now, started: String(Number(now.started) + 1) }));
  assert.ok(!isRunning({ ...now, boot: "00000000-0000-0000-0000-000000000000" }));

  // The shell's child ends after exec has put sleep in the shell's place, and so is never waited for.
  const parent = spawn("sh", ["-c", "cat <&3 & echo $!; exec sleep 60"], {
    stdio: ["ignore", "pipe", "inherit", "pipe"],
  });
  t.after(() => parent.kill("SIGKILL"));
  const [said] = await once(parent.stdout as Readable, "data");
  const pid = Number(String(said));
  const isSleep = () => readFileSync(`/proc/${parent.pid}/comm`, "utf8") === "sleep\n";
  for (let wait = 0; !isSleep() && wait < 500; wait++) await delay(10);
  (parent.stdio[3] as Writable).end();
  const stat = () => readFileSync(`/proc/${pid}/stat`, "utf8").split(" ");
  for (let wait = 0; stat()[2] !== "Z" && wait < 500; wait++) await delay(10);
  assert.equal(stat()[2], "Z");
  assert.ok(!isRunning({ ...now, pid, started: stat()[21] ?? "" }));

  const folder = temporaryFolder(t);
  for (const rubbish of ["", "null", "{", "[]", '{"pid":-1}', '{"pid":"1"}', "\0\0\0\0"]) {
    writeFileSync(join(folder, "lock.900"), rubbish);
    const outcome = tryLockFolder(folder);
    assert.ok(outcome.taken, rubbish);
    outcome.lock.release();
    assert.deepEqual(readdirSync(folder), ["lock.901"]);
    unlinkSync(join(folder, "lock.901"));
  }
});

test("work under the lock waits for the one before, and the lock is free after work that fails", async (t) => {
  const folder = temporaryFolder(t);
  const order: string[] = [];
  await Promise.all(
    ["a", "b", "c"].map((name) =>
      withFolderLock(folder, async () => {
        order.push(`${name} in`);
        await new Promise((done) => setImmediate(done));
        order.push(`${name} out`);
      }),
    ),
  );
  assert.equal(order.length, 6);
  for (let at = 0; at < 6; at += 2) assert.equal(order[at + 1], order[at]?.replace("in", "out"));
  await assert.rejects(
    withFolderLock(folder, () => Promise.reject(new Error("no"))),
    /no/,
  );
  await withFolderLock(folder, async () => undefined);

  const held = tryLockFolder(folder);
  assert.ok(held.taken);
  await assert.rejects(
    withFolderLock(folder, async () => undefined, AbortSignal.timeout(50)),
    /abort/i,
  );
  await assert.rejects(
    withFolderLock(folder, async () => undefined),
    tetherError("busy", new RegExp(`process ${process.pid} is changing`)),
  );
});
