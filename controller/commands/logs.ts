import { asTetherError, type JsonObject, TetherError } from "../../protocol/index.ts";
import { expectArguments } from "../arguments.ts";
import type { CommandContext } from "../command-context.ts";
import { connect } from "../connect.ts";
import { onEach, oneAgent, severalAgents } from "../on-agents.ts";
import { plain } from "../render/table.ts";

/** `tether logs`: the agent's log, a line each; with `-f` it goes on. */
export async function run(context: CommandContext): Promise<number> {
  expectArguments(context, 0);
  const { signal } = context;
  const names = severalAgents(context);
  if (names !== undefined) return ofSeveral(names, context);
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

/** Their lines as they come, each behind its agent's name; with `--json` all in the end. */
function ofSeveral(names: readonly string[], context: CommandContext): Promise<number> {
  const { folder, json, options, signal, stdout } = context;
  const follow = options.has("follow");
  if (follow && json) {
    throw new TetherError("usage", "logs of several agents that go on never make one JSON document", {
      hint: "leave out -f or --json, or follow one agent at a time",
    });
  }
  return onEach(names, context, {
    async work(name, report, place) {
      const client = await connect(name, { folder, signal });
      const kept: JsonObject[] = [];
      const take = (document: JsonObject) => {
        if (typeof document.lost === "number") {
          place.complain(lost(document.lost).message);
          return;
        }
        const lines = document.lines as JsonObject[];
        if (json) kept.push(...lines);
        if (json || lines.length === 0) return;
        const texts = lines.map(readable);
        report.line(texts.at(-1) ?? "");
        const text = texts.map((line) => `${name}: ${line}\n`).join("");
        void place.print("stdout", async () => void stdout.write(text));
      };
      try {
        await client.conversation("logs", { follow }, take, { signal });
      } finally {
        client.close();
      }
      return kept;
    },
    render: () => "",
  });
}

function print(document: JsonObject, context: CommandContext): void {
  if (typeof document.lost === "number") {
    context.stderr.write(`tether: ${lost(document.lost).message}\n`);
    return;
  }
  const lines = document.lines as JsonObject[];
  const text = lines.map((line) => (context.json ? JSON.stringify(line) : readable(line)));
  if (text.length > 0) context.stdout.write(`${text.join("\n")}\n`);
}

function lost(count: number): TetherError {
  return new TetherError("limit", `${count} lines were lost: this side read too slowly`);
}

function readable({ time, level, event: _event, message, ...facts }: JsonObject): string {
  const details = Object.entries(facts).map(([name, value]) => ` ${name}=${String(value)}`);
  return plain(`${time} ${String(level).padEnd(5)} ${message}${details.join("")}`);
}
