import { setMaxListeners } from "node:events";
import { asTetherError, FAN_OUT, type JsonValue, type TetherError, writeJson } from "../../protocol/index.ts";
import type { CommandContext } from "../command-context.ts";
import { plain } from "../render/table.ts";
import { AgentBoard } from "./agent-board.ts";
import type { NamedWork } from "./agent-work.ts";

/** Exit code when some of several agents failed. */
export const SOME_FAILED = 5;

/**
 * Runs a verb on several agents, so many at a time, and prints what becomes of each as it comes, or with `--json` of
 * all in the end. Gives the exit code.
 *
 * @throws TetherError what `context.signal` is aborted with, once all have ended
 */
export async function onSeveral(
  names: readonly string[],
  context: CommandContext,
  verb: NamedWork,
): Promise<number> {
  const { json, signal, stdout, stderr } = context;
  // Everyone listens to the one signal.
  setMaxListeners(0, signal);
  const outcomes = new Map<string, JsonValue>();
  const board = new AgentBoard(context, names);
  let failures = 0;
  const complain = (name: string, message: string) =>
    board.print("stderr", () => stderr.write(`tether: ${plain(`${name}: ${message}`)}\n`));
  const work = async (name: string) => {
    board.set(name, "working");
    try {
      signal.throwIfAborted();
      const result = await verb.work(name, board.report(name), {
        print: (output, write) => board.print(output, write),
        complain: (message) => void complain(name, message),
      });
      const failed = (verb.exitCode?.(result) ?? 0) !== 0;
      if (failed) failures++;
      board.set(name, failed ? "failed" : "done");
      if (json) outcomes.set(name, result);
      else await board.print("stdout", () => stdout.write(headed(name, verb.render(result))));
    } catch (thrown) {
      failures++;
      board.set(name, "failed");
      const error = asTetherError(thrown);
      if (json) outcomes.set(name, { error: { ...error.toJSON() } });
      else await complain(name, withHint(error));
    }
  };
  const waiting = [...names];
  const worker = async () => {
    for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) await work(name);
  };
  try {
    await Promise.all(Array.from({ length: Math.min(FAN_OUT.atOnce, names.length) }, worker));
  } finally {
    board.end();
  }
  if (json) {
    const inOrder = names.map((name) => [name, outcomes.get(name) ?? null]);
    stdout.write(`${writeJson(Object.fromEntries(inOrder))}\n`);
  }
  if (signal.aborted) throw asTetherError(signal.reason);
  return failures === 0 ? 0 : SOME_FAILED;
}

/** The message, and in parentheses what to do. */
export function withHint({ message, hint }: TetherError): string {
  return hint === undefined ? message : `${message} (${hint})`;
}

/** A result under its agent's name; nothing where there is nothing to say. */
function headed(name: string, text: string): string {
  return text === "" ? "" : `${name}:\n${text.replace(/^/gm, "  ")}\n`;
}
