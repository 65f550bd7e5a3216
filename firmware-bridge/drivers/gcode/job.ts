import { asTetherError, TetherError } from "../../../protocol/errors.ts";
import type { DeviceRecord } from "../../value.ts";
import type { CommandFiles, CommandSurroundings, SourceFile } from "../driver.ts";
import type { FlowLine } from "./line-flow.ts";
import type { Machine } from "./machine.ts";
import { type ProgramLine, programLines } from "./program.ts";

/** How a job stands. */
type JobState = "checking" | "running" | "held" | "stopping" | "done" | "failed" | "stopped";

/** Hears how far a job is. */
type ProgressListener = CommandSurroundings["progress"];

/** A program on its way from a file to a machine. It ends once, and never begins again. */
export class Job {
  readonly file: string;
  /** Who asked for it. */
  readonly by: string;
  readonly since = new Date().toISOString();
  /** Settles when it has ended; the machine has been brought to rest by then. */
  readonly finished: Promise<DeviceRecord>;
  readonly #listeners = new Set<ProgressListener>();
  readonly #ending = new AbortController();
  readonly #machine: Machine;
  readonly #files: CommandFiles;
  readonly #settle: { resolve(result: DeviceRecord): void; reject(error: TetherError): void };
  #state: JobState = "checking";
  #lines = 0;
  #done = 0;
  #size = 0;
  #started = false;
  /** False once the machine has stopped by itself, or is gone. */
  #mayStop = true;
  /** The line that waits for room, and what happens when it need not any more. */
  #next: { readonly line: FlowLine; readonly handedOver: () => void } | undefined;
  /** Lines that the machine has not answered. */
  #unanswered = 0;
  #answered = () => {};
  #gate: Promise<void> | undefined;
  #open = () => {};
  #note = "";

  constructor(options: {
    readonly file: string;
    readonly by: string;
    readonly machine: Machine;
    readonly files: CommandFiles;
  }) {
    this.file = options.file;
    this.by = options.by;
    this.#machine = options.machine;
    this.#files = options.files;
    let resolve: (result: DeviceRecord) => void = () => {};
    let reject: (error: TetherError) => void = () => {};
    this.finished = new Promise((...both) => {
      [resolve, reject] = both;
    });
    this.#settle = { resolve, reject };
    // Whoever waits for it is told; it may end with nobody waiting.
    this.finished.catch(() => undefined);
  }

  get state(): JobState {
    return this.#state;
  }

  /** True until it has ended. */
  get isActive(): boolean {
    return !["done", "failed", "stopped"].includes(this.#state);
  }

  /** True when nothing of it is sent any more. */
  get isEnding(): boolean {
    return this.#ending.signal.aborted;
  }

  /** True when the machine may have something of it. */
  get hasStarted(): boolean {
    return this.#started;
  }

  /** As `status` shows it. */
  get facts(): DeviceRecord {
    return {
      job: this.#state,
      jobFile: this.file,
      jobBy: this.by,
      jobSince: this.since,
      jobDone: this.#done,
      jobLines: this.#lines,
      jobNote: this.#note,
    };
  }

  /** Percent of the file's lines that the machine has taken. */
  get percent(): number {
    return this.#lines === 0 ? 0 : Math.floor((100 * this.#done) / this.#lines);
  }

  /** One line on who has the machine. */
  get holder(): string {
    return `${this.by} streams ${this.file} to it since ${this.since}${this.#state === "held" ? ", held" : ""}`;
  }

  /** Hears of its progress; what it gives ends that. */
  follow(listener: ProgressListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Reads the file, then sends it; settles {@link finished} and never throws. */
  async run(): Promise<void> {
    const start = performance.now();
    const { signal } = this.#ending;
    try {
      await this.#check();
      await this.#machine.checkIdle(signal);
      if (this.#state === "checking") this.#state = "running";
      this.#started = true;
      await this.#send();
      const machine = await this.#machine.settled(signal);
      signal.throwIfAborted();
      this.#state = "done";
      const seconds = Math.round(performance.now() - start) / 1000;
      this.#settle.resolve({ file: this.file, lines: this.#lines, bytes: this.#size, seconds, machine });
    } catch (thrown) {
      await this.#fail(asTetherError(signal.reason ?? thrown));
    }
  }

  /** Sends nothing more until {@link resume}; `note` says why. */
  hold(note: string): void {
    if (this.#state !== "running" && this.#state !== "checking") return;
    this.#state = "held";
    this.#note = note;
    if (this.#next !== undefined) this.#machine.flow.withdraw(this.#next.line);
    this.#gate = new Promise((resolve) => {
      this.#open = resolve;
    });
  }

  resume(): void {
    if (this.#state !== "held") return;
    this.#state = this.#started ? "running" : "checking";
    this.#note = "";
    this.#gate = undefined;
    this.#open();
    if (this.#next !== undefined) this.#machine.flow.add(this.#next.line);
  }

  /**
   * Ends it: from now on nothing of it is sent. Only the first reason counts.
   *
   * @param mayStop false when the machine has stopped by itself, or is gone: it is left alone then
   */
  end(reason: TetherError, mayStop = true): void {
    if (!this.isActive || this.isEnding) return;
    this.#state = "stopping";
    this.#note = reason.message;
    this.#mayStop = mayStop;
    this.#ending.abort(reason);
    const next = this.#next;
    if (next !== undefined && this.#machine.flow.withdraw(next.line)) this.#unanswered--;
    next?.handedOver();
    this.#open();
    this.#answered();
  }

  /** Reads the whole file once: a mistake in its last line shows before anything moves. */
  async #check(): Promise<void> {
    const file = await this.#files.open(this.file);
    this.#size = file.size;
    for await (const _line of this.#read(file)) this.#lines++;
    if (this.#lines === 0) throw new TetherError("invalid", `${this.file} has no line for the machine`);
  }

  async *#read(file: SourceFile): AsyncGenerator<ProgramLine> {
    try {
      for await (const line of programLines(file.pieces(), this.#machine.rules)) {
        this.#ending.signal.throwIfAborted();
        yield line;
      }
    } catch (thrown) {
      const { code, message } = asTetherError(thrown);
      throw new TetherError(code, `${this.file}, ${message}`, { cause: thrown });
    } finally {
      await file.close();
    }
  }

  async #send(): Promise<void> {
    const file = await this.#files.open(this.file);
    if (file.size !== this.#size) {
      await file.close();
      throw new TetherError("integrity", `${this.file} was changed meanwhile`);
    }
    for await (const line of this.#read(file)) {
      while (this.#gate !== undefined && !this.isEnding) await this.#gate;
      this.#ending.signal.throwIfAborted();
      await this.#handOver(line);
    }
    while (this.#unanswered > 0 && !this.isEnding) {
      await new Promise<void>((resolve) => {
        this.#answered = resolve;
      });
    }
    this.#ending.signal.throwIfAborted();
  }

  /** Resolves when the line is out, or the job ends. */
  #handOver({ text, number }: ProgramLine): Promise<void> {
    return new Promise((resolve) => {
      const handedOver = () => {
        this.#next = undefined;
        resolve();
      };
      const line: FlowLine = {
        text,
        written: handedOver,
        settled: (outcome) => {
          this.#unanswered--;
          if (outcome.ok) this.#advance(`line ${number}: ${text}`);
          else this.end(located(outcome.error, this.file, number, text));
          if (this.#next?.line === line) handedOver();
          this.#answered();
        },
      };
      this.#unanswered++;
      this.#next = { line, handedOver };
      this.#machine.flow.add(line);
    });
  }

  #advance(note: string): void {
    this.#done++;
    for (const listener of this.#listeners) listener({ done: this.#done, total: this.#lines, note });
  }

  async #fail(error: TetherError): Promise<void> {
    this.end(error);
    // What it took of the program is not to be carried out: what should follow does not come.
    if (this.#started && this.#mayStop) await this.#machine.stop().catch(() => undefined);
    this.#state = error.code === "cancelled" ? "stopped" : "failed";
    const taken = this.#started ? `; the machine had taken ${this.#done} of ${this.#lines} lines` : "";
    this.#note = `${error.message}${taken}`;
    this.#settle.reject(new TetherError(error.code, this.#note, { hint: error.hint, cause: error }));
  }
}

/** An error with the line of the program that it came of. */
function located(error: TetherError, file: string, number: number, text: string): TetherError {
  const { code, message, hint } = error;
  return new TetherError(code, `${file}, line ${number}, ${text}: ${message}`, { hint, cause: error });
}
