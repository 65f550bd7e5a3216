import type { Readable } from "node:stream";
import { asTetherError, type JsonObject, TetherError } from "../../protocol/index.ts";
import type { ProcessMark } from "../../transfer/index.ts";
import type { JobOutput, OutputName, OutputPart } from "./job-output.ts";
import type { Program } from "./program.ts";

/** How a job ended, where it did not end by itself. */
export type JobFate = "cancelled" | "agent-stopped" | "agent-restarted";

/** What is kept of a job on disk. A type, so that it is a JsonObject. */
export type JobRecord = {
  id: string;
  command: string[];
  cwd: string | null;
  /** Label of the controller that started it. */
  by: string;
  startedAt: string;
  endedAt: string | null;
  /** 128 + N when signal N ended it; null while it runs, and where nobody saw it end. */
  exitCode: number | null;
  signal: string | null;
  fate: JobFate | null;
  /** The process, so that one that outlives a killed agent is found. */
  process: ProcessMark | null;
};

/** One job, running or ended. */
export class Job {
  readonly output: JobOutput;
  /** Settles when it has ended and that is on disk. */
  ended: Promise<void> = Promise.resolve();
  #record: JobRecord;
  #program: Program | undefined;
  #fate: JobFate | undefined;

  constructor(record: JobRecord, output: JobOutput) {
    this.#record = record;
    this.output = output;
  }

  get record(): JobRecord {
    return this.#record;
  }

  get isRunning(): boolean {
    return this.#record.endedAt === null;
  }

  /** What lists show. */
  describe(): JsonObject {
    const { output, isRunning } = this;
    const { process: _process, ...facts } = this.#record;
    return {
      ...facts,
      state: isRunning ? "running" : "ended",
      outputBytes: output.end,
      keptBytes: output.end - output.start,
    };
  }

  /** Follows a program until its end; `save` puts the record on disk. */
  follow(program: Program, save: (record: JobRecord) => Promise<void>): void {
    this.#program = program;
    this.ended = this.#follow(program, save);
  }

  /** Ends it, for a reason that is kept. Does nothing when it has ended. */
  end(fate: JobFate): void {
    if (!this.isRunning || this.#program === undefined) return;
    this.#fate ??= fate;
    this.#program.end();
  }

  /** Takes note that it ended while nobody was there to see. */
  missed(at: Date): void {
    this.#record = { ...this.#record, endedAt: at.toISOString(), fate: "agent-restarted" };
  }

  /** Waits until there is output after `from`, or the job has ended, or nobody waits any more. */
  async more(from: number, signal: AbortSignal): Promise<void> {
    const { output } = this;
    if (output.end > from || !this.isRunning) return;
    let stopListening = () => {};
    let onAbort = () => {};
    try {
      await new Promise<void>((resolve) => {
        onAbort = resolve;
        signal.addEventListener("abort", onAbort);
        stopListening = output.onMore(() => {
          if (output.end > from) resolve();
        });
        void this.ended.then(resolve);
        if (signal.aborted) resolve();
      });
    } finally {
      stopListening();
      signal.removeEventListener("abort", onAbort);
    }
    if (signal.aborted) throw asTetherError(signal.reason);
  }

  /** Output from a position on, at most about `most` bytes. */
  read(from: number, most: number): Promise<OutputPart> {
    return this.output.read(from, most).catch((thrown) => {
      if ((thrown as NodeJS.ErrnoException).code !== "ENOENT") throw thrown;
      // The oldest was given up while it was read.
      if (this.output.end === 0)
        throw new TetherError("not-found", `the output of ${this.record.id} is gone`);
      return this.output.read(from, most);
    });
  }

  async #follow(program: Program, save: (record: JobRecord) => Promise<void>): Promise<void> {
    const fail = () => program.end();
    for (const [name, stream] of [
      ["stdout", program.stdout],
      ["stderr", program.stderr],
    ] as const) {
      keep(stream, name, this.output, fail);
    }
    const { code, signal } = await program.ended;
    await program.over;
    await this.output.close();
    this.#record = {
      ...this.#record,
      endedAt: new Date().toISOString(),
      exitCode: code,
      signal: signal ?? null,
      fate: this.#fate ?? null,
    };
    await save(this.#record);
  }
}

/** Writes what comes to the job's output; a full disk ends the job, for its output would have a hole. */
function keep(stream: Readable, name: OutputName, output: JobOutput, fail: () => void): void {
  stream.on("data", (bytes: Buffer) => {
    stream.pause();
    output.append(name, bytes).then(
      () => stream.resume(),
      () => {
        fail();
        stream.resume();
      },
    );
  });
}
