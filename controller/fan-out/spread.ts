import type { WaitOptions } from "../client.ts";
import type { CommandContext } from "../command-context.ts";
import { connect } from "../connect.ts";
import { oneAgent, severalAgents } from "../on-agents.ts";
import { callLine } from "../render/call-bar.ts";
import { plain } from "../render/table.ts";
import { AgentBoard } from "./agent-board.ts";
import { Farm } from "./farm.ts";
import { RowPrinter } from "./row-printer.ts";
import { readRows } from "./rows.ts";
import { SOME_FAILED, withHint } from "./several.ts";

/** Characters of the bar and what stands beside it. */
const BAR_WIDTH = 60;

/**
 * `tether call PROCEDURE --spread FILE`: a call for each row of a file, given to the agents as they become free. Gives
 * 0 when all rows have a result, 5 when some have none, and when all failed what the first of them stands for.
 */
export async function runSpread(
  procedure: string,
  file: string,
  wait: WaitOptions,
  context: CommandContext,
): Promise<number> {
  const { folder, json, signal, stderr } = context;
  const names = severalAgents(context) ?? [oneAgent(context)];
  const rows = await readRows(file, context);
  const done = new Map<string, number>();
  let ended = 0;
  let failed = 0;
  let exitCode = 0;
  const bar = () => `${callLine({ done: ended, total: rows.length }, BAR_WIDTH)} of ${rows.length} rows`;
  const board = new AgentBoard(context, names, () => `${bar()}${failed > 0 ? `, ${failed} failed` : ""}`);
  const printer = new RowPrinter(context, board, rows, () => farm.wake());
  const farm: Farm = new Farm({
    names,
    procedure,
    rows,
    wait,
    signal,
    connect: (name, end, returns) =>
      connect(name, { folder, signal: end, reconnect: returns, rememberKeys: false }),
    mayBegin: (index) => printer.takes(index),
    onOutcome(index, outcome) {
      ended++;
      const { agent } = outcome;
      if (agent !== undefined) {
        done.set(agent, (done.get(agent) ?? 0) + 1);
        board.report(agent).progress(`${done.get(agent)} rows`);
      }
      if ("error" in outcome) {
        failed++;
        exitCode ||= outcome.error.exitCode;
      }
      printer.add(index, outcome);
    },
    onAgent(name, state, error) {
      board.set(name, state === "out" ? "failed" : state);
      if (error === undefined) return;
      board.report(name).line(error.message);
      if (json) return;
      const what = state === "lost" ? `lost, and tried again: ${error.message}` : withHint(error);
      void board.print("stderr", () => stderr.write(`tether: ${plain(`${name}: ${what}`)}\n`));
    },
  });
  try {
    await farm.run();
  } finally {
    board.end();
  }
  return failed > 0 && failed < rows.length ? SOME_FAILED : exitCode;
}
