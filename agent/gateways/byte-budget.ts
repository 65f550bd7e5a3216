/** Bytes that all connections of a gateway may hold together. */
export class ByteBudget {
  readonly #most: number;
  #held = 0;

  constructor(most: number) {
    this.#most = most;
  }

  /** Changes what one connection holds from `before` to `after` bytes; gives false, and changes nothing, when it is too much. */
  change(before: number, after: number): boolean {
    if (after > before && this.#held - before + after > this.#most) return false;
    this.#held += after - before;
    return true;
  }

  /** Bytes held now. */
  get held(): number {
    return this.#held;
  }
}
