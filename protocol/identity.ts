import { createPrivateKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { selfSignedCertificate } from "./certificate.ts";
import { TetherError } from "./errors.ts";
import { agentIdOf, formatFingerprint, keyHash } from "./keys.ts";

/** Who one side is: its key, and what follows from it. */
export interface Identity {
  readonly privateKey: KeyObject;
  /** PKCS #8 in PEM, as TLS wants it. */
  readonly keyPem: string;
  /** The self-signed certificate in PEM, which follows from the key. */
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

/** The text of a fresh key and its certificate, for {@link identityFromBundle}. */
export function newIdentityBundle(side: "agent" | "controller"): string {
  const keyPem = newPrivateKeyPem();
  return keyPem + identityFromPem(keyPem, side, "a new key").certificatePem;
}

/**
 * The same as {@link identityFromPem} for a program that starts anew for each command: the certificate that
 * stands behind the key is taken as it is, and what else follows from the key is worked out when it is asked
 * for. That saves the key's decoding and a signature, 1.5 ms of a start. Without a certificate, or with a key
 * in another form, it is {@link identityFromPem}.
 */
export function identityFromBundle(pem: string, side: "agent" | "controller", where: string): Identity {
  const [, keyPem, certificatePem] = BUNDLE.exec(pem) ?? [];
  if (keyPem === undefined || certificatePem === undefined) return identityFromPem(pem, side, where);
  return new BundledIdentity(keyPem, certificatePem, () => identityFromPem(keyPem, side, where));
}

/**
 * An Ed25519 key, as everybody writes it, and a certificate. RFC 8410 §7: the key's DER is 16 fixed bytes and 32
 * free ones, so text of this form always is a key.
 */
const BUNDLE =
  /^(-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEI[A-P][A-Za-z0-9+/]{42}\n-----END PRIVATE KEY-----\n)(-----BEGIN CERTIFICATE-----\n[^-]+-----END CERTIFICATE-----\n)$/;

class BundledIdentity implements Identity {
  readonly keyPem: string;
  readonly certificatePem: string;
  readonly #workOut: () => Identity;
  #whole: Identity | undefined;

  constructor(keyPem: string, certificatePem: string, workOut: () => Identity) {
    this.keyPem = keyPem;
    this.certificatePem = certificatePem;
    this.#workOut = workOut;
  }

  get privateKey(): KeyObject {
    return this.#rest.privateKey;
  }

  get keyHash(): Buffer {
    return this.#rest.keyHash;
  }

  get fingerprint(): string {
    return this.#rest.fingerprint;
  }

  get id(): string {
    return this.#rest.id;
  }

  get #rest(): Identity {
    this.#whole ??= this.#workOut();
    return this.#whole;
  }
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
