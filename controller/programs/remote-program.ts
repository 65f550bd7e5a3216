import type { Readable } from "node:stream";
import {
  asTetherError,
  globMatcher,
  PROGRAM_CHANNEL,
  PROGRAMS,
  type ProgramOrder,
  type ProgramRequest,
  readProgramReport,
  type Stream,
  type TerminalSize,
  TetherError,
  WIRE,
  writeProgramRequest,
} from "../../protocol/index.ts";
import type { Client } from "../client.ts";
import { FetchedFiles } from "./fetched-files.ts";
import type { ProgramOutput } from "./output-file.ts";

/** Exit code of a shell for a program that SIGPIPE ended. */
const BROKEN_PIPE = 141;

/** Where a program's input comes from and its output goes. */
export interface ProgramEnds {
  readonly stdin: Readable;
  readonly stdout: ProgramOutput;
  readonly stderr: ProgramOutput;
  /** Ends the program, with SIGTERM first. */
  readonly signal: AbortSignal;
  /** Calls back whenever the terminal has another size. */
  readonly onResize?: (listener: (size: TerminalSize) => void) => void;
  /** Into which folder what was asked for is brought. */
  readonly folder?: string;
}

/** How a program ended. */
export interface ProgramOutcome {
  /** Its exit code; 128 + N when signal N ended it. */
  readonly code: number;
  readonly signal?: string;
  /** For people: why it could not be started. */
  readonly note?: string;
}

/**
 * Runs a program on an agent to its end, its input and output streaming.
 *
 * @throws TetherError what keeps it from running, `unreachable` when the connection is lost, and what `signal` is
 * aborted with, once the program has ended
 */
export async function runProgram(
  client: Client,
  request: ProgramRequest,
  ends: ProgramEnds,
): Promise<ProgramOutcome> {
  ends.signal.throwIfAborted();
  const run = new Run(client, request, ends);
  try {
    const outcome = await run.done;
    await run.flushed();
    return outcome;
  } finally {
    run.release();
    ends.stdin.destroy();
  }
}

class Run {
  readonly done: Promise<ProgramOutcome>;
  readonly #stream: Stream;
  readonly #ends: ProgramEnds;
  readonly #files: FetchedFiles | undefined;
  readonly #onAbort: () => void;
  readonly #writing = new Set<Promise<void>>();
  #resolve: (outcome: ProgramOutcome) => void = () => undefined;
  #reject: (error: TetherError) => void = () => undefined;
  #waiting = 0;
  #reported = false;

  constructor(client: Client, request: ProgramRequest, ends: ProgramEnds) {
    this.#ends = ends;
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    const tests = request.fetch?.map((pattern) => globMatcher(pattern)) ?? [];
    if (ends.folder !== undefined) {
      this.#files = new FetchedFiles(ends.folder, (path) => tests.some((fits) => fits(path)));
    }
    this.#stream = client.stream("exec", writeProgramRequest(request), {
      onData: (bytes, channel) => this.#output(bytes, channel),
      onDocument: (text) => this.#attempt(() => this.#report(text)),
      onEnd: () => {
        if (this.#reported) return;
        this.#reject(new TetherError("internal", "the agent did not say how the program ended"));
      },
      onReset: (error) => this.#reject(error),
      onDrain: () => this.#drained(),
    });
    this.#stream.grant(PROGRAMS.window - WIRE.initialWindow);
    this.#onAbort = () => this.#terminate();
    ends.signal.addEventListener("abort", this.#onAbort);
    ends.onResize?.((size) => this.#order({ order: "resize", ...size }));
    this.#read(ends.stdin);
  }

  release(): void {
    this.#ends.signal.removeEventListener("abort", this.#onAbort);
    this.#files?.abandon();
  }

  /** Waits until all output has left. */
  async flushed(): Promise<void> {
    await Promise.all(this.#writing);
  }

  #read(stdin: Readable): void {
    stdin.on("data", (bytes: Buffer) => {
      this.#stream.sendData(bytes, PROGRAM_CHANNEL.standard);
      this.#waiting += bytes.length;
      if (this.#waiting >= PROGRAMS.waiting) stdin.pause();
    });
    const end = () => this.#order({ order: "end-of-input" });
    stdin.once("end", end);
    // One that cannot be read, as of a process in the background, has nothing to say.
    stdin.once("error", end);
  }

  #drained(): void {
    if (this.#waiting >= PROGRAMS.waiting) this.#ends.stdin.resume();
    this.#waiting = 0;
  }

  #output(bytes: Buffer, channel: number): void {
    const work = this.#write(bytes, channel).then(
      () => this.#stream.consumed(bytes.length),
      (thrown) => this.#refused(thrown),
    );
    this.#writing.add(work);
    void work.finally(() => this.#writing.delete(work));
  }

  async #write(bytes: Buffer, channel: number): Promise<void> {
    if (channel === PROGRAM_CHANNEL.standard) await this.#ends.stdout.write(bytes);
    else if (channel === PROGRAM_CHANNEL.error) await this.#ends.stderr.write(bytes);
    else if (channel === PROGRAM_CHANNEL.file) await this.#files?.write(bytes);
  }

  #report(text: string): void {
    const report = readProgramReport(text);
    if (report?.report === "file") {
      if (this.#files === undefined) throw new TetherError("invalid", "a file that nobody asked for");
      const begun = this.#files.begin(report).catch((thrown) => this.#refused(thrown));
      this.#writing.add(begun);
      void begun.finally(() => this.#writing.delete(begun));
    } else if (report?.report === "ended") {
      const { report: _report, ...outcome } = report;
      this.#reported = true;
      const aborted = this.#ends.signal.aborted && this.#timeout();
      const ended = (this.#files?.finish() ?? Promise.resolve()).then(
        () => (aborted ? this.#reject(aborted) : this.#resolve(outcome)),
        (thrown) => this.#reject(asTetherError(thrown)),
      );
      this.#writing.add(ended);
      void ended.finally(() => this.#writing.delete(ended));
      if (!this.#stream.isOver) this.#stream.end();
    }
  }

  /** Whoever interrupts a program gets its exit code; whose time ran out is told so. */
  #timeout(): TetherError | undefined {
    const reason = asTetherError(this.#ends.signal.reason);
    return reason.code === "timeout" ? reason : undefined;
  }

  #order(order: ProgramOrder): void {
    if (!this.#stream.isOver) this.#stream.sendDocument(JSON.stringify(order));
  }

  #terminate(): void {
    const reason = asTetherError(this.#ends.signal.reason);
    this.#ends.stdin.pause();
    this.#order({ order: "terminate" });
    // Behind input that nobody reads the order would wait for ever, and its last words with it.
    if (this.#waiting > 0) {
      this.#stream.reset(reason);
      this.#reject(reason);
    }
  }

  /** Nobody takes the output any more. */
  #refused(thrown: unknown): void {
    const broken = (thrown as NodeJS.ErrnoException).code === "EPIPE";
    const error =
      thrown instanceof RangeError ? new TetherError("limit", thrown.message) : asTetherError(thrown);
    this.#stream.reset(error);
    if (broken) this.#resolve({ code: BROKEN_PIPE, signal: "SIGPIPE" });
    else this.#reject(error);
  }

  #attempt(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#refused(error);
    }
  }
}
