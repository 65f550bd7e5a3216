import { addressToBytes, GATEWAYS } from "../../protocol/index.ts";

/** What one address may still be answered, as of a time. */
interface Allowance {
  answers: number;
  at: number;
}

const SECOND = 1_000;

/** Decides which datagrams are answered: so many a second to one address, so that none is flooded in its name. */
export class DatagramRate {
  readonly #addresses = new Map<string, Allowance>();

  /** Counts an answer to this address at this time (milliseconds), or refuses it. */
  take(address: string, now: number): boolean {
    const source = sourceOf(address);
    const most = GATEWAYS.datagramsPerAddress;
    const known = this.#addresses.get(source);
    const answers =
      known === undefined ? most : Math.min(most, known.answers + ((now - known.at) * most) / SECOND);
    // Deleted and set again, an address moves to the end: the first one is the one longest unheard.
    this.#addresses.delete(source);
    this.#addresses.set(source, { answers: answers < 1 ? answers : answers - 1, at: now });
    if (this.#addresses.size > GATEWAYS.addressesTracked) {
      const [oldest] = this.#addresses.keys();
      if (oldest !== undefined) this.#addresses.delete(oldest);
    }
    return answers >= 1;
  }
}

/** What is counted: an IPv4 address, or the /64 of an IPv6 one, which is what one host is given. */
function sourceOf(address: string): string {
  const bytes = addressToBytes(address);
  if (bytes === undefined) return address;
  return Buffer.from(bytes.length === 4 ? bytes : bytes.subarray(0, 8)).toString("latin1");
}
