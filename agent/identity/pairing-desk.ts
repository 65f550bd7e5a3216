import { randomBytes } from "node:crypto";
import {
  addressToBytes,
  agentProof,
  controllerProof,
  formatPairingCode,
  PAIRING,
  PAIRING_CODE_BYTES,
  type PairingTranscript,
  pairingCodeFrom,
  proofsEqual,
  type Role,
  TetherError,
} from "../../protocol/index.ts";

/** What a code is issued for. */
export interface PairingWish {
  readonly role: Role;
  /** Label of the controller that will use it; its host name unless given. */
  readonly label?: string;
  /** Milliseconds that it is valid. */
  readonly ttl?: number;
}

/** A code as it is shown, once. */
export interface IssuedCode {
  /** Four groups with dashes. */
  readonly code: string;
  readonly role: Role;
  readonly expiresAt: Date;
}

/** What a controller sends to prove that it knows the code, and over what. */
export interface PairingAttempt extends Omit<PairingTranscript, "code"> {
  /** Where the connection comes from. */
  readonly address: string;
  readonly proof: Uint8Array;
}

/** What a right proof gives. */
export interface PairingGrant {
  readonly role: Role;
  readonly label?: string;
  /** The agent's proof, for the controller to check. */
  readonly agentProof: Buffer;
}

/** One point in time on both clocks. */
interface Moment {
  /** Milliseconds of a clock that never jumps. */
  readonly monotonic: number;
  /** For what is shown. */
  readonly wall: Date;
}

interface ActiveCode {
  readonly code: string;
  readonly wish: PairingWish;
  /** Monotonic milliseconds. */
  readonly expires: number;
}

/**
 * Holds the one pairing code that is valid, in memory only, and checks proofs of it. Times come in as monotonic
 * milliseconds, since a Pi's clock jumps when it first hears the time.
 */
export class PairingDesk {
  #active: ActiveCode | undefined;
  /** Wrong proofs of the last minute, oldest first; never more than `PAIRING.triesInAll`. */
  #wrongTries: { readonly source: string; readonly at: number }[] = [];

  /**
   * Makes a code; the one before it is void.
   *
   * @throws TetherError `invalid` for a lifetime that is not allowed
   */
  issue(wish: PairingWish, now: Moment = { monotonic: performance.now(), wall: new Date() }): IssuedCode {
    const ttl = wish.ttl ?? PAIRING.codeLifetime;
    if (!(ttl > 0 && ttl <= PAIRING.longestCodeLifetime)) {
      throw new TetherError("invalid", "a pairing code is valid for more than nothing and at most 24 hours");
    }
    const code = pairingCodeFrom(randomBytes(PAIRING_CODE_BYTES));
    this.#active = { code, wish, expires: now.monotonic + ttl };
    return {
      code: formatPairingCode(code),
      role: wish.role,
      expiresAt: new Date(now.wall.getTime() + ttl),
    };
  }

  /**
   * Checks a controller's proof. A right one spends the code; a wrong one only counts.
   *
   * @param now monotonic milliseconds, on the clock of {@link issue}
   * @throws TetherError `unauthorized`, alike for a wrong, expired, used, replaced and absent code; `limit`
   * after too many of these from this address or in all, before the proof is looked at
   */
  verify(attempt: PairingAttempt, now: number = performance.now()): PairingGrant {
    const source = sourceOf(attempt.address);
    this.#refuseTooMany(source, now);
    const active = this.#active;
    if (
      active === undefined ||
      now >= active.expires ||
      !proofsEqual(controllerProof({ ...attempt, code: active.code }), attempt.proof)
    ) {
      this.#wrongTries.push({ source, at: now });
      throw new TetherError(
        "unauthorized",
        "this pairing code is not valid: wrong, used, replaced or too old",
        {
          hint: "get a new one by `tetherd pair` on the agent's machine",
        },
      );
    }
    this.#active = undefined;
    const { role, label } = active.wish;
    const proof = agentProof({ ...attempt, code: active.code });
    return label === undefined ? { role, agentProof: proof } : { role, label, agentProof: proof };
  }

  #refuseTooMany(source: string, now: number): void {
    this.#wrongTries = this.#wrongTries.filter((wrong) => now - wrong.at < PAIRING.triesWindow);
    const fromThere = this.#wrongTries.filter((wrong) => wrong.source === source).length;
    if (fromThere < PAIRING.triesPerAddress && this.#wrongTries.length < PAIRING.triesInAll) return;
    throw new TetherError("limit", "too many wrong pairing codes in the last minute", {
      hint: "try again in a minute; the right code still works then",
    });
  }
}

/** What tries are counted by: an IPv4 address, or the /64 of an IPv6 one, which is what one host is given. */
function sourceOf(address: string): string {
  const bytes = addressToBytes(address);
  if (bytes === undefined) return "elsewhere";
  return Buffer.from(bytes.length === 4 ? bytes : bytes.subarray(0, 8)).toString("hex");
}
