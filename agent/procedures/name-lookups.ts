import { lookup, lookupService } from "node:dns/promises";
import { hostname } from "node:os";
import { PROCEDURES, TetherError } from "../../protocol/index.ts";

/**
 * Names and addresses as this machine's resolver knows them: hosts file, DNS and whatever it is set up for.
 *
 * A look-up cannot be broken off and holds a thread that files need too, so few run at once; one that nobody
 * waits for any more keeps its place until it ends.
 */
export class NameLookups {
  private running = 0;
  private readonly waiting: (() => void)[] = [];

  /** Every address of a host name, in the resolver's order, none twice. Throws `not-found`, `busy` or `timeout`. */
  addressesOf(name: string, signal: AbortSignal): Promise<string[]> {
    return this.bounded(name, signal, async () => {
      const found = await lookup(name, { all: true });
      return [...new Set(found.map(({ address }) => address))];
    });
  }

  /** The host name of an IP address. Throws as {@link NameLookups.addressesOf}. */
  nameOf(address: string, signal: AbortSignal): Promise<string> {
    return this.bounded(address, signal, async () => (await lookupService(address, 0)).hostname);
  }

  /** This machine's full name; the short one where the resolver knows no longer one or is not there. */
  async ownName(signal: AbortSignal): Promise<string> {
    const short = hostname();
    if (short.includes(".")) return short;
    try {
      for (const address of await this.addressesOf(short, signal)) {
        const name = await this.nameOf(address, signal);
        if (name.startsWith(`${short}.`)) return name;
      }
    } catch (error) {
      const isUnknown =
        error instanceof TetherError && (error.code === "not-found" || error.code === "unreachable");
      if (!isUnknown) throw error;
    }
    return short;
  }

  private async bounded<T>(what: string, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    if (this.waiting.length >= PROCEDURES.queuedLookups) {
      throw new TetherError("busy", `${PROCEDURES.queuedLookups} name look-ups are waiting already`);
    }
    const timeout = AbortSignal.timeout(PROCEDURES.lookupTimeout);
    const ended = AbortSignal.any([signal, timeout]);
    const result = this.inTurn(ended, work);
    // Nobody may be left to hear of it.
    result.catch(() => undefined);
    try {
      return await Promise.race([result, rejection(ended)]);
    } catch (error) {
      throw this.explained(what, error, signal, timeout);
    }
  }

  private async inTurn<T>(ended: AbortSignal, work: () => Promise<T>): Promise<T> {
    if (this.running >= PROCEDURES.lookups) await this.turn(ended);
    else this.running++;
    try {
      ended.throwIfAborted();
      return await work();
    } finally {
      // The place goes to the next in line without being free in between.
      const next = this.waiting.shift();
      if (next !== undefined) next();
      else this.running--;
    }
  }

  private turn(ended: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const start = () => {
        ended.removeEventListener("abort", leave);
        resolve();
      };
      const leave = () => {
        this.waiting.splice(this.waiting.indexOf(start), 1);
        reject(ended.reason);
      };
      if (ended.aborted) return reject(ended.reason);
      ended.addEventListener("abort", leave, { once: true });
      this.waiting.push(start);
    });
  }

  private explained(what: string, error: unknown, signal: AbortSignal, timeout: AbortSignal): unknown {
    if (signal.aborted) return signal.reason;
    if (timeout.aborted) {
      return new TetherError("timeout", `no answer about ${what} within ${PROCEDURES.lookupTimeout} ms`);
    }
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "ENOTFOUND" || code === "ENODATA") {
      return new TetherError("not-found", `the resolver does not know ${what}`, { cause: error });
    }
    if (code === "EAI_AGAIN") {
      return new TetherError("unreachable", `the name server does not answer, asked for ${what}`, {
        hint: "check /etc/resolv.conf and the network",
        cause: error,
      });
    }
    return error;
  }
}

function rejection(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    else signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}
