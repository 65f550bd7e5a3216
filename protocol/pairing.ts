import { createHmac, timingSafeEqual } from "node:crypto";
import { TetherError } from "./errors.ts";

/** Label of the TLS exporter that ties a proof to its connection (RFC 8446 §7.5); it has no context. */
export const PAIRING_EXPORTER_LABEL = "EXPORTER-tether-pair-v1";

/** Bytes of that exporter, of a key's hash and of a proof. */
export const PAIRING_BYTES = 32;

/** Random bytes in a code. */
export const PAIRING_CODE_BYTES = 10;

/** Crockford's base 32: no I, L, O and U. */
const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const CODE_LENGTH = 16;
const GROUP_LENGTH = 4;

/** What both proofs are made over. */
export interface PairingTranscript {
  /** The code in canonical form, as {@link parsePairingCode} gives it. */
  readonly code: string;
  /** E: 32 bytes of the connection's exporter under {@link PAIRING_EXPORTER_LABEL}. */
  readonly exporter: Uint8Array;
  /** SHA-256 of the controller's SubjectPublicKeyInfo. */
  readonly controllerKeyHash: Uint8Array;
  /** SHA-256 of the agent's SubjectPublicKeyInfo. */
  readonly agentKeyHash: Uint8Array;
}

/** The code that ten random bytes stand for, in canonical form: 16 upper-case characters, five bits each. */
export function pairingCodeFrom(random: Uint8Array): string {
  if (random.length !== PAIRING_CODE_BYTES) {
    throw new TetherError("internal", `a code is made of ${PAIRING_CODE_BYTES} bytes, not ${random.length}`);
  }
  let bits = 0n;
  for (const byte of random) bits = (bits << 8n) | BigInt(byte);
  let code = "";
  for (let shift = BigInt(5 * (CODE_LENGTH - 1)); shift >= 0n; shift -= 5n) {
    code += ALPHABET[Number((bits >> shift) & 31n)];
  }
  return code;
}

/** A canonical code as people read it: four groups of four with dashes between. */
export function formatPairingCode(code: string): string {
  const groups: string[] = [];
  for (let at = 0; at < code.length; at += GROUP_LENGTH) groups.push(code.slice(at, at + GROUP_LENGTH));
  return groups.join("-");
}

/**
 * The canonical code that a person typed: any case, dashes and white space anywhere, I and L read as 1, O as 0.
 *
 * @throws TetherError `invalid` that says what is wrong; the code itself is not in it
 */
export function parsePairingCode(text: string): string {
  const typed = text.replace(/[-\s]/g, "");
  // Letter by letter, since the upper case of the whole would make "SS" of "ß".
  const code = typed
    .replace(/[a-z]/g, (letter) => letter.toUpperCase())
    .replace(/[IL]/g, "1")
    .replace(/O/g, "0");
  for (const [index, character] of [...code.slice(0, CODE_LENGTH)].entries()) {
    if (!ALPHABET.includes(character)) {
      throw invalidCode(`character ${index + 1} is ${JSON.stringify(character)}`);
    }
  }
  if (code.length !== CODE_LENGTH) {
    throw invalidCode(code.length === 0 ? "it is empty" : `it has ${code.length} characters`);
  }
  return code;
}

function invalidCode(what: string): TetherError {
  return new TetherError(
    "invalid",
    `not a pairing code: ${what}; a code has ${CODE_LENGTH} letters and digits, without U`,
    { hint: "type it as `tetherd pair` printed it; case and dashes do not matter" },
  );
}

/** The controller's proof, which comes first: that it knows the code, on this connection, between these keys. */
export function controllerProof(transcript: PairingTranscript): Buffer {
  return proof("controller", transcript);
}

/** The agent's proof, given only after it has checked the controller's. */
export function agentProof(transcript: PairingTranscript): Buffer {
  return proof("agent", transcript);
}

/**
 * HMAC-SHA256 keyed with the canonical code in ASCII over: the text "tether-pair-v1 " and the side that proves,
 * in ASCII without an end; the exporter; the controller's key hash; the agent's key hash. Both sides hash in
 * that order. The parts are of fixed length, so nothing separates them; the side keeps a proof from being
 * sent back to the one that made it.
 */
function proof(side: "controller" | "agent", transcript: PairingTranscript): Buffer {
  const parts = [transcript.exporter, transcript.controllerKeyHash, transcript.agentKeyHash];
  if (parts.some((part) => part.length !== PAIRING_BYTES)) {
    throw new TetherError(
      "internal",
      `exporter and key hashes of a pairing have ${PAIRING_BYTES} bytes each`,
    );
  }
  const hmac = createHmac("sha256", Buffer.from(transcript.code, "ascii"));
  hmac.update(`tether-pair-v1 ${side}`, "ascii");
  for (const part of parts) hmac.update(part);
  return hmac.digest();
}

/** Compares a proof that came off the wire, of any length, in a time that tells nothing about its content. */
export function proofsEqual(expected: Uint8Array, received: Uint8Array): boolean {
  return expected.length === received.length && timingSafeEqual(expected, received);
}
