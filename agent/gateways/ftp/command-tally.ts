import type { ErrorCode } from "../../../protocol/index.ts";

/** Counts the commands of all clients: what calls are elsewhere. */
export class CommandTally {
  readonly #errors = new Map<ErrorCode, number>();
  #count = 0;

  /** Commands carried out so far, those that failed among them. */
  get count(): number {
    return this.#count;
  }

  /** Those that failed, by code. */
  get errors(): ReadonlyMap<ErrorCode, number> {
    return this.#errors;
  }

  /** A command begins. */
  begun(): void {
    this.#count++;
  }

  /** A command has failed. */
  failed(code: ErrorCode): void {
    this.#errors.set(code, (this.#errors.get(code) ?? 0) + 1);
  }
}
