import { homedir } from "node:os";
import { isAbsolute, join, resolve } from "node:path";
import { type Identity, identityFromBundle, newIdentityBundle } from "../protocol/index.ts";
import { openPrivateFolder, readPrivateFile, withFolderLock, writePrivateFile } from "../transfer/index.ts";

const KEY_FILE = "key.pem";

/** The controller's own folder: `$TETHER_HOME`, else `$XDG_CONFIG_HOME/tether`, else `~/.config/tether`. */
export function controllerFolder(env: NodeJS.ProcessEnv = process.env): string {
  const chosen = env.TETHER_HOME;
  if (chosen) return resolve(chosen);
  const base = env.XDG_CONFIG_HOME;
  // XDG Base Directory Specification: a relative path is to be ignored.
  return join(base && isAbsolute(base) ? base : join(homedir(), ".config"), "tether");
}

/**
 * The controller's identity, from `key.pem` in its folder, which holds the key and its certificate; the first
 * use makes folder and key, once also when two start at the same time.
 *
 * @throws TetherError `invalid` for a folder that others can write in and a file that they can use (with the
 * command to type as hint), and for a file that holds no Ed25519 key; it is never replaced
 */
export async function openControllerIdentity(folder: string): Promise<Identity> {
  const path = join(folder, KEY_FILE);
  openPrivateFolder(folder, "0755");
  const bundle = readPrivateFile(path) ?? (await withFolderLock(folder, () => makeKey(path)));
  return identityFromBundle(bundle, "controller", path);
}

async function makeKey(path: string): Promise<string> {
  const madeMeanwhile = readPrivateFile(path);
  if (madeMeanwhile !== undefined) return madeMeanwhile;
  const bundle = newIdentityBundle("controller");
  await writePrivateFile(path, bundle);
  return bundle;
}
