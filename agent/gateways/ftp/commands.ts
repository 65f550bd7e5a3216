import { ACCESS_COMMANDS } from "./access-commands.ts";
import type { Command, Commands } from "./command.ts";
import { PATH_COMMANDS } from "./path-commands.ts";
import { SETTING_COMMANDS } from "./setting-commands.ts";
import { TELLING_COMMANDS } from "./telling-commands.ts";
import { TRANSFER_COMMANDS } from "./transfer-commands.ts";

const HELP: Command = {
  syntax: "HELP [<SP> command]",
  argument: "optional",
  beforeLogin: true,
  run(client, argument) {
    if (argument === "") {
      const verbs = Object.keys(COMMANDS).sort();
      const rows = Array.from({ length: Math.ceil(verbs.length / 8) }, (_, row) =>
        verbs
          .slice(8 * row, 8 * row + 8)
          .map((verb) => verb.padEnd(5))
          .join(" ")
          .trimEnd(),
      );
      client.reply(214, "the commands", ...rows, "end");
      return;
    }
    const command = commandOf(argument.toUpperCase());
    if (command === undefined) client.reply(502, `there is no ${argument} here`);
    else client.reply(214, command.syntax);
  },
};

/** The one table of commands. */
const COMMANDS: Commands = {
  ...ACCESS_COMMANDS,
  ...SETTING_COMMANDS,
  ...PATH_COMMANDS,
  ...TRANSFER_COMMANDS,
  ...TELLING_COMMANDS,
  HELP,
};

/** RFC 1123 §4.1.3.1: the experimental names of RFC 775, which old clients use. */
const OLD_NAMES: { readonly [verb: string]: string } = {
  XCUP: "CDUP",
  XCWD: "CWD",
  XMKD: "MKD",
  XPWD: "PWD",
  XRMD: "RMD",
};

/** Commands of the standards, and of widespread servers, that are not served: 502 and not 500. */
const NOT_IMPLEMENTED = [
  ...["ACCT", "ADAT", "CCC", "CLNT", "CONF", "CSID", "ENC", "HASH", "HOST", "LANG", "LPRT", "LPSV", "MFCT"],
  ...["MFF", "MFMT", "MIC", "MSOM", "MSND", "REIN", "SMNT", "STOU"],
];

/** The command of a verb in upper case; undefined where there is none. */
export function commandOf(verb: string): Command | undefined {
  const name = Object.hasOwn(OLD_NAMES, verb) ? OLD_NAMES[verb] : verb;
  return name !== undefined && Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
}

/** True for a verb that is a command, but none of this server's. */
export function isKnownElsewhere(verb: string): boolean {
  return NOT_IMPLEMENTED.includes(verb);
}
