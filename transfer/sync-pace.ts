import { fsync, fsyncSync } from "node:fs";

/** Milliseconds of one sync that the event loop can do without. */
const QUICK = 0.03;
const SLOW = 0.5;

/**
 * Brings files to the disk, many at once.
 *
 * Where that takes a moment it is left to threads. Where it has been seen to take next to nothing (memory, a
 * disk with a cache that survives a power cut), asking a thread would cost more than the work, and it is done here.
 */
export class SyncPace {
  #isQuick = false;

  /** Syncs the files; gives what the system said of those where that failed, by their place in the list. */
  async sync(descriptors: readonly number[]): Promise<ReadonlyMap<number, unknown>> {
    const failed = new Map<number, unknown>();
    let done = 0;
    while (this.#isQuick && done < descriptors.length) {
      const start = performance.now();
      try {
        fsyncSync(descriptors[done] as number);
      } catch (error) {
        failed.set(done, error);
      }
      done++;
      if (performance.now() - start > SLOW) this.#isQuick = false;
    }
    if (done < descriptors.length) {
      const start = performance.now();
      await syncOnThreads(descriptors, done, failed);
      this.#isQuick = (performance.now() - start) / (descriptors.length - done) < QUICK;
    }
    return failed;
  }
}

function syncOnThreads(
  descriptors: readonly number[],
  from: number,
  failed: Map<number, unknown>,
): Promise<void> {
  return new Promise((resolve) => {
    let left = descriptors.length - from;
    // Without a promise each, which would take longer than the rest of a small file.
    for (let index = from; index < descriptors.length; index++) {
      fsync(descriptors[index] as number, (error) => {
        if (error !== null) failed.set(index, error);
        if (--left === 0) resolve();
      });
    }
  });
}
