/**
 * One of the processes that race for a folder's lock. On a message `{folder, at}` it waits until the machine's
 * clock shows `at` and tries; it answers whether it won. On `"release"` it gives back.
 */
import type { FolderLock } from "../../transfer/index.ts";
import { tryLockFolder } from "../../transfer/index.ts";

let lock: FolderLock | undefined;

process.on("message", (message: { folder: string; at: string } | "release") => {
  if (message === "release") {
    lock?.release();
    lock = undefined;
    process.send?.("released");
    return;
  }
  while (process.hrtime.bigint() < BigInt(message.at));
  const outcome = tryLockFolder(message.folder);
  if (outcome.taken) lock = outcome.lock;
  process.send?.({ taken: outcome.taken, holder: outcome.taken ? process.pid : outcome.holder.pid });
});
process.send?.("ready");
