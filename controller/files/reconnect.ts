import { setTimeout as wait } from "node:timers/promises";
import { asTetherError, TetherError } from "../../protocol/index.ts";
import type { Progress } from "../../transfer/index.ts";
import type { Client } from "../client.ts";

/** Milliseconds for which a lost connection is tried again. */
const PATIENCE = 15_000;
/** Milliseconds between two tries. */
const PAUSE = 250;

/** A transfer that outlives its connection. */
export interface Attempts {
  readonly connect: () => Promise<Client>;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/**
 * Runs a transfer. When the connection is lost it connects again, for 15 s each time that it had come further
 * than before, and runs it anew. `seconds` of what it gives are those since the first connection stood.
 *
 * @throws TetherError `unreachable` when the agent does not come back, and what the transfer throws
 */
export async function withReconnect<T extends { readonly seconds: number }>(
  { connect, progress, signal }: Attempts,
  transfer: (client: Client) => Promise<T>,
): Promise<T> {
  let start: number | undefined;
  let furthest = -1;
  let deadline = Number.POSITIVE_INFINITY;
  for (;;) {
    const client =
      deadline === Number.POSITIVE_INFINITY ? await connect() : await again(connect, deadline, signal);
    start ??= performance.now();
    try {
      const outcome = await transfer(client);
      return { ...outcome, seconds: (performance.now() - start) / 1000 };
    } catch (thrown) {
      if (asTetherError(thrown).code !== "unreachable" || signal.aborted) throw thrown;
      const now = performance.now();
      if (progress.bytes > furthest) deadline = now + PATIENCE;
      else if (now > deadline) throw thrown;
      furthest = Math.max(furthest, progress.bytes);
      progress.restart();
    } finally {
      client.close();
    }
  }
}

async function again(connect: () => Promise<Client>, deadline: number, signal: AbortSignal): Promise<Client> {
  for (;;) {
    try {
      return await connect();
    } catch (thrown) {
      const { code, message } = asTetherError(thrown);
      if ((code !== "unreachable" && code !== "timeout") || signal.aborted) throw thrown;
      if (performance.now() + PAUSE > deadline) {
        throw new TetherError("unreachable", `the connection was lost, and for 15 s: ${message}`, {
          hint: "when the agent is back, run the same command again",
        });
      }
      await wait(PAUSE, undefined, { signal }).catch(() => signal.throwIfAborted());
    }
  }
}
