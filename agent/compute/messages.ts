import type { Role } from "../../protocol/index.ts";
import type { Schema } from "../procedures/index.ts";

// Types, not interfaces, so that each is a JsonObject.

/** An error as a message carries it. */
export type ErrorMember = { code: string; message: string; hint?: string };

/** What the agent says to a process of procedures. What is in brackets is the message's value. */
export type ToWorker =
  /** First and once: [the text of each file, by its URL]. */
  | { type: "start" }
  /** Asks which procedures a file has. */
  | { type: "describe"; file: string }
  /** Calls one: [its arguments by name]. */
  | { type: "call"; id: number; file: string; name: string }
  /** Nobody waits for that call any more. */
  | { type: "cancel"; id: number; error: ErrorMember }
  /** So many bytes of yielded results have been dealt with. */
  | { type: "credit"; id: number; bytes: number }
  /** What a call by a procedure gave: [the result], or the error. */
  | { type: "answer"; id: number; error?: ErrorMember };

/** What a process of procedures says to the agent. */
export type FromWorker =
  | { type: "ready" }
  /** What a file has: [a list of {@link Description}], or the error. */
  | { type: "described"; file: string; error?: ErrorMember }
  /** A call has ended: [the result], or the error; `streamed` where the results were yielded before. */
  | { type: "result"; id: number; streamed?: boolean; error?: ErrorMember }
  /** [How far it is]. */
  | { type: "progress"; id: number }
  /** [One of many results]. */
  | { type: "yield"; id: number }
  | { type: "log"; id: number; message: string }
  /** A procedure calls another: [the arguments]. `parent` is the call that it serves. */
  | { type: "call"; id: number; parent: number; method: string }
  /** Something was thrown where nobody catches it; the process ends. */
  | { type: "crash"; message: string };

/** What a file tells of one of its procedures. */
export type Description = {
  name: string;
  summary: string;
  parameters: { [name: string]: Schema };
  variadic: boolean;
  result: Schema;
  role: Role;
  retryable: boolean;
};
