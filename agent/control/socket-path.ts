import { join } from "node:path";
import { CONFIGURATION, TetherError } from "../../protocol/index.ts";

/**
 * The path of the agent's own socket in its state folder.
 *
 * @throws TetherError `invalid` when the path is longer than a Unix socket's may be (unix(7))
 */
export function controlSocketPath(stateFolder: string): string {
  const path = join(stateFolder, "control.sock");
  const bytes = Buffer.byteLength(path);
  if (bytes <= CONFIGURATION.socketPathBytes) return path;
  throw new TetherError(
    "invalid",
    `${path}: the path of a Unix socket has at most ${CONFIGURATION.socketPathBytes} bytes, this one ${bytes}`,
    { hint: "choose a shorter state folder with --state" },
  );
}
