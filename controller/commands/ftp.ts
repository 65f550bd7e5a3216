import { readFile } from "node:fs/promises";
import { expectArguments } from "../arguments.ts";
import type { CommandContext } from "../command-context.ts";
import { FtpBackend } from "../ftp/ftp-backend.ts";
import type { FtpOptions } from "../ftp/ftp-client.ts";
import { parseHostPort } from "../host-port.ts";
import { askHidden } from "../render/ask-hidden.ts";
import { runShell } from "../shell/session.ts";
import type { WhileAway } from "../shell/verbs.ts";

/** The port of FTP's control connection (RFC 959 §8). */
const FTP_PORT = 21;

/** `tether ftp`: the shell's verbs against any FTP server. */
export async function run(context: CommandContext): Promise<number> {
  expectArguments(context, 1);
  const connect = async (target: string, signal: AbortSignal, whileAway: WhileAway) =>
    FtpBackend.open(await optionsOf(target, context, whileAway), context.stderr, signal);
  const backend = await connect(context.args[0] as string, context.signal, (work) => work());
  return runShell(
    { backend, remoteFolder: await backend.startFolder(context.signal), localFolder: process.cwd(), connect },
    context,
  );
}

/** Reads `[USER@]HOST[:PORT]` and finds the password: in a file, from the person, or that of the anonymous. */
async function optionsOf(target: string, context: CommandContext, whileAway: WhileAway): Promise<FtpOptions> {
  const at = target.lastIndexOf("@");
  const user = at === -1 ? "anonymous" : target.slice(0, at);
  const file = context.options.get("password-file");
  let password = "anonymous@";
  if (file !== undefined) password = (await readFile(file, "utf8")).replace(/\r?\n$/, "");
  else if (user !== "anonymous") {
    password = await whileAway(() => askHidden(`password of ${user}: `, context));
  }
  return {
    address: parseHostPort(target.slice(at + 1), FTP_PORT),
    user,
    password,
    passive: context.options.has("passive"),
    tls: context.options.has("tls"),
  };
}
