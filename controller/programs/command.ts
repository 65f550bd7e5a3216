import type { ProgramRequest } from "../../protocol/index.ts";
import { TetherError } from "../../protocol/index.ts";
import type { CommandContext } from "../command-context.ts";

/** The command that a verb is to run, with `--cwd` and `--env`. Throws `usage`. */
export function commandOf(context: CommandContext): ProgramRequest {
  const { args: command, options, usage } = context;
  if (command.length === 0) {
    throw new TetherError("usage", "a command is missing", { hint: `usage: ${usage}` });
  }
  return { command, ...surroundingsOf(options) };
}

/** `--cwd` and `--env`. Throws `usage`. */
export function surroundingsOf(
  options: CommandContext["options"],
): Pick<ProgramRequest, "cwd" | "environment"> {
  const cwd = options.get("cwd");
  const variables = options.all("env").map(variableOf);
  return {
    ...(cwd !== undefined && { cwd }),
    ...(variables.length > 0 && { environment: Object.fromEntries(variables) }),
  };
}

function variableOf(text: string): [name: string, value: string] {
  const at = text.indexOf("=");
  if (at > 0) return [text.slice(0, at), text.slice(at + 1)];
  throw new TetherError("usage", `--env ${text}: not a NAME=VALUE`);
}
