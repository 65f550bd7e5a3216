import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import {
  closeSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { sendDirectly } from "./direct-transfer.ts";

const MiB = 1024 * 1024;
const skip = process.platform !== "linux";

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "tether-holes-"));
  t.after(() => rmSync(path, { recursive: true }));
  return path;
}

/** A file that has bytes only where they are given. */
function sparse(path: string, size: number, parts: readonly { at: number; bytes: Buffer }[]): void {
  writeFileSync(path, "");
  const descriptor = openSync(path, "r+");
  for (const { at, bytes } of parts) writeSync(descriptor, bytes, 0, bytes.length, at);
  closeSync(descriptor);
  truncateSync(path, size);
}

function onDisk(path: string): number {
  return statSync(path).blocks * 512;
}

test("holes stay holes, at the front, between, and at the end", { skip }, async (t) => {
  const here = folder(t);
  for (const [name, parts] of Object.entries({
    nothing: [],
    front: [{ at: 63 * MiB, bytes: randomBytes(MiB) }],
    end: [{ at: 0, bytes: randomBytes(100) }],
    between: [
      { at: 5, bytes: randomBytes(300_000) },
      { at: 20 * MiB + 777, bytes: randomBytes(3 * MiB) },
      { at: 50 * MiB, bytes: randomBytes(1) },
    ],
  })) {
    const [from, to] = [join(here, name), join(here, `${name}.copy`)];
    sparse(from, 64 * MiB, parts);
    const { error, failures } = await sendDirectly(from, to);
    assert.deepEqual([error, failures], [undefined, []], name);
    assert.ok(readFileSync(to).equals(readFileSync(from)), name);
    assert.ok(onDisk(to) <= onDisk(from) + 3 * MiB, `${name}: ${onDisk(to)} bytes of ${onDisk(from)}`);
  }
});

test("a file of zeros that has no holes gets none", { skip }, async (t) => {
  const here = folder(t);
  const [from, to] = [join(here, "zeros"), join(here, "copy")];
  writeFileSync(from, Buffer.alloc(8 * MiB));
  await sendDirectly(from, to);
  assert.equal(statSync(to).size, 8 * MiB);
  assert.ok(onDisk(to) >= 8 * MiB, `${onDisk(to)} bytes`);
});

test("what is left of another content does not show through a hole", { skip }, async (t) => {
  const here = folder(t);
  const [from, to] = [join(here, "file"), join(here, "copy")];
  // A part of a file that has bytes everywhere …
  writeFileSync(from, randomBytes(64 * MiB));
  const broken = await sendDirectly(from, to, { cutAfter: 40 * MiB });
  assert.ok(broken.error);
  const [part = ""] = readdirSync(here).filter((name) => name.endsWith(".part"));
  assert.ok(statSync(join(here, part)).size > 30 * MiB);
  // … of which the same name, size and time come again with holes.
  const { mtime } = statSync(from);
  const start = readFileSync(from).subarray(0, 10 * MiB);
  rmSync(from);
  sparse(from, 64 * MiB, [{ at: 0, bytes: start }]);
  utimesSync(from, mtime, mtime);
  const { error } = await sendDirectly(from, to);
  assert.equal(error, undefined);
  assert.ok(readFileSync(to).equals(readFileSync(from)));
  assert.ok(onDisk(to) < 20 * MiB, `${onDisk(to)} bytes`);
});
