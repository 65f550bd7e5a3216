import type { Writable } from "node:stream";
import type { Options } from "./command-line.ts";
import type { OptionFacts, Verb } from "./commands/index.ts";

/** What a verb works with. */
export interface CommandContext {
  readonly args: readonly string[];
  readonly options: Pick<Options, "has" | "get" | "all">;
  /** The table of verbs, and that of options: for the verbs that show them. */
  readonly tables: {
    readonly verbs: { readonly [name: string]: Verb };
    readonly options: { readonly [name: string]: OptionFacts };
  };
  /** The line that shows how the verb is used. */
  readonly usage: string;
  readonly json: boolean;
  /** The controller's own folder. */
  readonly folder: string;
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: Writable & { readonly isTTY?: boolean; readonly columns?: number };
  readonly stderr: Writable & { readonly isTTY?: boolean };
  /** Aborts on Ctrl-C, and when `--timeout` has run out. */
  readonly signal: AbortSignal;
  /** Milliseconds of `--timeout`. */
  readonly timeout: number | undefined;
}
