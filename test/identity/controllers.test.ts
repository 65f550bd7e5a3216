import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { chmodSync, readFileSync, watch, writeFileSync } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { type TestContext, test } from "node:test";
import { Controllers, StateFolder } from "../../agent/identity/index.ts";
import { formatFingerprint, STATE, type TetherError } from "../../protocol/index.ts";
import { temporaryFolder, tetherError } from "./folder.ts";

const fingerprint = () => formatFingerprint(randomBytes(32));
const day = (n: number) => new Date(Date.UTC(2001, 0, n));

function opened(t: TestContext, options = {}) {
  const folder = StateFolder.open(temporaryFolder(t));
  return { folder, store: started(folder, options) };
}

function started(folder: StateFolder, options = {}): Controllers {
  const store = new Controllers(folder, options);
  store.start();
  return store;
}

test("a pairing is on the disk when it counts, and read back in order", async (t) => {
  const { folder, store } = opened(t);
  assert.deepEqual(store.list(), []);
  const one = await store.add({ label: "laptop", fingerprint: fingerprint(), role: "admin" }, day(1));
  const two = await store.add({ label: "bench", fingerprint: fingerprint(), role: "viewer" }, day(2));
  assert.deepEqual(one, {
    label: "laptop",
    fingerprint: one.fingerprint,
    role: "admin",
    pairedAt: "2001-01-01T00:00:00.000Z",
    lastSeenAt: "2001-01-01T00:00:00.000Z",
  });
  assert.deepEqual(started(folder).list(), [one, two]);
  assert.deepEqual(store.find(two.fingerprint), two);
  assert.equal(store.find(fingerprint()), undefined);
});

test("labels are cleaned, bounded and made unique", async (t) => {
  const { store } = opened(t);
  const label = async (wanted: string) =>
    (await store.add({ label: wanted, fingerprint: fingerprint(), role: "admin" })).label;
  assert.equal(await label("laptop"), "laptop");
  assert.equal(await label("laptop"), "laptop-2");
  assert.equal(await label("laptop"), "laptop-3");
  assert.equal(await label("laptop-2"), "laptop-2-2");
  assert.equal(await label("  \u001b[31mred\nline "), "31mred-line");
  assert.equal(await label("Büro.local"), "Büro.local");
  assert.equal(await label("\u202e\0"), "controller");
  assert.equal(await label(""), "controller-2");
  assert.equal(await label("--help"), "help");
  assert.equal(await label("x".repeat(100_000)), "x".repeat(64));
  assert.equal(await label("x".repeat(64)), `${"x".repeat(62)}-2`);
  assert.equal((await label(fingerprint())).includes(":"), false, "a label never reads as a fingerprint");
});

test("many at once get labels of their own, and all are kept", async (t) => {
  const { folder, store } = opened(t);
  const wish = () => ({ label: "same", fingerprint: fingerprint(), role: "viewer" as const });
  const added = await Promise.all(Array.from({ length: 20 }, () => store.add(wish())));
  assert.equal(new Set(added.map((one) => one.label)).size, 20);
  assert.deepEqual(started(folder).list(), added);
});

test("a controller that is paired again gets the new role and keeps its label", async (t) => {
  const { store } = opened(t);
  const key = fingerprint();
  await store.add({ label: "laptop", fingerprint: key, role: "viewer" }, day(1));
  const again = await store.add({ label: "laptop", fingerprint: key, role: "admin" }, day(2));
  assert.deepEqual(store.list(), [again]);
  assert.equal(again.label, "laptop");
  assert.equal(again.role, "admin");
});

test("one is revoked by label or fingerprint; an unknown one is answered with the known", async (t) => {
  const { folder, store } = opened(t);
  await assert.rejects(store.revoke("laptop"), tetherError("not-found", /"laptop": none is paired/));
  const one = await store.add({ label: "laptop", fingerprint: fingerprint(), role: "admin" });
  const two = await store.add({ label: "bench", fingerprint: fingerprint(), role: "admin" });
  await assert.rejects(
    store.revoke("Laptop"),
    tetherError("not-found", /"Laptop": paired are laptop, bench$/),
  );
  assert.deepEqual(await store.revoke("laptop"), one);
  assert.equal(store.find(one.fingerprint), undefined);
  assert.deepEqual(await store.revoke(two.fingerprint), two);
  assert.deepEqual(started(folder).list(), []);
});

test("last seen is written once for many connections, and on stop", async (t) => {
  const { folder, store } = opened(t, { lastSeenInterval: 50 });
  const { fingerprint: key } = await store.add(
    { label: "a", fingerprint: fingerprint(), role: "admin" },
    day(1),
  );
  const stored = () => started(folder).find(key)?.lastSeenAt;
  const renamed = new Promise((done) => {
    const watcher = watch(folder.path, (_, name) => name === "controllers.json" && done(watcher.close()));
  });
  for (let n = 2; n < 30; n++) store.touch(key, day(n));
  assert.equal(store.find(key)?.lastSeenAt, day(29).toISOString());
  assert.equal(stored(), day(1).toISOString(), "not on every connection");
  await renamed;
  await store.stop();
  assert.equal(stored(), day(29).toISOString());

  const slow = started(folder);
  slow.touch(key, day(30));
  slow.touch(fingerprint(), day(30));
  assert.equal(stored(), day(29).toISOString());
  await slow.stop();
  assert.equal(stored(), day(30).toISOString());
  const before = readFileSync(folder.pathOf("controllers.json"));
  await slow.stop();
  assert.deepEqual(readFileSync(folder.pathOf("controllers.json")), before);
});

test("what cannot be written does not count, and is told", async (t) => {
  const reports: TetherError[] = [];
  let reported: () => void = () => undefined;
  const told = new Promise<void>((done) => {
    reported = done;
  });
  const report = (error: TetherError) => {
    reports.push(error);
    reported();
  };
  const { folder, store } = opened(t, { lastSeenInterval: 10, report });
  const one = await store.add({ label: "a", fingerprint: fingerprint(), role: "admin" });
  // Where the folder is gone nothing can be written, also not by root.
  await rename(folder.path, `${folder.path}.away`);
  t.after(() => rm(`${folder.path}.away`, { recursive: true, force: true }));
  await assert.rejects(store.add({ label: "b", fingerprint: fingerprint(), role: "admin" }), /cannot write/);
  await assert.rejects(store.revoke("a"), /cannot write/);
  store.touch(one.fingerprint);
  // The store's timer keeps no program running, and so not this test.
  const running = setInterval(() => undefined, 1_000);
  await told;
  clearInterval(running);
  assert.match(reports[0]?.message ?? "", /cannot write/);
  assert.deepEqual(
    store.list().map((controller) => controller.label),
    ["a"],
  );
  await rename(`${folder.path}.away`, folder.path);
  await store.add({ label: "b", fingerprint: fingerprint(), role: "admin" });
  assert.equal(started(folder).list().length, 2);
});

test("there is a bound on how many are paired", async (t) => {
  const folder = StateFolder.open(temporaryFolder(t));
  const controllers = Array.from({ length: STATE.controllers }, (_, n) => ({
    label: `c${n}`,
    fingerprint: fingerprint(),
    role: "viewer",
    pairedAt: day(1).toISOString(),
    lastSeenAt: day(1).toISOString(),
  }));
  await folder.write("controllers.json", JSON.stringify({ version: 1, controllers }));
  const store = started(folder);
  const more = { label: "x", fingerprint: fingerprint(), role: "viewer" as const };
  await assert.rejects(
    store.add(more),
    tetherError("limit", /1000 controllers are paired/, /tetherd revoke/),
  );
  await store.revoke("c5");
  await store.add(more);
});

test("a damaged file is refused with the reason and left as it is", (t) => {
  const folder = StateFolder.open(temporaryFolder(t));
  const path = folder.pathOf("controllers.json");
  const entry = {
    label: "a",
    fingerprint: fingerprint(),
    role: "admin",
    pairedAt: day(1),
    lastSeenAt: day(1),
  };
  const table: [string, RegExp][] = [
    ["", /is damaged: it is not JSON/],
    ["{", /is damaged: it is not JSON/],
    ["null", /is damaged: its version is not 1/],
    ['{"version":2,"controllers":[]}', /its version is not 1/],
    ['{"version":1}', /it has no list of controllers/],
    [
      JSON.stringify({ version: 1, controllers: [entry, { ...entry, role: "root" }] }),
      /entry 2 is not a paired/,
    ],
    [JSON.stringify({ version: 1, controllers: [{ ...entry, fingerprint: "SHA256:x" }] }), /entry 1 is not/],
    [JSON.stringify({ version: 1, controllers: [{ ...entry, lastSeenAt: "never" }] }), /entry 1 is not/],
    [JSON.stringify({ version: 1, controllers: [null] }), /entry 1 is not/],
  ];
  for (const [content, message] of table) {
    writeFileSync(path, content, { mode: 0o600 });
    chmodSync(path, 0o600);
    assert.throws(() => started(folder), tetherError("invalid", message, /paired again/));
    assert.equal(readFileSync(path, "utf8"), content);
  }
});
