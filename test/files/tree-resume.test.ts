import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, beforeEach, describe, test } from "node:test";
import { setImmediate as breathe } from "node:timers/promises";
import { getFiles, putFiles, type TransferOutcome } from "../../controller/files/index.ts";
import { isPartial, Progress } from "../../transfer/index.ts";
import { type FilingAgent, SuiteOwner, snapshot, startFilingAgent } from "./filing-agent.ts";

const MiB = 1024 * 1024;
const FILES = 600;
const BYTES = 40_000;

describe("a broken transfer of a tree", { skip: process.platform !== "linux" }, () => {
  const owner = new SuiteOwner();
  let place: FilingAgent;
  let tree: string;

  before(async () => {
    place = await startFilingAgent(owner);
  });
  after(() => owner.undo());
  beforeEach(async () => {
    const { root, here, client } = place;
    for (const name of readdirSync(root))
      await client.call("files.remove", [name, true]).catch(() => undefined);
    for (const one of [root, here]) {
      for (const name of readdirSync(one)) rmSync(join(one, name), { recursive: true, force: true });
    }
    tree = join(here, "tree");
    makeTree(tree);
  });

  /** Runs a transfer, given up after so many bytes. */
  const move = async (
    action: "put" | "get",
    from: string,
    to: string,
    giveUpAfter = Number.POSITIVE_INFINITY,
  ): Promise<TransferOutcome | undefined> => {
    const stop = new AbortController();
    const progress = new Progress();
    const options = { sources: [from], target: to, recursive: true, progress, signal: stop.signal };
    const work =
      action === "put"
        ? putFiles(place.client, options)
        : getFiles(place.client, { ...options, totals: false });
    let over = false;
    const done = work.then(
      (outcome) => outcome,
      () => undefined,
    );
    void done.then(() => {
      over = true;
    });
    while (!over && progress.bytes < giveUpAfter) await breathe();
    stop.abort();
    return done;
  };

  for (const action of ["put", "get"] as const) {
    for (const target of ["new", "folder"]) {
      test(`by ${action} into a ${target === "new" ? "new name" : "folder"} leaves out what is there`, async () => {
        const { root, here } = place;
        const [from, side] = action === "put" ? [tree, root] : ["tree", join(here, "back")];
        mkdirSync(side, { recursive: true });
        if (action === "get") makeTree(join(root, "tree"));
        if (target === "folder") mkdirSync(join(side, "folder"));
        const to = action === "put" ? target : join(side, target);
        assert.equal(await move(action, from, to, 12 * MiB), undefined);
        const outcome = await move(action, from, to);
        assert.deepEqual(outcome?.failures, []);
        assert.equal(outcome?.files, FILES + 1);
        const { bytes, sent, resumed } = outcome as TransferOutcome;
        assert.equal(bytes, FILES * BYTES + 6 * MiB);
        assert.ok(resumed > 5 * MiB, `${resumed} bytes resumed`);
        assert.ok(sent < bytes - resumed + 1.3 * MiB, `${sent} sent, ${resumed} resumed of ${bytes}`);
        const copy = join(side, target === "new" ? "new" : "folder/tree");
        const source = action === "put" ? tree : join(root, "tree");
        assert.equal(snapshot(copy), snapshot(source));
        assert.deepEqual(unfinished(side), []);
      });
    }
  }

  test("notices what has changed on either side since", async () => {
    const { root } = place;
    const from = place.agent.log.length;
    assert.equal(await move("put", tree, "new", 12 * MiB), undefined);
    await place.agent.line("files-not-written", undefined, from);
    await nextTick(root);
    const there = readdirSync(join(root, "new/a")).filter((name) => !isPartial(name));
    assert.ok(there.length > 20);
    const [first, second, third, fourth] = there as [string, string, string, string];
    // Here: another content of the same length, as it has another time; there: one is gone, one changed, with its
    // time put back.
    writeFileSync(join(tree, "a", first), randomBytes(BYTES));
    rmSync(join(root, "new/a", second));
    const path = join(root, "new/a", third);
    const { atimeMs, mtimeMs } = statSync(path);
    writeFileSync(path, randomBytes(BYTES));
    utimesSync(path, atimeMs / 1000, mtimeMs / 1000);
    rmSync(join(tree, "a", fourth));
    const outcome = await move("put", tree, "new");
    assert.deepEqual(outcome?.failures, []);
    assert.ok((outcome?.resumed ?? 0) > 3 * MiB);
    for (const name of [first, second, third]) {
      assert.ok(readFileSync(join(root, "new/a", name)).equals(readFileSync(join(tree, "a", name))), name);
    }
  });

  test("into what has been removed since sends all again", async () => {
    const { root } = place;
    const from = place.agent.log.length;
    assert.equal(await move("put", tree, "new", 12 * MiB), undefined);
    await place.agent.line("files-not-written", undefined, from);
    await nextTick(root);
    rmSync(join(root, "new"), { recursive: true });
    const outcome = await move("put", tree, "new");
    assert.deepEqual(outcome?.failures, []);
    assert.equal(outcome?.resumed, 0);
    assert.equal(snapshot(join(root, "new")), snapshot(tree));
  });
});

/**
 * Waits until the file system's clock, which a busy machine moves late, has gone on since the history was written:
 * what is changed within the same tick has the same time.
 */
async function nextTick(root: string): Promise<void> {
  const history = readdirSync(root).find((name) => name.endsWith(".history")) as string;
  const written = statSync(join(root, history)).mtimeMs;
  const probe = join(root, "probe");
  do {
    await breathe();
    writeFileSync(probe, "");
  } while (statSync(probe).mtimeMs <= written);
  rmSync(probe);
}

function makeTree(folder: string): void {
  for (const inner of ["a", "b", "c"]) {
    mkdirSync(join(folder, inner), { recursive: true });
    for (let n = 0; n < FILES / 3; n++) {
      const path = join(folder, inner, `file-${n}`);
      writeFileSync(path, randomBytes(BYTES));
      utimesSync(path, 1_600_000_000 + n, 1_600_000_000 + n);
    }
  }
  const large = join(folder, "b", "large");
  writeFileSync(large, randomBytes(6 * MiB));
  utimesSync(large, 1_600_000_000, 1_600_000_000);
}

function unfinished(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((path) =>
    isPartial(path.split("/").at(-1) as string),
  );
}
