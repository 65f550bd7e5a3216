import { promises } from "node:fs";
import { basename } from "node:path";
import { globMatcher, PROGRAMS, TetherError } from "../../protocol/index.ts";
import type { CommandContext } from "../command-context.ts";
import { surroundingsOf } from "../programs/command.ts";
import { runOnAgent } from "../programs/run-on-agent.ts";

/** `tether run`: a script from here, run in a fresh work folder there; `--fetch` brings what it leaves. */
export async function run(context: CommandContext): Promise<number> {
  const [file, ...command] = context.args;
  if (file === undefined) {
    throw new TetherError("usage", "a file is missing", { hint: `usage: ${context.usage}` });
  }
  const fetch = context.options.all("fetch");
  for (const pattern of fetch) checkPattern(pattern);
  const { size } = await promises.stat(file);
  if (size > PROGRAMS.scriptBytes) {
    throw new TetherError(
      "limit",
      `${file} has ${size} bytes; a script has at most ${PROGRAMS.scriptBytes}`,
      {
        hint: "send data by `tether put`",
      },
    );
  }
  const script = { name: basename(file), content: await promises.readFile(file) };
  const request = { command, script, ...surroundingsOf(context.options), ...(fetch.length > 0 && { fetch }) };
  return runOnAgent(context, request, fetch.length > 0 ? { folder: process.cwd() } : {});
}

function checkPattern(pattern: string): void {
  globMatcher(pattern);
  if (!pattern.startsWith("/") && !pattern.split("/").includes("..")) return;
  throw new TetherError("usage", `--fetch ${pattern}: only what is in the work folder can be fetched`);
}
