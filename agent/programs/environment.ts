import { homedir, userInfo } from "node:os";

/** Where programs are looked for when the agent itself was told nothing. */
const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** What a program gets of the agent's own environment, where it is set there. */
const PASSED_ON = ["LANG", "LC_ALL", "TZ", "TMPDIR"] as const;

/**
 * The environment of a program: PATH, HOME, USER, LOGNAME, SHELL, LANG, what of LC_ALL, TZ and TMPDIR is set,
 * and `extra`. Nothing else of the agent's own, in which there may be secrets.
 */
export function programEnvironment(extra: { readonly [name: string]: string } = {}): NodeJS.ProcessEnv {
  const { username, shell } = user();
  const environment: NodeJS.ProcessEnv = {
    PATH: process.env.PATH || DEFAULT_PATH,
    HOME: homedir(),
    USER: username,
    LOGNAME: username,
    SHELL: shell || "/bin/sh",
    LANG: "C.UTF-8",
  };
  for (const name of PASSED_ON) {
    const value = process.env[name];
    if (value) environment[name] = value;
  }
  return { ...environment, ...extra };
}

/** A user id without a name, as containers have, is its own name. */
function user(): { readonly username: string; readonly shell: string | null } {
  try {
    return userInfo();
  } catch {
    return { username: String(process.getuid?.() ?? ""), shell: null };
  }
}
