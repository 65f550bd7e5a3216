import { createHash, createPublicKey, type KeyObject, sign, verify } from "node:crypto";

/** Bytes of an Ed25519 signature (RFC 8032 §5.1.6). */
export const SIGNATURE_BYTES = 64;

/** The DER bytes of a key's SubjectPublicKeyInfo (RFC 5280 §4.1.2.7, RFC 8410 §4). */
export function subjectPublicKeyInfo(key: KeyObject): Buffer {
  const publicKey = key.type === "private" ? createPublicKey(key) : key;
  return publicKey.export({ type: "spki", format: "der" });
}

/** SHA-256 of a key's SubjectPublicKeyInfo, 32 bytes: what each side pins. */
export function keyHash(key: KeyObject): Buffer {
  return createHash("sha256").update(subjectPublicKeyInfo(key)).digest();
}

/** The hash as people see it: `SHA256:` and base64 (44 characters, padded). */
export function fingerprintOf(key: KeyObject): string {
  return formatFingerprint(keyHash(key));
}

/** Writes a key's hash as a fingerprint. */
export function formatFingerprint(hash: Uint8Array): string {
  return `SHA256:${Buffer.from(hash).toString("base64")}`;
}

/** True when `text` has the form of a fingerprint. */
export function isFingerprint(text: unknown): text is string {
  return typeof text === "string" && /^SHA256:[A-Za-z0-9+/]{43}=$/.test(text);
}

/**
 * An agent's id: the first ten bytes of its key's hash in lower-case base 32, 16 characters.
 *
 * The id follows from the key, so that nobody can claim another agent's id without its key.
 */
export function agentIdOf(fingerprint: string): string {
  const alphabet = "abcdefghijklmnopqrstuvwxyz234567"; // RFC 4648 §6
  const hash = Buffer.from(fingerprint.slice("SHA256:".length), "base64");
  let bits = 0n;
  for (const byte of hash.subarray(0, 10)) bits = (bits << 8n) | BigInt(byte);
  let id = "";
  for (let shift = 75n; shift >= 0n; shift -= 5n) id += alphabet[Number((bits >> shift) & 31n)];
  return id;
}

/** Ed25519 signature over a context string, a zero byte and the message, so that no signature serves twice. */
export function signInContext(key: KeyObject, context: string, message: Uint8Array): Buffer {
  return sign(null, inContext(context, message), key);
}

/** Checks what {@link signInContext} gives. */
export function verifyInContext(
  key: KeyObject,
  context: string,
  message: Uint8Array,
  signature: Uint8Array,
): boolean {
  return verify(null, inContext(context, message), key, signature);
}

function inContext(context: string, message: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(`${context}\0`, "utf8"), message]);
}
