import { open } from "node:fs/promises";
import { MQTT, TetherError } from "../../protocol/index.ts";

/** What a password file must not have: any permission of everybody, write permission of the group (inode(7)). */
const OTHERS_USE = 0o027;

/**
 * The password in a file: all of it but one newline at the end.
 *
 * @throws TetherError `invalid` for a file without one or that others may use, and what opening it throws.
 */
export async function readPassword(path: string): Promise<string> {
  const file = await open(path);
  try {
    const { mode, size } = await file.stat();
    if ((mode & OTHERS_USE) !== 0) {
      throw new TetherError("invalid", `others may use ${path}; allowed: mode 0600, 0640 or less`);
    }
    if (size > MQTT.passwordFile) {
      throw new TetherError("invalid", `${path} has more than ${MQTT.passwordFile} bytes`);
    }
    const password = (await file.readFile("utf8")).replace(/\r?\n$/, "");
    if (password === "") throw new TetherError("invalid", `${path} holds no password`);
    return password;
  } finally {
    await file.close();
  }
}
