import { lstatSync, readdirSync } from "node:fs";
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";
import { openPrivateFolder, readPrivateFile, refuseOthers, writePrivateFile } from "../../transfer/index.ts";

/**
 * Where the agent keeps its state unless told: `$STATE_DIRECTORY`, else `$XDG_STATE_HOME/tether`, else
 * `~/.local/state/tether`.
 */
export function defaultStatePath(env: NodeJS.ProcessEnv = process.env): string {
  // systemd.exec(5): several folders are separated by colons; the unit's first one is the agent's.
  const fromSystemd = env.STATE_DIRECTORY?.split(":", 1)[0];
  if (fromSystemd) return fromSystemd;
  const base = env.XDG_STATE_HOME;
  // XDG Base Directory Specification: a relative path is to be ignored.
  return join(base && isAbsolute(base) ? base : join(homedir(), ".local", "state"), "tether");
}

/** The agent's state folder, which is its user's alone. */
export class StateFolder {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /**
   * Makes the folder where it is missing, and checks it and every file directly in it.
   *
   * @throws TetherError `invalid` with the command to type as hint when others can use any of them, or what
   * the system says
   */
  static open(path: string): StateFolder {
    openPrivateFolder(path);
    for (const name of readdirSync(path)) {
      const entry = join(path, name);
      const facts = lstatSync(entry, { throwIfNoEntry: false });
      if (facts?.isFile()) refuseOthers(entry, facts, "0600");
    }
    return new StateFolder(path);
  }

  /** The path of something in the folder. */
  pathOf(name: string): string {
    return join(this.path, name);
  }

  /** The text of a file, undefined where there is none; throws as `readPrivateFile`. */
  read(name: string): string | undefined {
    return readPrivateFile(this.pathOf(name));
  }

  /** Puts a text in place of a file, whole and synced; throws as `writePrivateFile`. */
  async write(name: string, text: string): Promise<void> {
    await writePrivateFile(this.pathOf(name), text);
  }
}
