import { type Identity, identityFromPem, newPrivateKeyPem } from "../../protocol/index.ts";
import type { StateFolder } from "./state-folder.ts";

const KEY_FILE = "key.pem";

/**
 * The agent's identity, from `key.pem` in its state folder; a first start makes the key. To be called with the
 * folder's lock held.
 *
 * @throws TetherError `invalid` for a file that holds no Ed25519 key; it is never replaced
 */
export async function loadAgentIdentity(
  folder: StateFolder,
): Promise<{ readonly identity: Identity; readonly made: boolean }> {
  const stored = folder.read(KEY_FILE);
  const keyPem = stored ?? newPrivateKeyPem();
  const identity = identityFromPem(keyPem, "agent", folder.pathOf(KEY_FILE));
  if (stored === undefined) await folder.write(KEY_FILE, keyPem);
  return { identity, made: stored === undefined };
}
