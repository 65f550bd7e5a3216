import type { JsonValue } from "../../protocol/index.ts";
import type { Client } from "../client.ts";

/** Takes how far the work with one of several agents is, for whoever looks on. */
export interface AgentReport {
  /** How far it is; a function is asked whenever that is shown. */
  progress(text: string | (() => string)): void;
  /** The last that it said. */
  line(text: string): void;
}

/** For one agent alone, whose work is seen without a table. */
export const NO_REPORT: AgentReport = { progress: () => undefined, line: () => undefined };

/** What becomes of a verb's results. */
interface AgentResults {
  /** The result for people, without a newline at the end. */
  readonly render: (result: JsonValue) => string;
  /** The exit code that a result stands for, where it is no error and yet no success. */
  readonly exitCode?: (result: JsonValue) => number;
}

/** What a verb does with one agent. */
export interface AgentWork extends AgentResults {
  /** Gives what `--json` prints; `alone`, with one agent, undefined where it has printed everything itself. */
  readonly work: (client: Client, alone: boolean, report: AgentReport) => Promise<JsonValue | undefined>;
}

/** What a verb does with each of several agents, to which it connects itself. */
export interface NamedWork extends AgentResults {
  readonly work: (name: string, report: AgentReport, place: SharedPlace) => Promise<JsonValue>;
}

/** Where the output of several agents goes together. */
export interface SharedPlace {
  /** Writes while the table is out of the way. */
  print(output: "stdout" | "stderr", write: () => Promise<void>): Promise<void>;
  /** A line on stderr, behind the agent's name. */
  complain(message: string): void;
}
