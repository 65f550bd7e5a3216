import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { readFileSync, statSync, unlinkSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { loadAgentIdentity, StateFolder } from "../../agent/identity/index.ts";
import { keyHash } from "../../protocol/index.ts";
import { temporaryFolder, tetherError } from "./folder.ts";

test("a first start makes the key, and every later one finds it", async (t) => {
  const folder = StateFolder.open(temporaryFolder(t));
  const first = await loadAgentIdentity(folder);
  const later = await loadAgentIdentity(folder);
  assert.equal(first.made, true);
  assert.equal(later.made, false);
  assert.equal(later.identity.fingerprint, first.identity.fingerprint);
  assert.equal(later.identity.certificatePem, first.identity.certificatePem);
  assert.equal(statSync(folder.pathOf("key.pem")).mode & 0o777, 0o600);
  const certificate = new X509Certificate(first.identity.certificatePem);
  assert.equal(certificate.subject, `CN=tether agent ${first.identity.id}`);
  assert.deepEqual(keyHash(certificate.publicKey), first.identity.keyHash);
});

test("openssl reads the key, and the agent reads openssl's", async (t) => {
  const folder = StateFolder.open(temporaryFolder(t));
  const path = folder.pathOf("key.pem");
  await loadAgentIdentity(folder);
  assert.match(
    execFileSync("openssl", ["pkey", "-in", path, "-noout", "-text"], { encoding: "utf8" }),
    /^ED25519/,
  );
  execFileSync("openssl", ["genpkey", "-algorithm", "ed25519", "-out", path], { stdio: "ignore" });
  const spki = execFileSync("openssl", ["pkey", "-in", path, "-pubout", "-outform", "DER"]);
  const hash = execFileSync("openssl", ["dgst", "-sha256", "-binary"], { input: spki });
  const { identity } = await loadAgentIdentity(folder);
  assert.equal(identity.fingerprint, `SHA256:${hash.toString("base64")}`);
});

test("a file that holds no Ed25519 key is refused and left as it is", async (t) => {
  const folder = StateFolder.open(temporaryFolder(t));
  const path = folder.pathOf("key.pem");
  await loadAgentIdentity(folder);
  const good = readFileSync(path, "utf8");
  const openssl = (...args: string[]) => execFileSync("openssl", args, { encoding: "utf8", stdio: "pipe" });
  const table: [string, RegExp][] = [
    ["", /is not an unencrypted private key/],
    [good.slice(0, 60), /is not an unencrypted private key/],
    [good.replace("PRIVATE", "PUBLIC"), /is not an unencrypted private key/],
    ["\0".repeat(119), /is not an unencrypted private key/],
    [openssl("pkey", "-in", path, "-aes128", "-passout", "pass:secret"), /is not an unencrypted private key/],
    [openssl("genpkey", "-algorithm", "x25519"), /holds a key of kind x25519, not Ed25519/],
    [openssl("ecparam", "-genkey", "-noout", "-name", "prime256v1"), /holds a key of kind ec, not Ed25519/],
  ];
  for (const [content, message] of table) {
    unlinkSync(path);
    writeFileSync(path, content, { mode: 0o600 });
    await assert.rejects(loadAgentIdentity(folder), tetherError("invalid", message, /paired again/));
    assert.equal(readFileSync(path, "utf8"), content);
  }
});
