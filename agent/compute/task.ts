import { setMaxListeners } from "node:events";
import { type CallProgress, COMPUTE, type JsonValue, parseJson, TetherError } from "../../protocol/index.ts";
import type { CallContext, Caller } from "../procedures/index.ts";
import type { WorkerProcess } from "./worker-process.ts";

/** A call of a user's procedure. */
export interface Task {
  /** URL of the procedure's file. */
  readonly file: string;
  readonly name: string;
  /** The arguments by name, as JSON. */
  readonly args: string;
  readonly context: CallContext;
}

/** The context of a call that a user's procedure makes. */
export class NestedContext implements CallContext {
  readonly caller: Caller;
  readonly signal: AbortSignal;
  /** Where the calling procedure runs. */
  readonly worker: WorkerProcess;
  /** How many procedures call each other, one inside the other. */
  readonly depth: number;

  /** `grace`: milliseconds that it has where the outer call is given up already, as to switch something off. */
  constructor(outer: CallContext, worker: WorkerProcess, grace: number) {
    // With it come the role, and what a gateway allows: a procedure opens no door to what it does not let through.
    this.caller = outer.caller;
    this.signal = outer.signal.aborted ? AbortSignal.timeout(grace) : outer.signal;
    // One for every call that is under way.
    setMaxListeners(0, this.signal);
    this.worker = worker;
    this.depth = outer instanceof NestedContext ? outer.depth + 1 : 1;
  }
}

/** A task that a process works on. */
export class RunningTask {
  readonly task: Task;
  readonly #resolve: (result: JsonValue) => void;
  readonly #reject: (error: TetherError) => void;
  readonly #values: JsonValue[] = [];
  #bytes = 0;
  /** Bytes of yielded results that were dealt with, and of which the process does not know yet. */
  #owed = 0;

  constructor(task: Task, resolve: (result: JsonValue) => void, reject: (error: TetherError) => void) {
    this.task = task;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  /** The result as JSON; `streamed` where it was yielded before. */
  succeed(result: string, streamed: boolean): void {
    if (!streamed) this.#resolve(parseJson(result));
    else if (this.#passesOn) {
      this.task.context.outlet?.begin();
      this.#resolve(null);
    } else this.#resolve(this.#values);
  }

  fail(error: TetherError): void {
    this.#reject(error);
  }

  progress(progress: string): void {
    this.task.context.outlet?.onProgress?.(parseJson(progress) as CallProgress);
  }

  /**
   * Takes one of many results; a promise settles when the next may come.
   *
   * @throws TetherError `limit` when a caller who gets them all at the end would get too much
   */
  take(value: string): Promise<void> | undefined {
    const parsed = parseJson(value);
    if (this.#passesOn) return this.task.context.outlet?.onYield?.(parsed);
    this.#bytes += Buffer.byteLength(value);
    if (this.#bytes > COMPUTE.collected) {
      throw new TetherError(
        "limit",
        `${this.task.name} yields more than ${COMPUTE.collected} bytes, and this caller would get them all at once`,
        { hint: "call it by the native protocol, which streams" },
      );
    }
    this.#values.push(parsed);
    return undefined;
  }

  /** Notes that so many bytes have been dealt with; gives those that the process is to be told of now. */
  dealtWith(bytes: number): number {
    this.#owed += bytes;
    if (this.#owed < COMPUTE.yieldWindow / 4) return 0;
    const owed = this.#owed;
    this.#owed = 0;
    return owed;
  }

  get #passesOn(): boolean {
    return this.task.context.outlet?.onYield !== undefined;
  }
}
