import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { StateFolder } from "../../agent/identity/index.ts";
import { STATE } from "../../protocol/index.ts";
import { readPrivateFile, writePrivateFile } from "../../transfer/index.ts";
import { temporaryFolder, tetherError } from "./folder.ts";

const asRoot = process.geteuid?.() === 0;
const mode = (path: string) => (statSync(path).mode & 0o7777).toString(8);

test("a missing folder is made 0700 with its parents, and its files 0600, whatever the umask", async (t) => {
  const path = join(temporaryFolder(t), "a/b/state");
  const former = process.umask(0);
  t.after(() => process.umask(former));
  const folder = StateFolder.open(path);
  await folder.write("x.json", "one");
  await folder.write("x.json", "two");
  assert.equal(mode(path), "700");
  assert.equal(mode(join(path, "x.json")), "600");
  assert.equal(folder.read("x.json"), "two");
  assert.equal(folder.read("y.json"), undefined);
  assert.deepEqual(readdirSync(path), ["x.json"], "nothing temporary is left");
});

test("a folder or file that others can use is refused, with the command that helps; the command does", (t) => {
  const path = join(temporaryFolder(t), "it's here");
  mkdirSync(path);
  for (const loose of [0o755, 0o750, 0o701, 0o770, 0o777, 0o707]) {
    chmodSync(path, loose);
    const octal = `0${loose.toString(8)}`;
    let hint = "";
    assert.throws(
      () => StateFolder.open(path),
      (error: { code: string; message: string; hint: string }) => {
        hint = error.hint;
        return error.code === "invalid" && error.message.includes(`has mode ${octal}:`);
      },
    );
    execFileSync("sh", ["-c", hint.replace("type: ", "")]);
    StateFolder.open(path);
  }
  const file = join(path, "key.pem");
  writeFileSync(file, "secret");
  for (const loose of [0o644, 0o640, 0o660, 0o604, 0o610]) {
    chmodSync(file, loose);
    const refused = tetherError(
      "invalid",
      /key\.pem has mode 06[0-9]{2}: others/,
      /^type: chmod 0600 '.*key\.pem'$/,
    );
    assert.throws(() => readPrivateFile(file), refused);
    assert.throws(() => StateFolder.open(path), refused);
  }
  chmodSync(file, 0o400);
  assert.equal(StateFolder.open(path).read("key.pem"), "secret");
});

test("a folder or file of another user is refused", { skip: !asRoot && "needs root" }, (t) => {
  const path = temporaryFolder(t);
  const file = join(path, "key.pem");
  writeFileSync(file, "secret", { mode: 0o600 });
  chownSync(file, 12345, 0);
  const refused = tetherError("invalid", /belongs to user 12345, and this runs as user 0/, /chown 0 /);
  assert.throws(() => StateFolder.open(path), refused);
  chownSync(file, 0, 0);
  chownSync(path, 12345, 0);
  assert.throws(() => StateFolder.open(path), refused);
});

test("what is no folder, no file or too large is one clear line; a link to a folder is fine", (t) => {
  const root = temporaryFolder(t);
  writeFileSync(join(root, "file"), "");
  assert.throws(
    () => StateFolder.open(join(root, "file")),
    tetherError("exists", /a part of the path is not a folder/),
  );
  assert.throws(
    () => StateFolder.open(join(root, "file/below")),
    tetherError("not-found", /cannot make .*: a part of the path is not a folder/),
  );
  mkdirSync(join(root, "real"), { mode: 0o700 });
  symlinkSync(join(root, "real"), join(root, "link"));
  const folder = StateFolder.open(join(root, "link"));
  mkdirSync(folder.pathOf("folder"), { mode: 0o700 });
  assert.throws(() => folder.read("folder"), tetherError("invalid", /folder is not a file/));
  writeFileSync(folder.pathOf("large"), Buffer.alloc(STATE.fileBytes + 1), { mode: 0o600 });
  assert.throws(() => folder.read("large"), tetherError("invalid", /at most 8388608 are read/));
});

const MODULE = new URL("../../transfer/index.ts", import.meta.url).href;

/** Runs a program in a mount namespace of its own, on a file system of 64 KiB that nobody else sees. */
function onSmallDisk(folder: string, before: string, program: string) {
  const node = `${process.execPath} --import tsx --input-type=module -e "$PROGRAM"`;
  const script = `mount -t tmpfs -o size=64k,mode=0700 none ${folder} && cd ${process.cwd()} && ${before} && ${node}`;
  return spawnSync("unshare", ["-m", "sh", "-c", script], {
    encoding: "utf8",
    env: { ...process.env, FOLDER: folder, PROGRAM: `import * as it from "${MODULE}";${program}` },
  });
}

const PRINTED = `.catch((e) => console.log(JSON.stringify(e)));`;

test("a full disk is one clear line, and the old file stays whole", {
  skip: !asRoot && "needs root",
}, (t) => {
  const folder = temporaryFolder(t);
  const file = join(folder, "x.json");
  const { stdout, stderr } = onSmallDisk(
    folder,
    "true",
    `const { readFileSync, readdirSync } = await import("node:fs");
     await it.writePrivateFile("${file}", "old");
     await it.writePrivateFile("${file}", "x".repeat(100_000))${PRINTED}
     console.log(readFileSync("${file}", "utf8"), readdirSync("${folder}").length);`,
  );
  assert.deepEqual(
    stdout.trim().split("\n"),
    [
      JSON.stringify({
        code: "quota",
        message: `cannot write ${file}: the disk is full`,
        hint: "make room there, then try again",
      }),
      "old 1",
    ],
    stderr,
  );
});

test("a read-only disk is one clear line, for files and the lock", { skip: !asRoot && "needs root" }, (t) => {
  const folder = temporaryFolder(t);
  const { stdout, stderr } = onSmallDisk(
    folder,
    `mount -o remount,ro ${folder}`,
    `await it.writePrivateFile("${folder}/x.json", "new")${PRINTED}
     try { it.tryLockFolder("${folder}"); } catch (e) { console.log(JSON.stringify(e)); }`,
  );
  assert.deepEqual(
    stdout.trim().split("\n"),
    [`cannot write ${folder}/x.json`, `cannot lock ${folder}`].map((what) =>
      JSON.stringify({ code: "forbidden", message: `${what}: the file system is read-only` }),
    ),
    stderr,
  );
  assert.ok(!existsSync(join(folder, "x.json")));
});

test("a reader never sees half a file while it is replaced", async (t) => {
  const path = join(temporaryFolder(t), "x");
  const texts = ["a".repeat(200_000), "b".repeat(100_000)];
  await writePrivateFile(path, texts[0] ?? "");
  let writing = true;
  const writer = (async () => {
    for (let round = 0; round < 40; round++) await writePrivateFile(path, texts[round % 2] ?? "");
    writing = false;
  })();
  let seen = 0;
  while (writing) {
    assert.ok(texts.includes(readFileSync(path, "utf8")));
    seen++;
    await new Promise((done) => setImmediate(done));
  }
  await writer;
  assert.ok(seen > 0);
});

test("a write is synced before the name appears, and the folder after", async (t) => {
  const folder = temporaryFolder(t);
  const program = `import { writePrivateFile } from "${MODULE}"; await writePrivateFile("${folder}/x", "text");`;
  const traced = spawnSync(
    "strace",
    [
      "-f",
      "-y",
      "-e",
      "trace=fsync,rename,renameat,renameat2",
      process.execPath,
      "--import",
      "tsx",
      "--input-type=module",
      "-e",
      program,
    ],
    { encoding: "utf8" },
  );
  if (traced.error !== undefined) return t.skip("needs strace");
  const calls = traced.stderr
    .split("\n")
    .filter((line) => line.includes(folder) && !line.includes("resumed"));
  const kinds = calls.map((line) =>
    line.includes("rename") ? "rename" : line.includes(".tmp") ? "file" : "folder",
  );
  assert.deepEqual(kinds, ["file", "rename", "folder"], traced.stderr);
});
