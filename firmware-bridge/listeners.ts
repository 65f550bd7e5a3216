/** Those who want to hear of one kind of event. */
export class Listeners<Event> {
  readonly #listeners = new Set<(event: Event) => void>();
  readonly #report: (thrown: unknown) => void;

  /** @param report gets what a listener throws: the others are told all the same. */
  constructor(report: (thrown: unknown) => void) {
    this.#report = report;
  }

  /** Adds a listener; what it gives takes it away again. */
  add(listener: (event: Event) => void): () => void {
    const own = (event: Event) => listener(event); // the same function may be added twice
    this.#listeners.add(own);
    return () => {
      this.#listeners.delete(own);
    };
  }

  emit(event: Event): void {
    for (const listener of [...this.#listeners]) {
      try {
        listener(event);
      } catch (thrown) {
        this.#report(thrown);
      }
    }
  }
}
