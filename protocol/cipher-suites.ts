import { type Cipher, createCipheriv } from "node:crypto";

/** Suites of TLS 1.3 (RFC 8446 appendix B.4) by what the processor is good at. */
const AES = "TLS_AES_128_GCM_SHA256";
const AES_256 = "TLS_AES_256_GCM_SHA384";
const CHACHA = "TLS_CHACHA20_POLY1305_SHA256";

/** Bytes of one sample: many times what setting up a cipher costs. */
const SAMPLE_BYTES = 64 * 1024;
const SAMPLES = 3;

/** Which suites this side likes, in order, as the options of a TLS server or client have it. */
export interface SuitePreference {
  readonly ciphers: string;
  /**
   * For a server: whether its own order decides. A side whose processor has no AES instructions has its way, since
   * AES costs it four times as much; where both have them the order is the same anyway.
   */
  readonly honorCipherOrder: boolean;
}

/** The preference of a processor with or without AES instructions. */
export function suitePreference(hasAes: boolean): SuitePreference {
  return hasAes
    ? { ciphers: [AES, AES_256, CHACHA].join(":"), honorCipherOrder: false }
    : { ciphers: [CHACHA, AES, AES_256].join(":"), honorCipherOrder: true };
}

/**
 * True when AES-GCM is not slower here than ChaCha20-Poly1305 by more than chance: every 64-bit PC and Mac, a Pi 5,
 * and no Pi before it. Other machines are measured, in less than a millisecond, or some ten where AES is slow.
 *
 * @param now milliseconds, with a fraction
 */
export function hasFastAes(
  now: () => number,
  machine: string = `${process.platform} ${process.arch}`,
): boolean {
  if (machine.endsWith(" x64") || machine === "darwin arm64") return true;
  const sample = Buffer.alloc(SAMPLE_BYTES);
  const nonce = Buffer.alloc(12);
  const timed = (cipher: () => Cipher) => {
    let best = Number.POSITIVE_INFINITY;
    for (let turn = 0; turn < SAMPLES; turn++) {
      const begun = now();
      cipher().update(sample);
      best = Math.min(best, now() - begun);
    }
    return best;
  };
  const aes = timed(() => createCipheriv("aes-128-gcm", Buffer.alloc(16), nonce));
  const chacha = timed(() =>
    createCipheriv("chacha20-poly1305", Buffer.alloc(32), nonce, { authTagLength: 16 }),
  );
  return aes < 1.5 * chacha;
}
