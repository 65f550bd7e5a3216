import { lstatSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { openPrivateFolder, readPrivateFile, refuseOthers, writePrivateFile } from "../../transfer/index.ts";

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
    openPrivateFolder(path, "0700");
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
