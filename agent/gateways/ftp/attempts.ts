import { FTP } from "../../../protocol/index.ts";

/** Counts wrong passwords by address, so that many connections give no more tries than one. */
export class Attempts {
  readonly #wrong = new Map<string, { since: number; count: number }>();

  /** True while an address has had its tries of the window; `now` in milliseconds of a steady clock. */
  areUsedUp(address: string, now: number): boolean {
    const known = this.#wrong.get(address);
    return (
      known !== undefined && now - known.since < FTP.attemptWindow && known.count >= FTP.attemptsPerAddress
    );
  }

  /** Notes a wrong password. */
  note(address: string, now: number): void {
    const known = this.#wrong.get(address);
    if (known !== undefined && now - known.since < FTP.attemptWindow) {
      known.count++;
      return;
    }
    // Deleted and set again, an address moves to the end: the first one is the one longest unheard.
    this.#wrong.delete(address);
    this.#wrong.set(address, { since: now, count: 1 });
    if (this.#wrong.size > FTP.addressesTracked) {
      const [oldest] = this.#wrong.keys();
      if (oldest !== undefined) this.#wrong.delete(oldest);
    }
  }
}
