import { TetherError } from "../../protocol/index.ts";
import { type FolderLock, tryLockFolder } from "../../transfer/index.ts";
import type { StateFolder } from "./state-folder.ts";

/**
 * Takes the state folder for this agent, until it is released or the process ends in whatever way.
 *
 * @throws TetherError `busy`, naming the process, while another agent has it
 */
export function lockState(folder: StateFolder): FolderLock {
  const outcome = tryLockFolder(folder.path);
  if (outcome.taken) return outcome.lock;
  const { pid } = outcome.holder;
  throw new TetherError("busy", `another agent (process ${pid}) runs on the state folder ${folder.path}`, {
    hint: "stop that one first, or give this one another folder by --state",
  });
}
