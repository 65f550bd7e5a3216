import { fsync, fsyncSync } from "node:fs";

/** Milliseconds a file, on threads, below which it is tried here: most of it may be waiting for a thread. */
const WORTH_A_TRY = 0.2;
/** Milliseconds of one sync after which it is left to threads again. */
const QUICK = 0.05;

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
      if (performance.now() - start > QUICK) this.#isQuick = false;
    }
    if (done < descriptors.length) {
      const start = performance.now();
      await syncOnThreads(descriptors, done, failed);
      this.#isQuick = (performance.now() - start) / (descriptors.length - done) < WORTH_A_TRY;
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
