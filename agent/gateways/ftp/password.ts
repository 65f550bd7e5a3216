import { createHash, timingSafeEqual } from "node:crypto";
import { open } from "node:fs/promises";
import { FTP, TetherError } from "../../../protocol/index.ts";

/** Who may log in. */
export interface Login {
  readonly user: string;
  readonly passwordFile: string;
}

/**
 * True when these are the user and the password of the file, which is read each time so that a new password
 * holds at once; white space around it does not count. Takes equally long for every guess.
 *
 * @throws TetherError `invalid` for a file without a password, and what the system says of one that it does not read
 */
export async function isLogin(login: Login, user: string, password: string): Promise<boolean> {
  const right = await readPassword(login.passwordFile);
  const sameUser = timingSafeEqual(hashOf(user), hashOf(login.user));
  const samePassword = timingSafeEqual(hashOf(password), hashOf(right));
  return sameUser && samePassword;
}

async function readPassword(path: string): Promise<string> {
  const file = await open(path);
  try {
    const { size } = await file.stat();
    if (size > FTP.passwordFile) {
      throw new TetherError("invalid", `${path} has more than ${FTP.passwordFile} bytes`);
    }
    const password = (await file.readFile("utf8")).trim();
    if (password === "") throw new TetherError("invalid", `${path} holds no password`);
    return password;
  } finally {
    await file.close();
  }
}

function hashOf(text: string): Buffer {
  return createHash("sha256").update(text, "utf8").digest();
}
