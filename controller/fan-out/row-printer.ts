import { FAN_OUT, type JsonObject, writeJson } from "../../protocol/index.ts";
import type { CommandContext } from "../command-context.ts";
import { plain } from "../render/table.ts";
import { valueText } from "../render/value.ts";
import type { AgentBoard } from "./agent-board.ts";
import type { RowOutcome } from "./farm.ts";
import type { Row } from "./rows.ts";

/**
 * Prints what became of rows. With `--json` a document a line as they come; without, the results in the order of the
 * rows, a line each, an empty one for a row that failed, whose error goes to stderr.
 */
export class RowPrinter {
  readonly #context: CommandContext;
  readonly #board: AgentBoard;
  readonly #rows: readonly Row[];
  readonly #early = new Map<number, RowOutcome>();
  readonly #onReady: () => void;
  #printed = 0;
  #full = false;

  /** `onReady` is called when {@link takes} may say something else. */
  constructor(context: CommandContext, board: AgentBoard, rows: readonly Row[], onReady: () => void) {
    this.#context = context;
    this.#board = board;
    this.#rows = rows;
    this.#onReady = onReady;
  }

  /** Whether there is room for what becomes of the row at `index`. */
  takes(index: number): boolean {
    return !this.#full && (this.#context.json || index < this.#printed + FAN_OUT.rowsAhead);
  }

  /** Prints it, or keeps it until its turn has come. */
  add(index: number, outcome: RowOutcome): void {
    if (this.#context.json) {
      this.#write(`${writeJson(document(this.#number(index), outcome))}\n`);
      return;
    }
    this.#early.set(index, outcome);
    const lines: string[] = [];
    for (
      let next = this.#early.get(this.#printed);
      next !== undefined;
      next = this.#early.get(this.#printed)
    ) {
      this.#early.delete(this.#printed);
      lines.push(this.#line(this.#printed++, next));
    }
    if (lines.length === 0) return;
    this.#write(`${lines.join("\n")}\n`);
    this.#onReady();
  }

  #line(index: number, outcome: RowOutcome): string {
    if ("result" in outcome) {
      const text = valueText(outcome.result);
      return text.includes("\n") ? writeJson(outcome.result) : text;
    }
    const { agent, error } = outcome;
    const where = `row ${this.#number(index)}${agent === undefined ? "" : `, ${agent}`}`;
    void this.#board.print("stderr", () =>
      this.#context.stderr.write(`tether: ${plain(`${where}: ${error.message}`)}\n`),
    );
    return "";
  }

  #number(index: number): number {
    return this.#rows[index]?.number ?? index + 1;
  }

  #write(text: string): void {
    const { stdout } = this.#context;
    void this.#board.print("stdout", () => {
      if (stdout.write(text) || this.#full) return;
      this.#full = true;
      stdout.once("drain", () => {
        this.#full = false;
        this.#onReady();
      });
    });
  }
}

function document(row: number, outcome: RowOutcome): JsonObject {
  const agent = outcome.agent ?? null;
  if ("result" in outcome) return { row, agent, result: outcome.result };
  return { row, agent, error: { ...outcome.error.toJSON() } };
}
