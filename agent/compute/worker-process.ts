import { type ChildProcess, spawn } from "node:child_process";
import type { Duplex, Readable } from "node:stream";
import {
  asTetherError,
  COMPUTE,
  type JsonValue,
  parseJson,
  TetherError,
  writeJson,
} from "../../protocol/index.ts";
import type { Log } from "../log.ts";
import type { CallContext } from "../procedures/index.ts";
import { Channel } from "./channel.ts";
import type { Description, FromWorker, ToWorker } from "./messages.ts";
import { readLines } from "./output-lines.ts";
import { residentMemory } from "./resident-memory.ts";
import { NestedContext, RunningTask, type Task } from "./task.ts";
import { workerCommand, workerEnvironment } from "./worker-command.ts";

/** What a process of procedures works with. */
export interface WorkerOptions {
  /** The text of each file, by its URL. */
  readonly sources: { readonly [url: string]: string };
  /** Bytes that procedures may use in it, beyond what the process takes for itself. */
  readonly memory: number;
  /** Its working folder. */
  readonly folder: string;
  readonly log: Log;
  /** Calls a procedure by name, as any front does. */
  readonly call: (method: string, params: JsonValue, context: CallContext) => JsonValue | Promise<JsonValue>;
  /** It has ended; nothing runs in it any more. */
  readonly onEnded: (worker: WorkerProcess) => void;
}

/** The descriptor of the pipe between both. */
const PIPE = 3;

/**
 * A process in which users' procedures run, as the agent sees it. What goes wrong with the process is told to
 * every call in it, in one sentence.
 */
export class WorkerProcess {
  readonly #options: WorkerOptions;
  readonly #child: ChildProcess;
  readonly #channel: Channel;
  readonly #ready: Promise<void>;
  readonly #over: Promise<void>;
  #setReady: () => void = () => undefined;
  #setOver: () => void = () => undefined;
  readonly #running = new Map<number, RunningTask>();
  readonly #described = new Map<
    string,
    { resolve(list: Description[]): void; reject(error: TetherError): void }
  >();
  /** Bytes that it had when it was ready, and some more; undefined before. */
  #ownMemory: number | undefined;
  #used = 0;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #startTimer: NodeJS.Timeout | undefined;
  #memoryTimer: NodeJS.Timeout | undefined;
  /** Why it ends: the first reason counts. */
  #reason: TetherError | undefined;
  #heapIsFull = false;
  #isOver = false;
  #isStopping = false;
  #nested = 0;
  #lastId = 0;

  constructor(options: WorkerOptions) {
    this.#options = options;
    this.#ready = new Promise((resolve) => {
      this.#setReady = resolve;
    });
    this.#over = new Promise((resolve) => {
      this.#setOver = resolve;
    });
    const { program, args } = workerCommand(options.memory);
    this.#child = spawn(program, args, {
      cwd: options.folder,
      env: workerEnvironment(),
      stdio: ["ignore", "pipe", "pipe", "pipe"],
      // A process group of its own, so that what procedures start ends with it.
      detached: true,
    });
    this.#child.on("error", (error) => this.#ended(`cannot be started: ${error.message}`));
    this.#child.on("exit", (code, signal) => {
      const ended = () => this.#ended(`ended (${signal ?? `exit code ${code}`})`);
      // What it said last, such as why it crashes, comes before `close`, which others that hold its pipes delay.
      this.#child.on("close", ended);
      setTimeout(ended, COMPUTE.lastWords).unref();
    });
    this.#channel = new Channel(this.#child.stdio[PIPE] as Duplex, {
      onMessage: (header, body) => this.#heard(header as FromWorker, body),
      onBroken: (error) => this.end(error),
    });
    this.#readOutput();
    this.#startTimer = setTimeout(
      () => this.end(new TetherError("internal", "a process for procedures did not start in time")),
      COMPUTE.start,
    );
    this.#say({ type: "start" }, writeJson({ ...options.sources }));
  }

  /** True while nothing runs in it. */
  get isIdle(): boolean {
    return this.#running.size === 0;
  }

  /** True once it is about to end, or has ended. */
  get isEnding(): boolean {
    return this.#reason !== undefined;
  }

  /** True when so much memory is in use between two calls that the next would have too little. */
  get isWorn(): boolean {
    return this.#usedMemory() > this.#options.memory * 0.75;
  }

  /** Settles when it has started, or ended. */
  get ready(): Promise<void> {
    return this.#ready;
  }

  /** The procedures of a file. Rejects with `invalid` where it cannot be loaded, in words that name the place. */
  describe(file: string): Promise<Description[]> {
    return new Promise((resolve, reject) => {
      this.#described.set(file, { resolve, reject });
      if (this.#reason !== undefined) reject(this.#reason);
      else this.#say({ type: "describe", file });
      this.#watchMemory();
    });
  }

  /** Runs a task; settles when it has ended, and at the latest when the process has. */
  run(task: Task): Promise<JsonValue> {
    const id = ++this.#lastId;
    const { signal } = task.context;
    let timer: NodeJS.Timeout | undefined;
    const onAbort = () => {
      const reason = asTetherError(signal.reason);
      this.#say({ type: "cancel", id, error: { ...reason.toJSON() } });
      timer = setTimeout(() => this.end(reason), COMPUTE.grace);
    };
    return new Promise<JsonValue>((resolve, reject) => {
      const running = new RunningTask(task, resolve, reject);
      if (this.#reason !== undefined) {
        running.fail(this.#reason);
        return;
      }
      // Throws when the arguments are too long for a message.
      this.#say({ type: "call", id, file: task.file, name: task.name }, task.args);
      this.#running.set(id, running);
      signal.addEventListener("abort", onAbort);
      if (signal.aborted) onAbort();
      this.#watchMemory();
    }).finally(() => {
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
    });
  }

  /** Ends the process at once; whoever waits for something of it is told `reason`. */
  end(reason: TetherError): void {
    this.#reason ??= reason;
    this.#kill();
  }

  /** Lets what runs here end by itself for a moment, then ends the process; settles when it has ended. */
  async stop(reason: TetherError): Promise<void> {
    this.#isStopping = true;
    for (const id of this.#running.keys()) this.#say({ type: "cancel", id, error: { ...reason.toJSON() } });
    const timer = setTimeout(() => this.end(reason), this.isIdle ? 0 : COMPUTE.grace);
    await this.#over;
    clearTimeout(timer);
  }

  #kill(): void {
    const { pid } = this.#child;
    if (pid === undefined) return;
    try {
      process.kill(-pid, "SIGKILL");
    } catch {
      // Nobody is left in its group.
    }
  }

  #say(message: ToWorker, body?: string): void {
    this.#channel.send(message, body);
  }

  #heard(message: FromWorker, body: string): void {
    switch (message.type) {
      case "ready":
        clearTimeout(this.#startTimer);
        this.#ownMemory = residentMemory(this.#child.pid ?? 0) + COMPUTE.nodeGrowth;
        this.#setReady();
        break;
      case "described": {
        const asked = this.#described.get(message.file);
        this.#described.delete(message.file);
        if (message.error !== undefined) asked?.reject(TetherError.fromJSON(message.error));
        else asked?.resolve(parseJson(body) as Description[]);
        break;
      }
      case "call":
        this.#answer(message, body);
        break;
      case "crash":
        this.end(new TetherError("internal", message.message));
        break;
      case "result": {
        const running = this.#running.get(message.id);
        this.#running.delete(message.id);
        if (this.#running.size === 0) this.#stopWatching();
        if (message.error !== undefined) running?.fail(TetherError.fromJSON(message.error));
        else running?.succeed(body, message.streamed === true);
        if (this.#isStopping && this.isIdle) this.end(new TetherError("cancelled", "the agent is stopping"));
        break;
      }
      case "progress":
        this.#running.get(message.id)?.progress(body);
        break;
      case "yield":
        this.#take(message.id, body);
        break;
      case "log": {
        const running = this.#running.get(message.id);
        if (running === undefined) break;
        const { name, context } = running.task;
        this.#options.log.info("procedure-log", `${name}: ${message.message}`, {
          procedure: name,
          label: context.caller.label,
        });
      }
    }
  }

  /** Takes a yielded result, and lets the process go on once whoever gets it has room for more. */
  #take(id: number, body: string): void {
    const running = this.#running.get(id);
    if (running === undefined) return;
    const credit = () => {
      const bytes = running.dealtWith(Buffer.byteLength(body));
      if (bytes > 0) this.#say({ type: "credit", id, bytes });
    };
    try {
      const taken = running.take(body);
      if (taken === undefined) credit();
      else taken.then(credit, () => undefined);
    } catch (thrown) {
      const error = asTetherError(thrown);
      this.#running.delete(id);
      running.fail(error);
      // Nobody listens to it any more, and it does not know.
      this.end(error);
    }
  }

  /** Calls another procedure for one that runs here, with the role of the one who called that. */
  async #answer({ id, parent, method }: FromWorker & { type: "call" }, params: string): Promise<void> {
    this.#nested++;
    try {
      const context = this.#running.get(parent)?.task.context;
      if (context === undefined) throw new TetherError("cancelled", "the call that this one served is over");
      if (this.#nested > COMPUTE.nestedCalls) {
        throw new TetherError("busy", `more than ${COMPUTE.nestedCalls} calls at once by one procedure`);
      }
      const nested = new NestedContext(context, this, COMPUTE.grace);
      const result = await this.#options.call(method, parseJson(params), nested);
      this.#say({ type: "answer", id }, writeJson(result));
    } catch (thrown) {
      this.#say({ type: "answer", id, error: { ...asTetherError(thrown).toJSON() } });
    }
    this.#nested--;
  }

  #watchMemory(): void {
    this.#memoryTimer ??= setInterval(() => {
      if (this.#usedMemory() > this.#options.memory) this.end(this.#outOfMemory());
    }, COMPUTE.memoryInterval);
  }

  /** Bytes in use beyond what the process takes for itself, as they were some milliseconds ago at most. */
  #usedMemory(): number {
    if (this.#ownMemory === undefined) return 0;
    const now = performance.now();
    // Small calls must not cost a look each.
    if (now - this.#lookedAt >= COMPUTE.memoryInterval / 2) {
      this.#lookedAt = now;
      this.#used = residentMemory(this.#child.pid ?? 0) - this.#ownMemory;
    }
    return this.#used;
  }

  #stopWatching(): void {
    clearInterval(this.#memoryTimer);
    this.#memoryTimer = undefined;
  }

  #readOutput(): void {
    const { log } = this.#options;
    const { stdout, stderr } = this.#child as { stdout: Readable; stderr: Readable };
    const say = (line: string) => {
      const [running] = this.#running.values();
      log.info("procedure-output", line, { procedure: running?.task.name });
    };
    readLines(stdout, say);
    readLines(stderr, (line) => {
      // What V8 prints when the heap is full goes on for pages.
      if (/^<--- Last few GCs --->|^FATAL ERROR: .*heap/.test(line)) this.#heapIsFull = true;
      if (!this.#heapIsFull) say(line);
    });
  }

  #outOfMemory(): TetherError {
    const [running] = this.#running.values();
    const who = running === undefined ? "a file of procedures" : running.task.name;
    const mebibytes = Math.round(this.#options.memory / 2 ** 20);
    return new TetherError("limit", `${who} used more than ${mebibytes} MiB of memory`, {
      hint: "use less, or raise compute.memory",
    });
  }

  #ended(how: string): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#kill();
    clearTimeout(this.#startTimer);
    this.#stopWatching();
    const [running] = this.#running.values();
    const what = running === undefined ? "the process" : `the process of ${running.task.name}`;
    this.#reason ??= this.#heapIsFull ? this.#outOfMemory() : new TetherError("internal", `${what} ${how}`);
    for (const task of this.#running.values()) task.fail(this.#reason);
    for (const { reject } of this.#described.values()) reject(this.#reason);
    this.#running.clear();
    this.#described.clear();
    this.#setReady();
    this.#setOver();
    this.#options.onEnded(this);
  }
}
