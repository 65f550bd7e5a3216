import assert from "node:assert/strict";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { commandFiles } from "../../agent/devices/index.ts";
import { Files } from "../../agent/files/index.ts";
import { TetherError } from "../../protocol/index.ts";
import type { Owner } from "../agent-process.ts";

function served(owner: Owner, quota = 1 << 20) {
  const root = mkdtempSync(join(tmpdir(), "tether-command-files-"));
  const files = new Files(root, quota);
  files.start();
  owner.after(async () => {
    await files.stop();
    rmSync(root, { recursive: true });
  });
  return { root, files: commandFiles(files) };
}

function code(expected: TetherError["code"]) {
  return (thrown: unknown) => thrown instanceof TetherError && thrown.code === expected;
}

test("command files: a file is given in pieces, whole and in order", async (t) => {
  const { root, files } = served(t);
  const content = Buffer.from(Array.from({ length: 200_000 }, (_, index) => index % 251));
  writeFileSync(join(root, "job.nc"), content);
  const file = await files.open("/job.nc");
  assert.equal(file.size, content.length);
  const pieces: Buffer[] = [];
  for await (const piece of file.pieces()) pieces.push(Buffer.from(piece));
  assert.ok(pieces.length > 1);
  assert.ok(Buffer.concat(pieces).equals(content));
  await file.close();
});

test("command files: what is no file of the folder is refused", async (t) => {
  const { root, files } = served(t);
  mkdirSync(join(root, "folder"));
  symlinkSync("/etc/hostname", join(root, "out"));
  await assert.rejects(files.open("/none"), code("not-found"));
  await assert.rejects(files.open("/folder"), code("invalid"));
  await assert.rejects(files.open("/out"), code("forbidden"));
  await assert.rejects(files.open("/../x"), code("forbidden"));
  await assert.rejects(files.save("/folder", Buffer.from("x")), code("exists"));
  await assert.rejects(files.save("/no/such", Buffer.from("x")), code("not-found"));
});

test("command files: a file is written whole, and what does not fit leaves the old one", async (t) => {
  const { root, files } = served(t, 1000);
  await files.save("/main.py", Buffer.from("first"));
  await files.save("/main.py", Buffer.from("second"));
  assert.equal(readFileSync(join(root, "main.py"), "utf8"), "second");
  await assert.rejects(files.save("/main.py", Buffer.alloc(2000)), code("quota"));
  assert.equal(readFileSync(join(root, "main.py"), "utf8"), "second");
  assert.deepEqual(readdirSync(root), ["main.py"]);
});
