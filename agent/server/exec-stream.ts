import type { Readable } from "node:stream";
import {
  asTetherError,
  PROGRAM_CHANNEL,
  PROGRAMS,
  type ProgramOrder,
  type ProgramReport,
  type ProgramRequest,
  readProgramOrder,
  readProgramRequest,
  type Stream,
  TetherError,
  WIRE,
} from "../../protocol/index.ts";
import type { Log } from "../log.ts";
import type { Caller } from "../procedures/index.ts";
import {
  type PlacedScript,
  type Program,
  type Programs,
  programEnvironment,
  resultFiles,
  terminalCommand,
} from "../programs/index.ts";

/** Exit codes of a shell for a program that may not be run, and for one that is not there. */
const CANNOT_RUN = 126;
const NO_PROGRAM = 127;
/** Bytes of a file that are read at once. */
const PIECE = 256 * 1024;

/**
 * Serves a stream of kind `exec`: a request, then the program's input and output in DATA, orders one way and
 * reports the other. When the stream ends before the program, the program's whole process group is ended.
 */
export function serveExec(stream: Stream, caller: Caller, programs: Programs, log: Log): void {
  stream.handlers = {
    onDocument(text) {
      try {
        programs.check();
        const request = readProgramRequest(text);
        programs.follow(new Execution(stream, request, { caller, programs, log }).run());
      } catch (thrown) {
        const error = asTetherError(thrown);
        log.warn("program-refused", `refused a program to ${caller.label}: ${error.message}`, {
          label: caller.label,
          address: caller.origin,
          code: error.code,
        });
        stream.reset(error);
      }
    },
  };
}

interface Surroundings {
  readonly caller: Caller;
  readonly programs: Programs;
  readonly log: Log;
}

/** One program and the controller that waits for it. */
class Execution {
  readonly #stream: Stream;
  readonly #request: ProgramRequest;
  readonly #around: Surroundings;
  /** What came before the program was there. */
  readonly #early: Buffer[] = [];
  #ended = false;
  #program: Program | undefined;
  #over: TetherError | undefined;
  /** Goes on with what waits for the stream to take more. */
  #onDrain: () => void = () => undefined;

  constructor(stream: Stream, request: ProgramRequest, around: Surroundings) {
    this.#stream = stream;
    this.#request = request;
    this.#around = around;
    stream.handlers = {
      onData: (bytes) => this.#input(bytes),
      onDocument: (text) => this.#order(readProgramOrder(text)),
      onReset: (error) => this.#abandoned(error),
      onEnd: () => this.#order({ order: "end-of-input" }),
      onDrain: () => this.#onDrain(),
    };
  }

  async run(): Promise<void> {
    const { script } = this.#request;
    const { programs } = this.#around;
    let placed: PlacedScript | undefined;
    try {
      placed = script && programs.work.place(script.name, script.content);
      await this.#run(placed);
    } catch (thrown) {
      this.#program?.end();
      this.#stream.reset(asTetherError(thrown));
    } finally {
      // Nobody may write there any more when it is removed.
      await this.#program?.over;
      if (placed !== undefined) await programs.work.remove(placed.folder);
    }
  }

  async #run(placed: PlacedScript | undefined): Promise<void> {
    const command = [...(placed?.command ?? []), ...this.#request.command];
    const program = await this.#start(command, placed?.folder);
    if (program === undefined) return;
    this.#program = program;
    const { label, origin } = this.#around.caller;
    const facts = { label, address: origin, pid: program.pid };
    const shown = shownCommand(this.#request);
    this.#around.log.info("program-started", `${label} runs ${shown}`, { ...facts, command: shown });
    const since = performance.now();
    if (this.#over !== undefined) program.end();
    else this.#connect(program);
    const ending = await program.ended;
    const { signal } = ending;
    this.#around.log.info(
      "program-ended",
      `a program of ${label} ended with ${signal ?? `exit code ${ending.code}`}`,
      {
        ...facts,
        exitCode: ending.code,
        signal,
        seconds: Math.round(performance.now() - since) / 1000,
        ...(this.#over && { reason: this.#over.message }),
      },
    );
    if (this.#over !== undefined) return;
    if (placed !== undefined && this.#request.fetch !== undefined) {
      await this.#sendFiles(placed.folder, this.#request.fetch);
    }
    this.#report({ report: "ended", ...ending });
  }

  /** Undefined when it could not be started, which has been reported then. */
  async #start(command: readonly string[], folder: string | undefined): Promise<Program | undefined> {
    const { terminal, environment, cwd } = this.#request;
    try {
      return await this.#around.programs.run({
        command: terminal === undefined ? command : terminalCommand(command, terminal),
        cwd: cwd ?? folder,
        environment: programEnvironment({ ...(terminal && { TERM: terminal.type }), ...environment }),
        input: true,
        control: terminal !== undefined,
      });
    } catch (thrown) {
      const error = asTetherError(thrown);
      const code = { "not-found": NO_PROGRAM, forbidden: CANNOT_RUN }[error.code as string];
      if (code === undefined) throw error;
      this.#report({ report: "ended", code, note: error.message });
      return undefined;
    }
  }

  #connect(program: Program): void {
    const stream = this.#stream;
    stream.grant(PROGRAMS.window - WIRE.initialWindow);
    let waiting = 0;
    const outputs = [program.stdout, program.stderr];
    const forward = (output: Readable, channel: number) => {
      output.on("data", (bytes: Buffer) => {
        stream.sendData(bytes, channel);
        waiting += bytes.length;
        if (waiting >= PROGRAMS.waiting) for (const one of outputs) one.pause();
      });
    };
    forward(program.stdout, PROGRAM_CHANNEL.standard);
    forward(program.stderr, PROGRAM_CHANNEL.error);
    this.#onDrain = () => {
      if (waiting >= PROGRAMS.waiting) for (const one of outputs) one.resume();
      waiting = 0;
    };
    for (const bytes of this.#early.splice(0)) this.#input(bytes);
    if (this.#ended) program.stdin?.end();
  }

  #input(bytes: Buffer): void {
    const program = this.#program;
    if (program === undefined) {
      this.#early.push(bytes);
      return;
    }
    const { stdin } = program;
    // Once the program has closed its input nobody wants the rest.
    if (stdin?.writable) stdin.write(bytes, () => this.#stream.consumed(bytes.length));
    else this.#stream.consumed(bytes.length);
  }

  #order(order: ProgramOrder | undefined): void {
    switch (order?.order) {
      case "end-of-input":
        this.#ended = true;
        this.#program?.stdin?.end();
        break;
      case "terminate":
        if (this.#program === undefined) this.#abandoned(new TetherError("cancelled", "cancelled"));
        else this.#program.end();
        break;
      case "resize":
        this.#program?.resize(order);
        break;
    }
  }

  /** Nobody reads any more. */
  #abandoned(reason: TetherError): void {
    this.#over = reason;
    this.#onDrain();
    const program = this.#program;
    if (program === undefined) {
      this.#stream.reset(reason);
      return;
    }
    program.end();
    for (const output of [program.stdout, program.stderr]) output.removeAllListeners("data").resume();
  }

  async #sendFiles(folder: string, patterns: readonly string[]): Promise<void> {
    const except = this.#request.script?.name ?? "";
    for await (const { path, size, mode, handle } of resultFiles(folder, patterns, except)) {
      try {
        this.#report({ report: "file", path, size, mode });
        for (let at = 0; at < size && this.#over === undefined; ) {
          const piece = Buffer.allocUnsafe(Math.min(PIECE, size - at));
          const { bytesRead } = await handle.read(piece, 0, piece.length, at);
          if (bytesRead === 0) throw new TetherError("integrity", `${path} changed while it was read`);
          at += bytesRead;
          await this.#sent(piece.subarray(0, bytesRead));
        }
      } finally {
        await handle.close();
      }
    }
  }

  #sent(bytes: Buffer): Promise<void> {
    return new Promise((resolve) => {
      if (this.#over !== undefined) {
        resolve();
        return;
      }
      this.#onDrain = resolve;
      this.#stream.sendData(bytes, PROGRAM_CHANNEL.file);
    });
  }

  #report(report: ProgramReport): void {
    this.#stream.sendDocument(JSON.stringify(report), report.report === "ended");
  }
}

/** For the log. */
function shownCommand({ script, command }: ProgramRequest): string {
  return [...(script ? [script.name] : []), ...command].join(" ").slice(0, 300);
}
