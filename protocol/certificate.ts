import { createHash, type KeyObject, sign } from "node:crypto";
import { TetherError } from "./errors.ts";
import { keyHash, subjectPublicKeyInfo } from "./keys.ts";

/** Characters of a common name: ub-common-name (RFC 5280 appendix A.1). */
const COMMON_NAME_LENGTH = 64;

/** DER tags (X.690 §8). */
const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  objectIdentifier: 0x06,
  utf8String: 0x0c,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
  /** [0] EXPLICIT: the version of a TBSCertificate. */
  version: 0xa0,
  /** [3] EXPLICIT: its extensions. */
  extensions: 0xa3,
} as const;

/** Contents octets of the object identifiers (X.690 §8.19). */
const OID = {
  /** 1.3.101.112, RFC 8410 §3. */
  ed25519: [0x2b, 0x65, 0x70],
  /** 2.5.4.3 */
  commonName: [0x55, 0x04, 0x03],
  /** 2.5.29.14 */
  subjectKeyIdentifier: [0x55, 0x1d, 0x0e],
  /** 2.5.29.15 */
  keyUsage: [0x55, 0x1d, 0x0f],
  /** 2.5.29.19 */
  basicConstraints: [0x55, 0x1d, 0x13],
} as const;

/**
 * A self-signed X.509 v3 certificate (RFC 5280) over an Ed25519 key (RFC 8410), in PEM.
 *
 * It only carries the key into a TLS handshake: both sides pin the key's hash and ignore everything else. So
 * its dates are as wide as the format allows, and it is no certification authority. The same key and name
 * always give the same bytes.
 *
 * @param privateKey an Ed25519 private key
 * @param commonName subject and issuer, 1 to 64 characters, none of them a control character
 * @throws TetherError `invalid` for another kind of key or name
 */
export function selfSignedCertificate(privateKey: KeyObject, commonName: string): string {
  if (privateKey.type !== "private" || privateKey.asymmetricKeyType !== "ed25519") {
    throw new TetherError("invalid", "a certificate needs an Ed25519 private key");
  }
  const length = [...commonName].length;
  if (length < 1 || length > COMMON_NAME_LENGTH || /[\p{Cc}\p{Cs}]/u.test(commonName)) {
    throw new TetherError(
      "invalid",
      `a certificate's name has 1 to ${COMMON_NAME_LENGTH} characters and no control character among them`,
    );
  }
  // RFC 8410 §3: the parameters of this algorithm are absent.
  const algorithm = sequence(objectIdentifier(OID.ed25519));
  const name = distinguishedName(commonName);
  const body = sequence(
    der(TAG.version, der(TAG.integer, Uint8Array.of(2))),
    der(TAG.integer, serialNumber(privateKey)),
    algorithm,
    name,
    validity(),
    name,
    subjectPublicKeyInfo(privateKey),
    extensions(privateKey),
  );
  const certificate = sequence(body, algorithm, bitString(sign(null, body, privateKey)));
  return pem("CERTIFICATE", certificate);
}

/** RFC 5280 §4.1.2.2: positive, at most 20 octets. Sixteen of the key's hash, the first made 0x40 to 0x7f. */
function serialNumber(key: KeyObject): Buffer {
  const serial = Buffer.from(keyHash(key).subarray(0, 16));
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40;
  return serial;
}

function distinguishedName(commonName: string): Buffer {
  const value = der(TAG.utf8String, Buffer.from(commonName, "utf8"));
  return sequence(der(TAG.set, sequence(objectIdentifier(OID.commonName), value)));
}

/**
 * From 1970, where a Pi's clock may stand at boot, to 9999-12-31 23:59:59, which RFC 5280 §4.1.2.5 gives to
 * certificates without a well-defined end. Dates up to 2049 are UTCTime, later ones GeneralizedTime.
 */
function validity(): Buffer {
  return sequence(
    der(TAG.utcTime, Buffer.from("700101000000Z", "ascii")),
    der(TAG.generalizedTime, Buffer.from("99991231235959Z", "ascii")),
  );
}

function extensions(key: KeyObject): Buffer {
  const critical = der(TAG.boolean, Uint8Array.of(0xff));
  // RFC 5280 §4.2.1.9: cA defaults to FALSE, and DER leaves defaults out.
  const basicConstraints = sequence();
  // RFC 5280 §4.2.1.3: digitalSignature is bit 0, so seven bits of the octet are unused.
  const keyUsage = der(TAG.bitString, Uint8Array.of(7, 0x80));
  const keyIdentifier = der(TAG.octetString, subjectKeyIdentifier(key));
  return der(
    TAG.extensions,
    sequence(
      sequence(objectIdentifier(OID.basicConstraints), critical, der(TAG.octetString, basicConstraints)),
      sequence(objectIdentifier(OID.keyUsage), critical, der(TAG.octetString, keyUsage)),
      sequence(objectIdentifier(OID.subjectKeyIdentifier), der(TAG.octetString, keyIdentifier)),
    ),
  );
}

/** RFC 7093 §2, method 1: the leftmost 160 bits of the SHA-256 hash of the key's bits. */
function subjectKeyIdentifier(key: KeyObject): Buffer {
  // RFC 8410 §4: the 32 octets of the key end the SubjectPublicKeyInfo.
  const bits = subjectPublicKeyInfo(key).subarray(-32);
  return createHash("sha256").update(bits).digest().subarray(0, 20);
}

function sequence(...members: readonly Uint8Array[]): Buffer {
  return der(TAG.sequence, ...members);
}

function objectIdentifier(contents: readonly number[]): Buffer {
  return der(TAG.objectIdentifier, Uint8Array.from(contents));
}

function bitString(octets: Uint8Array): Buffer {
  return der(TAG.bitString, Uint8Array.of(0), octets);
}

/** One value: tag, definite length in the fewest octets (X.690 §10.1), contents of less than 64 KiB. */
function der(tag: number, ...contents: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(contents);
  const { length } = body;
  const header =
    length < 0x80
      ? [tag, length]
      : length < 0x100
        ? [tag, 0x81, length]
        : [tag, 0x82, length >> 8, length & 0xff];
  return Buffer.concat([Uint8Array.from(header), body]);
}

/** RFC 7468 §2: lines of 64 characters. */
function pem(label: string, bytes: Buffer): string {
  const lines = bytes.toString("base64").match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}
