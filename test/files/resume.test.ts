import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import {
  appendFileSync,
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, describe, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { isPartial, Writers } from "../../transfer/index.ts";
import { sendDirectly } from "./direct-transfer.ts";

const MiB = 1024 * 1024;
const SIZE = 24 * MiB + 777;
const CUT = 15 * MiB;

describe("a broken transfer of a large file", () => {
  let folder: string;
  let source: string;
  let target: string;
  let content: Buffer;

  before(() => {
    folder = mkdtempSync(join(tmpdir(), "tether-resume-"));
    content = randomBytes(SIZE);
    source = join(folder, "source");
    writeFileSync(source, content);
    utimesSync(source, 1_700_000_000, 1_700_000_000);
  });
  after(() => rmSync(folder, { recursive: true, force: true }));
  beforeEach(() => {
    rmSync(join(folder, "there"), { recursive: true, force: true });
    mkdirSync(join(folder, "there"));
    target = join(folder, "there", "target");
  });

  const leftOver = () => readdirSync(join(folder, "there")).filter(isPartial).sort();
  const partPath = () => join(folder, "there", leftOver().find((name) => name.endsWith(".part")) as string);
  const journalPath = () =>
    join(folder, "there", leftOver().find((name) => name.endsWith(".journal")) as string);

  test("goes on where it stopped", async () => {
    const writers = new Writers();
    const broken = await sendDirectly(source, target, { cutAfter: CUT, writers });
    assert.equal(broken.error?.code, "unreachable");
    assert.equal(leftOver().length, 2);
    const again = await sendDirectly(source, target, { writers });
    assert.equal(again.error, undefined);
    assert.ok(again.resumed > CUT - 2 * MiB, `${again.resumed} bytes resumed`);
    assert.ok(again.sent < SIZE - again.resumed + 1.2 * MiB, `${again.sent} bytes sent`);
    assert.ok(readFileSync(target).equals(content));
    assert.equal(statSync(target).mtimeMs, statSync(source).mtimeMs);
    assert.deepEqual(leftOver(), []);
  });

  test("goes on after any number of cuts, at whatever byte", async () => {
    let sent = 0;
    let cuts = 0;
    for (let n = 0; ; n++) {
      const outcome = await sendDirectly(source, target, { cutAfter: 4 * MiB + n * 99_991 });
      sent += outcome.sent;
      if (outcome.error === undefined) break;
      cuts++;
      assert.ok(cuts < 20);
      assert.throws(() => statSync(target));
    }
    assert.ok(cuts > 5, `${cuts} cuts`);
    assert.ok(readFileSync(target).equals(content));
    assert.ok(sent < SIZE + cuts * 2.5 * MiB, `${sent} bytes for ${SIZE}`);
    assert.deepEqual(leftOver(), []);
  });

  test("does not read again what an unchanged source has sent", async () => {
    while (Date.now() - statSync(source).ctimeMs < 2_100) await wait(50);
    await sendDirectly(source, target, { cutAfter: CUT });
    const known = await sendDirectly(source, target);
    assert.deepEqual(proofs(known.reports), [false]);
    assert.ok(known.resumed > 0 && readFileSync(target).equals(content));
  });

  test("proves what is there where the source may be another one", async () => {
    await sendDirectly(source, target, { cutAfter: CUT });
    // The same content and times in another file.
    const { atimeMs, mtimeMs } = statSync(source);
    const copy = join(folder, "copy");
    writeFileSync(copy, content);
    utimesSync(copy, atimeMs / 1000, mtimeMs / 1000);
    const again = await sendDirectly(copy, target);
    assert.deepEqual(proofs(again.reports), [true]);
    assert.ok(again.resumed > CUT - 2 * MiB && readFileSync(target).equals(content));
  });

  test("begins anew with what is not the same, as far as it is not", async () => {
    for (const at of [0, 5 * MiB, SIZE - 1]) {
      await sendDirectly(source, target, { cutAfter: CUT });
      const other = join(folder, "other");
      const changed = Buffer.from(content);
      changed[at] = (changed[at] as number) ^ 1;
      writeFileSync(other, changed);
      const { atimeMs, mtimeMs } = statSync(source);
      utimesSync(other, atimeMs / 1000, mtimeMs / 1000);
      const again = await sendDirectly(other, target);
      assert.equal(again.error, undefined);
      assert.ok(again.resumed <= at, `${again.resumed} bytes resumed of a file that differs at ${at}`);
      assert.equal(again.resumed > 0, at > 0);
      assert.ok(readFileSync(target).equals(changed));
      assert.deepEqual(leftOver(), []);
    }
  });

  test("begins anew when the source has another size or time", async () => {
    const other = join(folder, "other");
    for (const change of [
      () => appendFileSync(other, "x"),
      () => truncateSync(other, SIZE - 1),
      () => utimesSync(other, 1, 1),
    ]) {
      writeFileSync(other, content);
      await sendDirectly(other, target, { cutAfter: CUT });
      assert.equal(leftOver().length, 2);
      change();
      const again = await sendDirectly(other, target);
      assert.equal(again.resumed, 0);
      assert.ok(readFileSync(target).equals(readFileSync(other)));
      assert.deepEqual(leftOver(), []);
      rmSync(target);
    }
  });

  test("believes nothing of what lost power has left", async () => {
    const lost: readonly [string, (bytes: number) => void, number][] = [
      ["the end of the part is zeros", () => overwrite(partPath(), 6 * MiB, Buffer.alloc(4 * MiB)), 6 * MiB],
      ["the part is shorter", () => truncateSync(partPath(), 7 * MiB), 7 * MiB],
      ["a byte in the middle differs", () => overwrite(partPath(), 3 * MiB, randomBytes(1)), 3 * MiB],
      ["the part is empty", () => truncateSync(partPath(), 0), 0],
      ["the journal's end is zeros", () => overwrite(journalPath(), 600, Buffer.alloc(2_000)), 9 * MiB],
      ["the journal is cut", () => truncateSync(journalPath(), 700), 9 * MiB],
      ["the journal's beginning is garbage", () => overwrite(journalPath(), 0, randomBytes(300)), 0],
      ["the journal is empty", () => truncateSync(journalPath(), 0), 0],
      ["the part is gone", () => rmSync(partPath()), 0],
    ];
    for (const [what, lose, most] of lost) {
      for (const name of leftOver()) rmSync(join(folder, "there", name));
      rmSync(target, { force: true });
      await sendDirectly(source, target, { cutAfter: CUT });
      asOfAnotherBoot(journalPath());
      lose(0);
      const again = await sendDirectly(source, target);
      assert.equal(again.error, undefined, what);
      assert.deepEqual(again.failures, [], what);
      assert.ok(again.resumed <= most, `${what}: ${again.resumed} bytes resumed`);
      assert.equal(again.resumed > 0, most > 0, what);
      assert.ok(readFileSync(target).equals(content), what);
    }
  });

  test("notices what somebody has changed of a part, and leaves the old file", async () => {
    while (Date.now() - statSync(source).ctimeMs < 2_100) await wait(50);
    await sendDirectly(source, target, { cutAfter: CUT });
    writeFileSync(target, "old");
    overwrite(partPath(), 3 * MiB, randomBytes(100));
    const again = await sendDirectly(source, target);
    assert.deepEqual(
      again.failures.map(({ code }) => code),
      ["integrity"],
    );
    assert.equal(readFileSync(target, "utf8"), "old");
    assert.deepEqual(leftOver(), []);
    assert.equal((await sendDirectly(source, target)).error, undefined);
    assert.ok(readFileSync(target).equals(content));
  });

  test("does not take a part that another process is writing", async () => {
    await sendDirectly(source, target, { cutAfter: CUT });
    const parent = { pid: process.ppid, started: startOf(process.ppid), boot: bootId() };
    rewriteWriter(journalPath(), parent);
    const again = await sendDirectly(source, target);
    assert.deepEqual(
      again.failures.map(({ code }) => code),
      ["busy"],
    );
    rewriteWriter(journalPath(), { ...parent, started: "1" });
    const later = await sendDirectly(source, target);
    assert.ok(later.resumed > 0 && readFileSync(target).equals(content));
  });

  test("damaged on its way, is noticed at once and leaves nothing", async () => {
    let damaged = false;
    const outcome = await sendDirectly(source, target, {
      damage(bytes, at) {
        if (damaged || at < 5 * MiB || bytes.length < 1000) return;
        damaged = true;
        bytes[500] = (bytes[500] as number) ^ 1;
      },
    });
    assert.deepEqual(
      outcome.failures.map(({ code }) => code),
      ["integrity"],
    );
    assert.ok(outcome.sent < SIZE - 8 * MiB, "the rest is not sent");
    assert.throws(() => statSync(target));
    assert.deepEqual(leftOver(), []);
  });

  test("keeps a part of a file with a name of 255 bytes, and in a folder that has moved", async () => {
    const long = join(folder, "there", "é".repeat(127));
    await sendDirectly(source, long, { cutAfter: CUT });
    mkdirSync(join(folder, "moved"));
    for (const name of leftOver()) {
      renameSync(join(folder, "there", name), join(folder, "moved", name));
    }
    const moved = join(folder, "moved", "é".repeat(127));
    const again = await sendDirectly(source, moved);
    assert.ok(again.resumed > 0 && readFileSync(moved).equals(content));
  });
});

/** Whether each answer about a part came with a proof. */
function proofs(reports: Awaited<ReturnType<typeof sendDirectly>>["reports"]): boolean[] {
  return reports.flatMap((report) => ("part" in report ? [report.part.offer.proof !== undefined] : []));
}

function overwrite(path: string, at: number, bytes: Buffer): void {
  const file = openSync(path, "r+");
  writeSync(file, bytes, 0, bytes.length, at);
  closeSync(file);
}

function bootId(): string {
  return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
}

function startOf(pid: number): string {
  const text = readFileSync(`/proc/${pid}/stat`, "utf8");
  return text.slice(text.lastIndexOf(")") + 2).split(" ")[19] as string;
}

function asOfAnotherBoot(path: string): void {
  rewriteWriter(path, { pid: 1, started: "1", boot: "11111111-1111-1111-1111-111111111111" });
}

/** Makes another process the writer of a journal. */
function rewriteWriter(path: string, writer: object): void {
  const bytes = readFileSync(path);
  const end = 4 + bytes.readUInt32BE(0);
  const head = JSON.parse(bytes.subarray(4, end).toString("utf8"));
  const text = Buffer.from(JSON.stringify({ ...head, writer }), "utf8");
  const length = Buffer.alloc(4);
  length.writeUInt32BE(text.length, 0);
  const checksum = createHash("sha256").update(text).digest().subarray(0, 16);
  writeFileSync(path, Buffer.concat([length, text, checksum, bytes.subarray(end + 16)]));
}
