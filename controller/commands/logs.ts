import { asTetherError, type JsonObject, TetherError } from "../../protocol/index.ts";
import { expectArguments } from "../arguments.ts";
import type { CommandContext } from "../command-context.ts";
import { connect } from "../connect.ts";
import { oneAgent } from "../on-agents.ts";
import { plain } from "../render/table.ts";

/** `tether logs`: the agent's log, a line each; with `-f` it goes on. */
export async function run(context: CommandContext): Promise<number> {
  expectArguments(context, 0);
  const { signal } = context;
  const client = await connect(oneAgent(context), { folder: context.folder, signal });
  try {
    await client.conversation(
      "logs",
      { follow: context.options.has("follow") },
      (document) => print(document, context),
      {
        signal,
      },
    );
  } catch (thrown) {
    const error = asTetherError(thrown);
    // Ctrl-C is how one leaves.
    if (error.code !== "cancelled" || !signal.aborted) throw error;
  } finally {
    client.close();
  }
  return 0;
}

function print(document: JsonObject, context: CommandContext): void {
  if (typeof document.lost === "number") {
    const error = new TetherError("limit", `${document.lost} lines were lost: this side read too slowly`);
    context.stderr.write(`tether: ${error.message}\n`);
    return;
  }
  const lines = document.lines as JsonObject[];
  const text = lines.map((line) => (context.json ? JSON.stringify(line) : readable(line)));
  if (text.length > 0) context.stdout.write(`${text.join("\n")}\n`);
}

function readable({ time, level, event: _event, message, ...facts }: JsonObject): string {
  const details = Object.entries(facts).map(([name, value]) => ` ${name}=${String(value)}`);
  return plain(`${time} ${String(level).padEnd(5)} ${message}${details.join("")}`);
}
