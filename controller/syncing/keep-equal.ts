import { statSync } from "node:fs";
import { setTimeout as wait } from "node:timers/promises";
import { asTetherError, TetherError } from "../../protocol/index.ts";
import { entryError, exclusions, Progress } from "../../transfer/index.ts";
import type { Client } from "../client.ts";
import { FolderWatch } from "./folder-watch.ts";
import { type SyncOptions, type SyncOutcome, syncToAgent } from "./sync.ts";

/** Milliseconds between two tries to reach an agent again: the first, and the longest. */
const PAUSE = 250;
const LONGEST_PAUSE = 4_000;
/** Milliseconds after which what could not be sent is tried again. */
const AGAIN = 1_000;

/** What is to be kept equal. */
export interface KeepOptions extends Omit<SyncOptions, "progress" | "onPlan"> {
  readonly connect: () => Promise<Client>;
}

/** Who is told how it goes. */
export interface KeepSink {
  /** A sync is done; the first one, and each that follows a change. */
  onSynced(outcome: SyncOutcome): void;
  /** The connection is lost, and is made again. */
  onLost(reason: TetherError): void;
}

/**
 * Keeps a folder on an agent equal to one here, until `signal` aborts: syncs, then again after each change. A lost
 * connection is made again for as long as it takes.
 *
 * @throws TetherError what stands in the way of the first sync, or of all; the signal's reason
 */
export async function keepEqual(options: KeepOptions, sink: KeepSink): Promise<never> {
  const { source, exclude, signal } = options;
  if (!isFolder(source)) {
    throw new TetherError("usage", `${source} is not a folder: --watch keeps a folder equal`);
  }
  const watch = new FolderWatch(source, exclusions(exclude));
  let client = await options.connect();
  try {
    for (;;) {
      try {
        await follow(client, watch, options, sink);
      } catch (thrown) {
        const error = asTetherError(thrown);
        if (error.code !== "unreachable" || signal.aborted) throw thrown;
        client.close();
        sink.onLost(error);
        client = await connectAgain(options);
      }
    }
  } finally {
    watch.stop();
    client.close();
  }
}

/** Syncs after each change, until something stands in the way. */
async function follow(
  client: Client,
  watch: FolderWatch,
  options: KeepOptions,
  sink: KeepSink,
): Promise<never> {
  const lost = new AbortController();
  void client.closed.then((reason) => {
    lost.abort(reason ?? new TetherError("unreachable", "the connection was closed"));
  });
  const signal = AbortSignal.any([options.signal, lost.signal]);
  for (;;) {
    watch.refresh();
    const outcome = await syncToAgent(client, {
      ...options,
      progress: new Progress(),
      onPlan: () => undefined,
    });
    sink.onSynced(outcome);
    const isToRepeat = outcome.failures.some(({ code }) => code === "integrity" || code === "busy");
    const until = isToRepeat ? AbortSignal.any([signal, AbortSignal.timeout(AGAIN)]) : signal;
    await watch.changed(until).catch(() => signal.throwIfAborted());
  }
}

async function connectAgain({ connect, signal }: KeepOptions): Promise<Client> {
  for (let pause = PAUSE; ; pause = Math.min(LONGEST_PAUSE, pause * 2)) {
    await wait(pause, undefined, { signal }).catch(() => signal.throwIfAborted());
    try {
      return await connect();
    } catch (thrown) {
      const { code } = asTetherError(thrown);
      if ((code !== "unreachable" && code !== "timeout") || signal.aborted) throw thrown;
    }
  }
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch (error) {
    throw entryError("read", path, error);
  }
}
