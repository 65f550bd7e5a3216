import { stat } from "node:fs/promises";
import { homedir } from "node:os";
import { isAbsolute, join, resolve } from "node:path";
import { TetherError } from "../../protocol/index.ts";

/** Where the configuration is when no option says so. */
const STANDARD_CONFIGURATION_FILE = "/etc/tether/agent.yaml";

/**
 * The configuration file to read: the option's, else the standard one where it exists, else undefined for the
 * defaults. A standard file that cannot be looked at counts as existing, so that reading it says why.
 */
export async function configurationFile(
  option: string | undefined,
  standard: string = STANDARD_CONFIGURATION_FILE,
): Promise<string | undefined> {
  if (option !== undefined) {
    if (option === "") throw new TetherError("usage", "--config is empty, allowed: a file");
    return resolve(option);
  }
  try {
    await stat(standard);
    return standard;
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException;
    return code === "ENOENT" || code === "ENOTDIR" ? undefined : standard;
  }
}

/**
 * The state folder: the option's, else the first of `$STATE_DIRECTORY` (systemd.exec(5)), else
 * `$XDG_STATE_HOME/tether`, else `~/.local/state/tether`.
 */
export function stateFolder(
  option: string | undefined,
  environment: { readonly [name: string]: string | undefined } = process.env,
  home: string = homedir(),
): string {
  if (option !== undefined) {
    if (option === "") throw new TetherError("usage", "--state is empty, allowed: a folder");
    return resolve(option);
  }
  const first = (environment.STATE_DIRECTORY ?? "").split(":").find((folder) => folder !== "");
  if (first !== undefined) return resolve(first);
  const base = environment.XDG_STATE_HOME ?? "";
  // A relative path there is invalid and has to be ignored (XDG Base Directory Specification).
  return join(isAbsolute(base) ? base : join(home, ".local", "state"), "tether");
}
