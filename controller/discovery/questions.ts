import { type KeyObject, randomBytes } from "node:crypto";
import { type Answer, DISCOVERY, encodeQuestion, NONCE_BYTES, verifyAnswer } from "../../protocol/index.ts";
import { type FoundAgent, isSettled, reachableAddress } from "./found-agent.ts";

/** Why an answer counts for nothing. */
export type RefusalReason =
  | "answers no question of ours"
  | "the signature or the id does not fit the key"
  | "no signed address can be reached";

/** What an answer comes to. */
export type CheckedAnswer =
  | { readonly agent: FoundAgent; readonly key: KeyObject }
  | { readonly refused: RefusalReason };

/** The questions of one search: each has a nonce of its own, and only answers to recent ones count. */
export class Questions {
  readonly #nonces = new Map<string, number>();

  /** Writes a question; agents in `have` need not answer. `now` is in milliseconds. */
  next(now: number, have: Iterable<FoundAgent>): Buffer {
    for (const [nonce, at] of this.#nonces) {
      if (now - at <= DISCOVERY.nonceLifetime) break;
      this.#nonces.delete(nonce);
    }
    const nonce = randomBytes(NONCE_BYTES);
    this.#nonces.set(nonce.toString("hex"), now);
    return encodeQuestion(
      nonce,
      [...have].filter(isSettled).map((agent) => agent.fingerprint),
    );
  }

  /** Checks nonce, signature, id and addresses of an answer that came from the address `source`. */
  check(answer: Answer, source: string, now: number): CheckedAnswer {
    const asked = this.#nonces.get(Buffer.from(answer.nonce).toString("hex"));
    if (asked === undefined || now - asked > DISCOVERY.nonceLifetime) {
      return { refused: "answers no question of ours" };
    }
    const proof = verifyAnswer(answer);
    if (!proof) return { refused: "the signature or the id does not fit the key" };
    const address = reachableAddress(answer, source);
    if (address === undefined) return { refused: "no signed address can be reached" };
    const { id, name, port, version, tags, instance } = answer;
    const { fingerprint, key } = proof;
    return { agent: { id, name, address, port, version, fingerprint, tags, instance }, key };
  }
}
