import { asTetherError, TetherError } from "../protocol/index.ts";
import { shown } from "./names.ts";
import { systemCode } from "./private-files.ts";

/**
 * What went wrong with a file or folder that people know as `path`, as one line without the paths that only
 * this program knows.
 *
 * @param verb what could not be done, as "read"
 */
export function entryError(verb: string, path: string, thrown: unknown): TetherError {
  if (thrown instanceof TetherError) {
    const { code, message, hint } = thrown;
    return message.includes(path)
      ? thrown
      : new TetherError(code, `${quotedPath(path)}: ${message}`, { hint, cause: thrown });
  }
  const system = systemCode(thrown);
  const facts = REASONS[system ?? ""];
  const { code } = asTetherError(thrown);
  const reason = facts?.reason ?? system ?? "it failed in a way that is not foreseen";
  return new TetherError(facts?.code ?? code, `cannot ${verb} ${quotedPath(path)}: ${reason}`, {
    hint: code === "quota" ? "make room there, then try again" : undefined,
    cause: thrown,
  });
}

const REASONS: { readonly [code: string]: { readonly code?: TetherError["code"]; readonly reason: string } } =
  {
    ENOENT: { reason: "there is no such file or folder" },
    ENOTDIR: { reason: "a part of the path is not a folder" },
    EEXIST: { reason: "it is there already" },
    ENOTEMPTY: { reason: "the folder is not empty" },
    EISDIR: { code: "exists", reason: "a folder of that name is there" },
    ELOOP: { code: "forbidden", reason: "a part of the path is a symbolic link" },
    EACCES: { reason: "permission denied" },
    EPERM: { reason: "the system does not permit it" },
    EROFS: { reason: "the file system is read-only" },
    ENOSPC: { reason: "the disk is full" },
    EDQUOT: { reason: "the user's disk quota is used up" },
    ENAMETOOLONG: { reason: "the name is too long for the file system" },
    EINVAL: { code: "invalid", reason: "the file system cannot do that" },
    EXDEV: { code: "invalid", reason: "it would have to move to another file system" },
    EFBIG: { code: "limit", reason: "the file is too large for the file system" },
    EMFILE: { code: "busy", reason: "too many files are open" },
    ENFILE: { code: "busy", reason: "too many files are open on the machine" },
    ENXIO: { code: "invalid", reason: "it is neither a file nor a folder" },
  };

function quotedPath(path: string): string {
  return /^[^\s"\p{C}]+$/u.test(path) && path.length <= 200 ? path : shown(path);
}
