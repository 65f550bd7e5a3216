import type { Stats } from "node:fs";
import { access, constants, opendir, realpath, stat } from "node:fs/promises";
import { basename, dirname, join, resolve, sep } from "node:path";
import { CONFIGURATION } from "../../protocol/index.ts";
import type { ConfiguredPath, ConfiguredPaths } from "./check.ts";
import { inOrder, type Mistake } from "./mistake.ts";

/** Write permission of the group and of everybody (inode(7)). */
const OTHERS_WRITE = 0o022;
/** What a secret must not have: any permission of everybody, write permission of the group. */
const OTHERS_USE = 0o027;

/**
 * Checks where the paths of a configuration lie and who may write there: nothing that files.root serves may
 * be a secret or code, no procedure may be writable and no password readable by others. What is not there is
 * no mistake here, but for a recording.
 *
 * @param configurationFile undefined where there is none.
 */
export async function checkPlacement(
  paths: ConfiguredPaths,
  own: { readonly configurationFile: string | undefined; readonly stateFolder: string },
): Promise<Mistake[]> {
  const { root, procedures, secrets, recordings } = paths;
  const mistakes: Mistake[] = [];
  const note = ({ line, column, key }: ConfiguredPath, says: string): void => {
    mistakes.push({ line, column, message: `${key} ${says}` });
  };

  const rootPlaces = await placesOf(root.path);
  const served = async (path: string): Promise<boolean> => within(await placesOf(path), rootPlaces);
  for (const each of [procedures, ...secrets]) {
    if (await served(each.path))
      note(each, `is ${each.path}, inside files.root, allowed: a path outside of it`);
  }
  if (own.configurationFile !== undefined && (await served(own.configurationFile))) {
    note(root, `holds the configuration file, allowed: a folder without ${own.configurationFile}`);
  }
  await checkState(root, rootPlaces, own.stateFolder, note);

  await checkProcedures(procedures, note);
  for (const secret of secrets) {
    const facts = await factsOf(secret, note);
    if (facts === undefined) continue;
    if (!facts.isFile()) note(secret, `is ${secret.path}, no file, allowed: a file`);
    else if ((facts.mode & OTHERS_USE) !== 0) {
      const mode = permissions(facts);
      note(
        secret,
        `is ${secret.path}, which others may use (mode ${mode}), allowed: mode 0600, 0640 or less`,
      );
    }
  }
  for (const recording of recordings) await checkRecording(recording, note);
  return inOrder(mistakes);
}

type Note = (path: ConfiguredPath, says: string) => void;

async function checkRecording(recording: ConfiguredPath, note: Note): Promise<void> {
  const { path } = recording;
  try {
    if (!(await stat(path)).isFile()) {
      note(recording, `is ${path}, no file, allowed: a recording`);
      return;
    }
    await access(path, constants.R_OK);
  } catch (thrown) {
    const isAbsent = (thrown as NodeJS.ErrnoException).code === "ENOENT";
    const why = isAbsent ? "which is not there" : `which cannot be read: ${(thrown as Error).message}`;
    note(recording, `is ${path}, ${why}, allowed: a recording`);
  }
}

async function checkState(
  root: ConfiguredPath,
  rootPlaces: readonly string[],
  stateFolder: string,
  note: Note,
): Promise<void> {
  const statePlaces = await placesOf(stateFolder);
  if (within(statePlaces, rootPlaces)) {
    note(
      root,
      `holds the state folder ${stateFolder}, allowed: ${join(stateFolder, "files")} or a folder outside`,
    );
    return;
  }
  // The default is a folder of its own beside the keys; any other one in there would serve them.
  const ownPlaces = await placesOf(join(stateFolder, "files"));
  if (within(rootPlaces, statePlaces) && !rootPlaces.every((place) => ownPlaces.includes(place))) {
    note(root, `is in the state folder, allowed: ${join(stateFolder, "files")} or a folder outside`);
  }
}

/** Checks the folder of procedures and all that is in it. */
async function checkProcedures(procedures: ConfiguredPath, note: Note): Promise<void> {
  const folders = [procedures.path];
  const bound = CONFIGURATION.procedureEntries;
  let entries = 0;
  for (let path = folders.pop(); path !== undefined; path = folders.pop()) {
    if (!(await checkProcedure(procedures, path, note))) continue;
    try {
      for await (const entry of await opendir(path)) {
        entries += 1;
        if (entries > bound) {
          note(
            procedures,
            `is ${procedures.path}, which holds more than can be checked, allowed: ${bound} entries`,
          );
          return;
        }
        const inside = join(path, entry.name);
        // What a link points at is code too; a linked folder is looked at, not walked: it may be a circle.
        if (entry.isDirectory()) folders.push(inside);
        else if (entry.isFile() || entry.isSymbolicLink()) await checkProcedure(procedures, inside, note);
      }
    } catch (thrown) {
      note(procedures, `has ${path}, which cannot be read: ${(thrown as Error).message}`);
    }
  }
}

/** True for a folder. */
async function checkProcedure(procedures: ConfiguredPath, path: string, note: Note): Promise<boolean> {
  const facts = await factsOf({ ...procedures, path }, note);
  if (facts === undefined) return false;
  if ((facts.mode & OTHERS_WRITE) !== 0) {
    const which = path === procedures.path ? `is ${path}` : `has ${path}`;
    note(
      procedures,
      `${which}, which others can write (mode ${permissions(facts)}), allowed: 0755, 0644 or less`,
    );
  }
  return facts.isDirectory();
}

async function factsOf(path: ConfiguredPath, note: Note): Promise<Stats | undefined> {
  try {
    return await stat(path.path);
  } catch (thrown) {
    const { code, message } = thrown as NodeJS.ErrnoException;
    if (code !== "ENOENT" && code !== "ENOTDIR")
      note(path, `is ${path.path}, which cannot be looked at: ${message}`);
    return undefined;
  }
}

function permissions(facts: Stats): string {
  return `0${(facts.mode & 0o777).toString(8).padStart(3, "0")}`;
}

/** Where a path lies as written and where it really lies: whoever may change a link may change what it means. */
async function placesOf(path: string): Promise<readonly string[]> {
  const written = resolve(path);
  return [...new Set([written, await realPlace(written)])];
}

/** The path without links; of what is not there yet, its nearest folder's. */
async function realPlace(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch {
    const parent = dirname(path);
    return parent === path ? path : join(await realPlace(parent), basename(path));
  }
}

/** True when one of `inner` is one of `outer` or below it. */
function within(inner: readonly string[], outer: readonly string[]): boolean {
  return outer.some((folder) => {
    const prefix = folder.endsWith(sep) ? folder : `${folder}${sep}`;
    return inner.some((path) => path === folder || path.startsWith(prefix));
  });
}
