import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import { createPrivateKey, X509Certificate } from "node:crypto";
import { chmodSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { controllerFolder, openControllerIdentity } from "../../controller/identity.ts";
import { identityFromPem } from "../../protocol/index.ts";
import { temporaryFolder, tetherError } from "./folder.ts";

test("the folder is $TETHER_HOME, else where XDG says, else under the home folder", () => {
  const home = join(homedir(), ".config", "tether");
  assert.equal(controllerFolder({ TETHER_HOME: "/t", XDG_CONFIG_HOME: "/x" }), "/t");
  assert.equal(controllerFolder({ TETHER_HOME: "t" }), resolve("t"));
  assert.equal(controllerFolder({ TETHER_HOME: "", XDG_CONFIG_HOME: "/x" }), "/x/tether");
  assert.equal(controllerFolder({ XDG_CONFIG_HOME: "x" }), home);
  assert.equal(controllerFolder({}), home);
});

test("the first use makes folder and key, every later one reads them without a trace", async (t) => {
  const folder = join(temporaryFolder(t), "config/tether");
  const first = await openControllerIdentity(folder);
  const before = readdirSync(folder);
  const later = await openControllerIdentity(folder);
  assert.equal(later.fingerprint, first.fingerprint);
  assert.deepEqual(readdirSync(folder), before);
  assert.equal(statSync(folder).mode & 0o777, 0o700);
  assert.equal(statSync(join(folder, "key.pem")).mode & 0o777, 0o600);
});

test("processes that start together for the first time get one key", async (t) => {
  const folder = join(temporaryFolder(t), "tether");
  const module = new URL("../../controller/identity.ts", import.meta.url).href;
  const program = `import { openControllerIdentity } from "${module}";
    process.stdout.write((await openControllerIdentity(${JSON.stringify(folder)})).fingerprint);`;
  const args = ["--import", "tsx", "--input-type=module", "-e", program];
  const runs = await Promise.all(
    Array.from({ length: 6 }, () => promisify(execFile)(process.execPath, args)),
  );
  assert.equal(new Set(runs.map((run) => run.stdout)).size, 1);
  assert.equal((await openControllerIdentity(folder)).fingerprint, runs[0]?.stdout);
});

test("the stored certificate is used as it is, and belongs to the key", async (t) => {
  const folder = temporaryFolder(t);
  const path = join(folder, "key.pem");
  await openControllerIdentity(folder);
  const bundle = readFileSync(path, "utf8");
  const stored = await openControllerIdentity(folder);
  assert.equal(stored.keyPem + stored.certificatePem, bundle);
  const whole = identityFromPem(stored.keyPem, "controller", path);
  const certificate = new X509Certificate(stored.certificatePem);
  assert.ok(certificate.checkPrivateKey(createPrivateKey(stored.keyPem)));
  assert.deepEqual(
    [stored.fingerprint, stored.id, stored.keyHash, stored.certificatePem],
    [whole.fingerprint, whole.id, whole.keyHash, whole.certificatePem],
  );
  assert.ok(stored.privateKey.equals(whole.privateKey));
  // A key alone, as from a backup, is enough.
  writeFileSync(path, stored.keyPem);
  assert.equal((await openControllerIdentity(folder)).certificatePem, stored.certificatePem);
  execFileSync("openssl", ["genpkey", "-algorithm", "ed25519", "-out", path], { stdio: "ignore" });
  const foreign = await openControllerIdentity(folder);
  assert.ok(new X509Certificate(foreign.certificatePem).checkPrivateKey(foreign.privateKey));
  assert.notEqual(foreign.id, stored.id);
});

test("what others can read, and what holds no key, is refused and left as it is", async (t) => {
  const folder = temporaryFolder(t);
  await openControllerIdentity(folder);
  const path = join(folder, "key.pem");
  chmodSync(path, 0o644);
  await assert.rejects(
    openControllerIdentity(folder),
    tetherError("invalid", /mode 0644/, /chmod 0600 .*key\.pem/),
  );
  chmodSync(path, 0o600);
  for (const writable of [0o775, 0o757, 0o720, 0o702]) {
    chmodSync(folder, writable);
    await assert.rejects(
      openControllerIdentity(folder),
      tetherError("invalid", /write in it/, /chmod 0700 /),
    );
  }
  // As with ~/.ssh, others may see that there is a key.
  chmodSync(folder, 0o755);
  await openControllerIdentity(folder);
  writeFileSync(path, "half a k");
  await assert.rejects(
    openControllerIdentity(folder),
    tetherError("invalid", /not an unencrypted private key/),
  );
  assert.equal(readFileSync(path, "utf8"), "half a k");
});
