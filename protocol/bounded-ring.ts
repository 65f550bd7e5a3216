/** A queue that loses its oldest member when it is full, and counts what it lost. */
export class BoundedRing<Item> {
  readonly #capacity: number;
  readonly #items: Item[] = [];
  /** Where the oldest is, once the ring is full and turns. */
  #start = 0;
  #size = 0;
  #lost = 0;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  get size(): number {
    return this.#size;
  }

  /** Adds the newest; when there is no room the oldest is lost. */
  push(item: Item): void {
    if (this.#size === this.#capacity) {
      this.#start = (this.#start + 1) % this.#capacity;
      this.#size -= 1;
      this.#lost += 1;
    }
    this.#items[(this.#start + this.#size) % this.#capacity] = item;
    this.#size += 1;
  }

  /** Takes the oldest, with how many were lost right before it; undefined when there is none. */
  shift(): { readonly item: Item; readonly lost: number } | undefined {
    if (this.#size === 0) return undefined;
    const item = this.#items[this.#start] as Item;
    const lost = this.#lost;
    this.#start = (this.#start + 1) % this.#capacity;
    this.#size -= 1;
    this.#lost = 0;
    if (this.#size === 0) this.#clear();
    return { item, lost };
  }

  /** Lets go of what has been taken. */
  #clear(): void {
    this.#items.length = 0;
    this.#start = 0;
  }
}
