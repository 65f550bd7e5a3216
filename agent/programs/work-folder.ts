import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { extname, join } from "node:path";
import { TetherError } from "../../protocol/index.ts";
import { checkName } from "../../transfer/index.ts";

/** What runs a script that does not say so itself, by its ending. */
const INTERPRETERS: { readonly [ending: string]: readonly string[] } = {
  ".py": ["python3"],
  ".sh": ["sh"],
  ".js": [process.execPath],
  ".mjs": [process.execPath],
};

/** A script in a fresh folder that is its own. */
export interface PlacedScript {
  readonly folder: string;
  /** What runs it, without its arguments. */
  readonly command: readonly string[];
}

/** The folders in which scripts run. */
export class WorkFolders {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  /** Removes what scripts left that a killed agent could not clean up after. */
  start(): void {
    rmSync(this.path, { recursive: true, force: true });
    mkdirSync(this.path, { mode: 0o700 });
  }

  /**
   * Makes a folder, mode 0700, with the script in it.
   *
   * @throws TetherError `invalid` for a name that is none, or a script of which nothing says what runs it
   */
  place(name: string, content: Buffer): PlacedScript {
    checkName(name, "linux");
    const ending = INTERPRETERS[extname(name)];
    const named = content.subarray(0, 2).toString("latin1") === "#!";
    if (!named && ending === undefined) {
      throw new TetherError("invalid", `nothing says what runs ${name}`, {
        hint: `give it a #! line, or one of the endings ${Object.keys(INTERPRETERS).join(" ")}`,
      });
    }
    const folder = mkdtempSync(join(this.path, "run-"));
    const file = join(folder, name);
    writeFileSync(file, content, { mode: 0o700 });
    return { folder, command: named ? [file] : [...(ending ?? []), file] };
  }

  /** Works with a file of its own, in a folder, mode 0700, that is removed afterwards; `work` gets its path. */
  async within<T>(name: string, content: Uint8Array, work: (file: string) => Promise<T>): Promise<T> {
    const folder = await mkdtemp(join(this.path, "file-"));
    try {
      const file = join(folder, name);
      await writeFile(file, content, { mode: 0o600 });
      return await work(file);
    } finally {
      await this.remove(folder);
    }
  }

  /** Removes a folder that {@link place} made, with all that is in it. */
  async remove(folder: string): Promise<void> {
    await rm(folder, { recursive: true, force: true, maxRetries: 3 });
  }
}
