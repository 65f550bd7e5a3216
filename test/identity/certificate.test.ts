import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createPrivateKey, generateKeyPairSync, X509Certificate } from "node:crypto";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { connect, createServer, type TLSSocket } from "node:tls";
import {
  controllerProof,
  identityFromBundle,
  identityFromPem,
  keyHash,
  newIdentityBundle,
  newPrivateKeyPem,
  PAIRING_BYTES,
  PAIRING_EXPORTER_LABEL,
  selfSignedCertificate,
} from "../../protocol/index.ts";
import { temporaryFolder, tetherError } from "./folder.ts";

const key = () => generateKeyPairSync("ed25519").privateKey;

test("openssl reads every field of the certificate and verifies it", (t) => {
  const folder = temporaryFolder(t);
  const path = join(folder, "certificate.pem");
  const privateKey = key();
  writeFileSync(path, selfSignedCertificate(privateKey, "tether agent grünes Haus"));
  const openssl = (...args: string[]) => execFileSync("openssl", args, { encoding: "utf8" });

  const text = openssl("x509", "-in", path, "-noout", "-text", "-nameopt", "utf8");
  assert.match(text, /Version: 3 \(0x2\)/);
  assert.match(text, /Signature Algorithm: ED25519/);
  assert.match(text, /Subject: CN=tether agent grünes Haus/);
  assert.match(text, /Issuer: CN=tether agent grünes Haus/);
  assert.match(text, /Not Before: Jan {2}1 00:00:00 1970 GMT/);
  assert.match(text, /Not After : Dec 31 23:59:59 9999 GMT/);
  assert.match(text, /Basic Constraints: critical\s+CA:FALSE/);
  assert.match(text, /Key Usage: critical\s+Digital Signature\n/);
  const strict = ["-x509_strict", "-check_ss_sig"];
  assert.match(openssl("verify", ...strict, "-CAfile", path, path), /: OK/);
  for (const purpose of ["sslserver", "sslclient"]) {
    assert.match(openssl("verify", "-purpose", purpose, "-CAfile", path, path), /: OK/);
  }
  assert.match(openssl("asn1parse", "-in", path), /UTF8STRING\s+:tether agent/);
});

test("Node reads the certificate, and it carries the key that is pinned", () => {
  for (let round = 0; round < 200; round++) {
    const privateKey = key();
    const certificate = new X509Certificate(selfSignedCertificate(privateKey, `n${"x".repeat(round % 60)}`));
    assert.ok(certificate.verify(certificate.publicKey));
    assert.ok(certificate.checkPrivateKey(privateKey));
    assert.equal(certificate.ca, false);
    assert.deepEqual(keyHash(certificate.publicKey), keyHash(privateKey));
    // RFC 5280 §4.1.2.2: positive, at most 20 octets; 16 without a leading zero here.
    assert.match(certificate.serialNumber, /^[4-7][0-9A-F]{31}$/);
  }
});

test("the same key and name give the same certificate", () => {
  const privateKey = key();
  assert.equal(selfSignedCertificate(privateKey, "a"), selfSignedCertificate(privateKey, "a"));
  assert.notEqual(selfSignedCertificate(privateKey, "a"), selfSignedCertificate(privateKey, "b"));
});

test("names of 1 to 64 characters are taken, others and other keys refused", () => {
  const privateKey = key();
  for (const name of ["a", "ä".repeat(64), "🌿".repeat(64), 'O="x", CN=y/z', "-"]) {
    const { subject } = new X509Certificate(selfSignedCertificate(privateKey, name));
    assert.ok(subject.startsWith("CN="), name);
    assert.equal(subject.split("\n").length, 1, "one name, whatever is in it");
  }
  for (const name of ["", "a".repeat(65), "a\0b", "a\nb", "a\u007f", "\ud800"]) {
    assert.throws(() => selfSignedCertificate(privateKey, name), tetherError("invalid", /1 to 64/));
  }
  const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;
  const pub = generateKeyPairSync("ed25519").publicKey;
  for (const wrong of [rsa, pub]) {
    assert.throws(() => selfSignedCertificate(wrong, "a"), tetherError("invalid", /Ed25519 private key/));
  }
});

test("a mutual TLS 1.3 handshake shows each side the other's key, and both the same exporter", async (t) => {
  const agent = identityFromPem(newPrivateKeyPem(), "agent", "agent");
  const controller = identityFromPem(newPrivateKeyPem(), "controller", "controller");
  const server = createServer({
    key: agent.keyPem,
    cert: agent.certificatePem,
    requestCert: true,
    rejectUnauthorized: false,
    minVersion: "TLSv1.3",
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  const accepted = once(server, "secureConnection");
  const client = connect({
    port: (server.address() as AddressInfo).port,
    host: "127.0.0.1",
    key: controller.keyPem,
    cert: controller.certificatePem,
    rejectUnauthorized: false,
    minVersion: "TLSv1.3",
  });
  t.after(() => client.destroy());
  await once(client, "secureConnect");
  const [served] = (await accepted) as [TLSSocket];
  t.after(() => served.destroy());

  const hashShownTo = (socket: TLSSocket) => {
    const certificate = socket.getPeerX509Certificate();
    assert.ok(certificate);
    return keyHash(certificate.publicKey);
  };
  assert.deepEqual(hashShownTo(client), agent.keyHash);
  assert.deepEqual(hashShownTo(served), controller.keyHash);
  const proofAt = (socket: TLSSocket) =>
    controllerProof({
      code: "0123456789ABCDEF",
      exporter: socket.exportKeyingMaterial(PAIRING_BYTES, PAIRING_EXPORTER_LABEL, Buffer.alloc(0)),
      controllerKeyHash: controller.keyHash,
      agentKeyHash: agent.keyHash,
    });
  assert.deepEqual(proofAt(client), proofAt(served));
});

test("a handshake passes with the certificate as its own authority, for programs that check chains", async (t) => {
  const agent = identityFromPem(newPrivateKeyPem(), "agent", "agent");
  const server = createServer({ key: agent.keyPem, cert: agent.certificatePem });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  const client = connect({
    port: (server.address() as AddressInfo).port,
    host: "127.0.0.1",
    ca: agent.certificatePem,
    checkServerIdentity: () => undefined,
  });
  t.after(() => client.destroy());
  await once(client, "secureConnect");
  assert.equal(client.authorized, true);
});

test("a bundle of key and certificate is told from every other text, and every key has its form", () => {
  for (let round = 0; round < 300; round++) {
    const bundle = newIdentityBundle("controller");
    const identity = identityFromBundle(bundle, "controller", "here");
    assert.equal(identity.keyPem + identity.certificatePem, bundle);
    assert.equal(identity.fingerprint, identityFromPem(bundle, "controller", "here").fingerprint);
  }
  const damaged = newIdentityBundle("controller").replace(/\n.{10}/, "\n");
  assert.throws(
    () => identityFromBundle(damaged, "controller", "here"),
    tetherError("invalid", /^here is not/),
  );
});

test("an identity follows from its key alone", () => {
  const pem = newPrivateKeyPem();
  const one = identityFromPem(pem, "agent", "here");
  const other = identityFromPem(pem, "agent", "there");
  assert.deepEqual({ ...one, privateKey: undefined }, { ...other, privateKey: undefined });
  assert.equal(one.fingerprint, `SHA256:${keyHash(createPrivateKey(pem)).toString("base64")}`);
  assert.match(one.id, /^[a-z2-7]{16}$/);
});
