import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import type { TetherError } from "../../protocol/index.ts";
import {
  DiskRoom,
  fileBody,
  fromBody,
  isPartial,
  LocalFolder,
  Progress,
  RECORD,
  Receiver,
  Writers,
  writeRecordHeader,
} from "../../transfer/index.ts";
import { sendDirectly } from "./direct-transfer.ts";

const MiB = 1024 * 1024;

describe("a receiver", () => {
  let folder: string;
  let there: string;
  let unmount: () => void;

  beforeEach(() => {
    unmount = () => undefined;
    folder = mkdtempSync(join(tmpdir(), "tether-bounds-"));
    there = join(folder, "there");
    mkdirSync(there);
  });
  afterEach(() => {
    unmount();
    rmSync(folder, { recursive: true, force: true });
  });

  test("refuses a file that the disk has no room for before its first byte", async (t) => {
    const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=12m", "none", there]);
    if (mounted.status !== 0) {
      t.skip("mounting needs root");
      return;
    }
    unmount = () => spawnSync("umount", [there]);
    const source = join(folder, "source");
    writeFileSync(source, randomBytes(20 * MiB));
    const refused = await sendDirectly(source, join(there, "target"));
    assert.deepEqual(
      refused.failures.map(({ code }) => code),
      ["quota"],
    );
    assert.ok(refused.sent < 3 * MiB, `${refused.sent} bytes were sent`);
    assert.deepEqual(readdirSync(there), []);
    // What is there of a file needs no room again.
    writeFileSync(source, randomBytes(10 * MiB));
    await sendDirectly(source, join(there, "target"), { cutAfter: 8 * MiB });
    const { bavail, bsize } = statfsSync(there);
    assert.ok(bavail * bsize < 6 * MiB);
    const again = await sendDirectly(source, join(there, "target"));
    assert.equal(again.error, undefined);
    assert.ok(again.resumed > 5 * MiB);
    assert.ok(readFileSync(join(there, "target")).equals(readFileSync(source)));
  });

  test("follows no link that somebody has put in the place of a part or its journal", async () => {
    const source = join(folder, "source");
    const target = join(there, "target");
    const secret = join(folder, "secret");
    const content = randomBytes(12 * MiB);
    writeFileSync(source, content);
    for (const ending of [".part", ".journal"]) {
      writeFileSync(secret, "secret");
      await sendDirectly(source, target, { cutAfter: 9 * MiB });
      const name = readdirSync(there).find((one) => one.endsWith(ending)) as string;
      rmSync(join(there, name));
      symlinkSync(secret, join(there, name));
      const again = await sendDirectly(source, target);
      assert.equal(again.error, undefined);
      assert.deepEqual(again.failures, []);
      assert.equal(again.resumed, 0);
      assert.equal(readFileSync(secret, "utf8"), "secret");
      assert.ok(readFileSync(target).equals(content));
      for (const one of readdirSync(there)) rmSync(join(there, one));
    }
  });

  test("ends a transfer, or a file, at records that no sender writes", async () => {
    const facts = { mode: 0o644, modified: 1_700_000_000_000, isSparse: false };
    const file = (size: number, name = "name") => record(RECORD.FILE, fileBody({ name, size, ...facts }));
    const digest = randomBytes(16);
    const hostile: readonly [string, readonly Buffer[]][] = [
      ["content from where nobody asked for it", [file(8 * MiB), record(RECORD.FROM, fromBody(MiB))]],
      ["content from beyond the end", [file(8 * MiB), record(RECORD.FROM, fromBody(2 ** 52))]],
      ["content from elsewhere outside of a file", [record(RECORD.FROM, fromBody(0))]],
      ["a digest outside of a file", [record(RECORD.CHECK, digest)]],
      ["a digest of the wrong length", [file(8 * MiB), record(RECORD.CHECK, digest.subarray(1))]],
      ["digests that come too often", [file(8 * MiB), record(RECORD.CHECK, digest)]],
      ["a source outside of a file", [record(RECORD.SOURCE, digest)]],
      ["a source that is too long", [file(8 * MiB), record(RECORD.SOURCE, randomBytes(65))]],
      [
        "a kept file inside of a file",
        [file(8 * MiB), record(RECORD.KEPT, fileBody({ name: "x", size: 1, ...facts }))],
      ],
      ["a kept file that is not there", [record(RECORD.KEPT, fileBody({ name: "x", size: 1, ...facts }))]],
      ["a kept file elsewhere", [record(RECORD.KEPT, fileBody({ name: "../secret", size: 6, ...facts }))]],
      [
        "a kept part",
        [record(RECORD.KEPT, fileBody({ name: ".tether-0000000000000000.part", size: 6, ...facts }))],
      ],
    ];
    writeFileSync(join(folder, "secret"), "secret");
    for (const [what, records] of hostile) {
      const failures: TetherError[] = [];
      const receiver = new Receiver({
        target: { folder: new LocalFolder(there), name: undefined, path: "", above: 0 },
        key: randomBytes(32),
        room: new DiskRoom(),
        writers: new Writers(),
        progress: new Progress(),
        consumed: () => undefined,
        report: () => undefined,
        onFailed: (error) => failures.push(error),
        onNote: () => undefined,
      });
      for (const one of records) receiver.push(one);
      receiver.end();
      const received = await receiver.done.catch((error: TetherError) => error);
      const code = "code" in received ? received.code : failures[0]?.code;
      assert.ok(["invalid", "integrity", "forbidden"].includes(code ?? ""), `${what}: ${code}`);
      assert.deepEqual(
        readdirSync(there).filter((name) => !isPartial(name)),
        [],
        what,
      );
      assert.deepEqual(readdirSync(there), [], what);
    }
  });
});

function record(type: number, body: Buffer): Buffer {
  const bytes = Buffer.alloc(5 + body.length);
  body.copy(bytes, writeRecordHeader(bytes, 0, type, body.length));
  return bytes;
}
