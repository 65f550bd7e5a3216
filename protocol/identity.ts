import { createPrivateKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { selfSignedCertificate } from "./certificate.ts";
import { TetherError } from "./errors.ts";
import { agentIdOf, formatFingerprint, keyHash } from "./keys.ts";

/** Who one side is: its key, and what follows from it. */
export interface Identity {
  readonly privateKey: KeyObject;
  /** PKCS #8 in PEM, as TLS wants it. */
  readonly keyPem: string;
  /** The self-signed certificate in PEM. It follows from the key, so it is never stored. */
  readonly certificatePem: string;
  /** SHA-256 of the SubjectPublicKeyInfo, 32 bytes. */
  readonly keyHash: Buffer;
  readonly fingerprint: string;
  /** 16 characters that follow from the key. */
  readonly id: string;
}

/** A fresh Ed25519 private key: PKCS #8 in PEM (RFC 8410 §7). */
export function newPrivateKeyPem(): string {
  return generateKeyPairSync("ed25519", {
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
    publicKeyEncoding: { type: "spki", format: "pem" },
  }).privateKey;
}

/**
 * The identity of the one that holds this private key.
 *
 * @param keyPem PKCS #8 in PEM, not encrypted
 * @param side what the certificate calls itself
 * @param where names the key's place in an error
 * @throws TetherError `invalid` when the text holds no Ed25519 private key; the text is never part of it
 */
export function identityFromPem(keyPem: string, side: "agent" | "controller", where: string): Identity {
  const privateKey = ed25519Key(keyPem, side, where);
  const hash = keyHash(privateKey);
  const fingerprint = formatFingerprint(hash);
  const id = agentIdOf(fingerprint);
  const certificatePem = selfSignedCertificate(privateKey, `tether ${side} ${id}`);
  return { privateKey, keyPem, certificatePem, keyHash: hash, fingerprint, id };
}

function ed25519Key(keyPem: string, side: string, where: string): KeyObject {
  let why = "is not an unencrypted private key in PEM";
  try {
    const key = createPrivateKey(keyPem);
    if (key.asymmetricKeyType === "ed25519") return key;
    why = `holds a key of kind ${key.asymmetricKeyType ?? "unknown"}, not Ed25519`;
  } catch {
    // OpenSSL's reasons ("DECODER routines::unsupported") tell the reader nothing more.
  }
  const others = side === "agent" ? "controller" : "agent";
  throw new TetherError("invalid", `${where} ${why}`, {
    hint: `restore it from a backup, or remove it to start with a new key; every ${others} then has to be paired again`,
  });
}
