import { asTetherError, COMPUTE, type JsonValue, TetherError } from "../../protocol/index.ts";
import type { Log } from "../log.ts";
import { NestedContext, type Task } from "./task.ts";
import { type WorkerOptions, WorkerProcess } from "./worker-process.ts";

/** What an owner may set. */
export interface PoolSettings {
  /** Processes at most. */
  readonly workers: number;
  /** Bytes that procedures may use in each. */
  readonly memory: number;
  /** Calls that may wait for a process. */
  readonly queued: number;
  /** Folder of the procedures. */
  readonly folder: string;
}

interface Waiting {
  readonly task: Task;
  readonly start: (worker: WorkerProcess) => void;
  readonly giveUp: (error: TetherError) => void;
}

/**
 * The processes in which users' procedures run: one call in each, started when needed, ended when there was
 * nothing to do for a while. What a procedure calls runs beside it in its process, or two that call each other
 * could wait for one another forever.
 */
export class Pool {
  readonly #log: Log;
  readonly #call: WorkerOptions["call"];
  readonly #workers = new Set<WorkerProcess>();
  /** Workers without work, the last used last, and what ends them. */
  readonly #idle = new Map<WorkerProcess, NodeJS.Timeout>();
  /** Workers that have files which are not in force any more. */
  readonly #outdated = new Set<WorkerProcess>();
  readonly #waiting = new Set<Waiting>();
  #waitingBytes = 0;
  #settings: PoolSettings;
  #sources: { readonly [url: string]: string } = {};
  #stopped = false;

  constructor(log: Log, call: WorkerOptions["call"], settings: PoolSettings) {
    this.#log = log;
    this.#call = call;
    this.#settings = settings;
  }

  /** Takes other settings; calls under way go on as they began. */
  configure(settings: PoolSettings): void {
    const { memory, folder } = this.#settings;
    this.#settings = settings;
    if (memory !== settings.memory || folder !== settings.folder) this.#outdate();
    for (const worker of this.#idle.keys()) {
      if (this.#workers.size > settings.workers) this.#retire(worker);
    }
    this.#next();
  }

  /** Takes other files, by URL; calls under way go on with the old ones. */
  setSources(sources: { readonly [url: string]: string }): void {
    this.#sources = sources;
    this.#outdate();
  }

  /**
   * Runs a task as soon as there is a process for it.
   *
   * @throws TetherError `busy` at once when too much waits; `limit` when it used too much memory, or procedures
   * call each other too deep; what the procedure threw
   */
  run(task: Task): Promise<JsonValue> {
    const { context } = task;
    if (context instanceof NestedContext) return this.#runInside(task, context);
    if (this.#stopped) return Promise.reject(stopping());
    if (
      this.#waiting.size >= this.#settings.queued ||
      (this.#waiting.size > 0 && this.#waitingBytes + task.args.length > COMPUTE.queuedBytes)
    ) {
      return Promise.reject(
        new TetherError("busy", `${this.#waiting.size} calls of user procedures are waiting already`, {
          hint: "try again later, or raise compute.workers",
          refused: true,
        }),
      );
    }
    return new Promise((resolve, reject) => {
      const { signal } = context;
      const onAbort = () => waiting.giveUp(signal.reason);
      const leave = () => {
        signal.removeEventListener("abort", onAbort);
        if (this.#waiting.delete(waiting)) this.#waitingBytes -= task.args.length;
      };
      const waiting: Waiting = {
        task,
        start: (worker) => {
          leave();
          this.#runOn(worker, task).then(resolve, reject);
        },
        giveUp: (error) => {
          leave();
          reject(error);
        },
      };
      this.#waiting.add(waiting);
      this.#waitingBytes += task.args.length;
      signal.addEventListener("abort", onAbort);
      if (signal.aborted) onAbort();
      else this.#next();
    });
  }

  /** A process of its own, which {@link run} never uses, with files that are to be tried. */
  scout(sources: { readonly [url: string]: string }): WorkerProcess {
    return this.#start(sources, () => undefined);
  }

  /** Cancels what runs, refuses what waits, and leaves no process. */
  async stop(): Promise<void> {
    this.#stopped = true;
    for (const waiting of [...this.#waiting]) waiting.giveUp(stopping());
    for (const worker of [...this.#idle.keys()]) this.#retire(worker);
    await Promise.all([...this.#workers].map((worker) => worker.stop(stopping())));
  }

  async #runInside(task: Task, { worker, depth }: NestedContext): Promise<JsonValue> {
    if (depth <= COMPUTE.nesting) return await worker.run(task);
    throw new TetherError("limit", `procedures call each other more than ${COMPUTE.nesting} deep`);
  }

  async #runOn(worker: WorkerProcess, task: Task): Promise<JsonValue> {
    try {
      return await worker.run(task);
    } finally {
      this.#release(worker);
      this.#next();
    }
  }

  /** Gives what waits to workers, and starts those that are missing. */
  #next(): void {
    for (const waiting of this.#waiting) {
      let worker: WorkerProcess | undefined;
      try {
        worker = this.#take();
      } catch (thrown) {
        waiting.giveUp(asTetherError(thrown));
        continue;
      }
      if (worker === undefined) return;
      waiting.start(worker);
    }
  }

  #take(): WorkerProcess | undefined {
    const last = [...this.#idle.keys()].at(-1);
    if (last !== undefined) {
      clearTimeout(this.#idle.get(last));
      this.#idle.delete(last);
      return last;
    }
    if (this.#stopped || this.#workers.size >= this.#settings.workers) return undefined;
    const started = this.#start(this.#sources, (worker) => {
      this.#forget(worker);
      this.#next();
    });
    this.#workers.add(started);
    return started;
  }

  #start(
    sources: { readonly [url: string]: string },
    onEnded: (worker: WorkerProcess) => void,
  ): WorkerProcess {
    const { memory, folder } = this.#settings;
    return new WorkerProcess({ sources, memory, folder, log: this.#log, call: this.#call, onEnded });
  }

  /** A worker's call has ended. */
  #release(worker: WorkerProcess): void {
    if (!this.#workers.has(worker)) return;
    // A call that was left alone inside, or the memory of the last one, is not the next one's burden.
    if (this.#outdated.has(worker) || worker.isEnding || !worker.isIdle || worker.isWorn) {
      this.#retire(worker);
      return;
    }
    const timer = setTimeout(() => this.#retire(worker), COMPUTE.idle);
    timer.unref();
    this.#idle.set(worker, timer);
  }

  #retire(worker: WorkerProcess): void {
    worker.end(new TetherError("cancelled", "the process has nothing to do"));
    this.#forget(worker);
  }

  #forget(worker: WorkerProcess): void {
    clearTimeout(this.#idle.get(worker));
    this.#idle.delete(worker);
    this.#outdated.delete(worker);
    this.#workers.delete(worker);
  }

  #outdate(): void {
    for (const worker of this.#workers) {
      if (this.#idle.has(worker)) this.#retire(worker);
      else this.#outdated.add(worker);
    }
  }
}

function stopping(): TetherError {
  return new TetherError("unreachable", "the agent is stopping");
}
