import type { CommandContext } from "../command-context.ts";
import { LiveBlock } from "../render/live-block.ts";
import { plain, table } from "../render/table.ts";
import type { AgentReport } from "./agent-work.ts";

/** Milliseconds before the table first shows: what is done by then needs none. */
const DELAY = 300;
/** Milliseconds between two frames. */
const FRAME = 100;
/** Milliseconds after which it is drawn again where lines have taken its place. */
const AGAIN = 20;
/** Characters of a name, and of a note of progress, that are shown. */
const NAME_WIDTH = 24;
const PROGRESS_WIDTH = 60;

/** How the work with one agent stands. */
export type AgentState = "waiting" | "working" | "lost" | "done" | "failed";

/** What is looked for first where not all rows fit the terminal. */
const ORDER: readonly AgentState[] = ["working", "lost", "failed", "waiting", "done"];

interface BoardRow {
  state: AgentState;
  since: number | undefined;
  until: number | undefined;
  progress: string | (() => string);
  line: string;
}

/**
 * How the work with several agents stands, a row each, redrawn in place at the end of a terminal. On anything else
 * nothing is shown.
 */
export class AgentBoard {
  readonly #block: LiveBlock | undefined;
  readonly #rows: ReadonlyMap<string, BoardRow>;
  readonly #title: (() => string) | undefined;
  readonly #timer: NodeJS.Timeout | undefined;
  readonly #start = performance.now();
  readonly #sharesStdout: boolean;
  #printing = 0;
  #drawn = 0;
  #ended = false;

  /** `title` is what stands in the first line; how many are done unless given. */
  constructor(
    { stdout, stderr: terminal }: Pick<CommandContext, "stdout" | "stderr">,
    names: readonly string[],
    title?: () => string,
  ) {
    this.#sharesStdout = stdout.isTTY === true;
    this.#title = title;
    this.#rows = new Map(
      names.map((name) => [
        name,
        { state: "waiting", since: undefined, until: undefined, progress: "", line: "" },
      ]),
    );
    if (terminal.isTTY !== true || process.env.TERM === "dumb") return;
    this.#block = new LiveBlock(terminal);
    this.#timer = setInterval(() => this.#draw(), FRAME);
    this.#timer.unref();
  }

  /** Notes how the work with an agent stands; its time runs from the first state but `waiting` to the last. */
  set(name: string, state: AgentState): void {
    const row = this.#rows.get(name);
    if (row === undefined) return;
    row.state = state;
    if (state === "waiting") return;
    row.since ??= performance.now();
    row.until = state === "done" || state === "failed" ? performance.now() : undefined;
  }

  /** Takes what is to be told of one agent. */
  report(name: string): AgentReport {
    const row = this.#rows.get(name);
    return {
      progress(text) {
        if (row) row.progress = text;
      },
      line(text) {
        if (row) row.line = text;
      },
    };
  }

  /** Writes something, for which the table makes room where it stands in the way. */
  async print(output: "stdout" | "stderr", write: () => unknown): Promise<void> {
    if (this.#block === undefined || (output === "stdout" && !this.#sharesStdout)) {
      await write();
      return;
    }
    this.#block.clear();
    this.#printing++;
    try {
      const written = write();
      if (written instanceof Promise) await written;
    } finally {
      this.#printing--;
      // At once, or it would be gone more often than not; but a flood of lines leaves no time for it.
      if (performance.now() - this.#drawn >= AGAIN) this.#draw();
    }
  }

  /** Takes the table away: the results stand above it. */
  end(): void {
    this.#ended = true;
    clearInterval(this.#timer);
    this.#block?.clear();
    this.#block?.end();
  }

  #draw(): void {
    const block = this.#block;
    const now = performance.now();
    if (block === undefined || this.#ended || this.#printing > 0 || now - this.#start < DELAY) return;
    this.#drawn = now;
    const all = [...this.#rows];
    const room = Math.max(1, block.rows - 3);
    const sorted =
      all.length <= room
        ? all
        : all.sort(([, a], [, b]) => ORDER.indexOf(a.state) - ORDER.indexOf(b.state)).slice(0, room);
    const count = (state: AgentState) => all.filter(([, row]) => row.state === state).length;
    const facts = this.#title?.() ?? `${count("done")} of ${all.length} done, ${count("failed")} failed`;
    const lines = table(["AGENT", "STATE", "TIME", "PROGRESS", "LAST LINE"], sorted.map(shown)).split("\n");
    block.draw([facts, ...lines]);
  }
}

function shown([name, { state, since, until, progress, line }]: readonly [string, BoardRow]): string[] {
  const time = since === undefined ? "" : `${(((until ?? performance.now()) - since) / 1000).toFixed(1)} s`;
  const done = until !== undefined ? "" : typeof progress === "string" ? progress : progress();
  return [cut(name, NAME_WIDTH), state, time, cut(done, PROGRESS_WIDTH), plain(line)];
}

function cut(text: string, width: number): string {
  const characters = [...text];
  return characters.length <= width ? text : `${characters.slice(0, width - 1).join("")}…`;
}
