import { randomBytes } from "node:crypto";
import {
  closeSync,
  fstatSync,
  mkdirSync,
  openSync,
  // A getter, unlike node:fs/promises: who only reads does not pay for loading it.
  promises,
  readFileSync,
  type Stats,
  statSync,
} from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { asTetherError, STATE, TetherError } from "../protocol/index.ts";

/** Bits of a mode that are about group and others. */
const FOR_OTHERS = 0o077;

/** The most that a private file or folder may allow. With 0755 others may look, as into ~/.ssh. */
export type PrivateMode = "0600" | "0700" | "0755";

/** Ending of what an interrupted write leaves behind. */
const TEMPORARY = ".tmp";

/**
 * Makes sure that a folder is there and is this user's alone: makes it with mode 0700 (and its missing
 * parents), refuses one that gives group or others more than `allowed` or that belongs to somebody else.
 * Windows has no such modes, so there only its being a folder counts.
 *
 * @throws TetherError `invalid` with the command to type as hint, or what the system says
 */
export function openPrivateFolder(path: string, allowed: "0700" | "0755"): void {
  const facts = attempt("make", path, () => {
    mkdirSync(path, { recursive: true, mode: 0o700 });
    return statSync(path);
  });
  if (!facts.isDirectory()) throw new TetherError("invalid", `${path} is not a folder`);
  refuseOthers(path, facts, allowed);
}

/** Refuses a file or folder that gives anybody but this user (and root) more; see {@link openPrivateFolder}. */
export function refuseOthers(path: string, facts: Stats, allowed: PrivateMode): void {
  const user = process.geteuid?.();
  if (user === undefined) return;
  if (facts.uid !== user) {
    throw new TetherError("invalid", `${path} belongs to user ${facts.uid}, and this runs as user ${user}`, {
      hint: `run as user ${facts.uid}, or type: chown ${user} ${quoted(path)}`,
    });
  }
  if ((facts.mode & FOR_OTHERS & ~Number.parseInt(allowed, 8)) !== 0) {
    const mode = (facts.mode & 0o7777).toString(8).padStart(4, "0");
    const may = allowed === "0755" ? "write in" : "use";
    throw new TetherError("invalid", `${path} has mode ${mode}: others than its owner can ${may} it`, {
      hint: `type: chmod ${allowed === "0600" ? allowed : "0700"} ${quoted(path)}`,
    });
  }
}

/**
 * The text of a private file, or undefined where there is none.
 *
 * @throws TetherError `invalid` when others can use it or it is larger than `STATE.fileBytes`, or what the
 * system says
 */
export function readPrivateFile(path: string): string | undefined {
  return attempt("read", path, () => {
    const descriptor = openIfThere(path);
    if (descriptor === undefined) return undefined;
    try {
      const facts = fstatSync(descriptor);
      if (!facts.isFile()) throw new TetherError("invalid", `${path} is not a file`);
      refuseOthers(path, facts, "0600");
      if (facts.size > STATE.fileBytes) {
        throw new TetherError(
          "invalid",
          `${path} has ${facts.size} bytes; at most ${STATE.fileBytes} are read`,
        );
      }
      return readFileSync(descriptor, "utf8");
    } finally {
      closeSync(descriptor);
    }
  });
}

function openIfThere(path: string): number | undefined {
  try {
    return openSync(path, "r");
  } catch (error) {
    if (systemCode(error) === "ENOENT") return undefined;
    throw error;
  }
}

/**
 * Puts a text in place of a private file, mode 0600: whoever reads it, also after a power cut, finds the old
 * text or the new one whole. Done when it is on the disk. Two writers of one file have to take turns, or the
 * later change is made without knowing of the earlier.
 *
 * @throws TetherError one clear line for a full or read-only disk, and what the system says otherwise
 */
export async function writePrivateFile(path: string, text: string): Promise<void> {
  const temporary = temporaryBeside(path);
  try {
    await writeSynced(temporary, text);
    await promises.rename(temporary, path);
    await syncFolder(dirname(path));
  } catch (error) {
    await promises.unlink(temporary).catch(() => undefined);
    throw fileError("write", path, error);
  }
}

async function writeSynced(path: string, text: string): Promise<void> {
  const file = await promises.open(path, "wx", 0o600);
  await finish(file, async () => {
    await file.writeFile(text);
    await file.sync();
  });
}

/** A rename is on the disk when its folder is; Windows cannot open a folder to say so. */
async function syncFolder(path: string): Promise<void> {
  if (process.platform === "win32") return;
  const folder = await promises.open(path, "r");
  await finish(folder, () => folder.sync());
}

async function finish(file: FileHandle, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } finally {
    await file.close();
  }
}

/** A name for a temporary file beside `path`, which {@link isTemporary} knows again. */
export function temporaryBeside(path: string): string {
  return join(dirname(path), `.${basename(path)}.${randomBytes(6).toString("hex")}${TEMPORARY}`);
}

/** True for the name of a temporary file, which an interrupted write may have left behind. */
export function isTemporary(name: string): boolean {
  return name.startsWith(".") && name.endsWith(TEMPORARY);
}

/** Runs a piece of file work; what fails in it comes out as {@link fileError}. */
export function attempt<T>(verb: string, path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw fileError(verb, path, error);
  }
}

/** A file error as one line that says what could not be done, to which path, and why. */
export function fileError(verb: string, path: string, error: unknown): TetherError {
  if (error instanceof TetherError) return error;
  const { code, message } = asTetherError(error);
  return new TetherError(code, `cannot ${verb} ${path}: ${reason(systemCode(error)) ?? message}`, {
    hint: code === "quota" ? "make room there, then try again" : undefined,
    cause: error,
  });
}

function reason(code: string | undefined): string | undefined {
  switch (code) {
    case "ENOSPC":
      return "the disk is full";
    case "EDQUOT":
      return "the user's disk quota is used up";
    case "EROFS":
      return "the file system is read-only";
    case "EACCES":
    case "EPERM":
      return "permission denied";
    case "ENOTDIR":
    case "EEXIST":
      return "a part of the path is not a folder";
    default:
      return undefined;
  }
}

/** The system's code of an error, `ENOENT` for example. */
export function systemCode(error: unknown): string | undefined {
  return error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
}

/** A path as a shell takes it. */
function quoted(path: string): string {
  return /^[\w@%+=:,./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
}
