import { type ChildProcess, spawn } from "node:child_process";
import { statSync } from "node:fs";
import { constants, homedir } from "node:os";
import { resolve } from "node:path";
import type { Readable, Writable } from "node:stream";
import { asTetherError, PROGRAMS, type TerminalSize, TetherError } from "../../protocol/index.ts";
import { makeOutputPipes } from "./pipes.ts";
import { ProcessGroup } from "./process-group.ts";

/** What to run, and in what surroundings. */
export interface ProgramOptions {
  readonly command: readonly string[];
  /** Absolute, or from the home folder, which it is unless given. */
  readonly cwd?: string | undefined;
  readonly environment: NodeJS.ProcessEnv;
  /** Whether somebody is going to write to it; it reads nothing otherwise. */
  readonly input: boolean;
  /** A descriptor of its own, 3, on which it is told how large its terminal is. */
  readonly control?: boolean;
}

/** How a program ended. */
export interface Ending {
  /** Its exit code; 128 + N when signal N ended it. */
  readonly code: number;
  readonly signal?: NodeJS.Signals;
}

/** A program that runs, in a process group of its own. */
export class Program {
  readonly pid: number;
  /** What it reads; absent unless asked for. */
  readonly stdin: Writable | undefined;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** Settles when it has ended and all its output has been read. */
  readonly ended: Promise<Ending>;
  readonly #child: ChildProcess;
  readonly #group: ProcessGroup;
  readonly #over: Promise<void>;

  constructor(child: ChildProcess, pid: number, pipes: Pick<Program, "stdout" | "stderr">) {
    this.#child = child;
    this.pid = pid;
    this.#group = new ProcessGroup(pid);
    this.stdin = child.stdin ?? undefined;
    this.stdout = pipes.stdout;
    this.stderr = pipes.stderr;
    const exited = new Promise<Ending>((done) => {
      child.once("exit", (code, signal) => {
        done(signal === null ? { code: code ?? 0 } : { code: 128 + constants.signals[signal], signal });
      });
    });
    const read = [this.stdout, this.stderr].map(
      (output) => new Promise((done) => output.once("close", done)),
    );
    this.ended = Promise.all([exited, ...read]).then(([ending]) => ending);
    this.#over = this.ended.then(() => (this.#group.isEnding ? this.#group.end() : undefined));
  }

  /** Settles when it has ended, and once {@link end} was called the whole group with it. */
  get over(): Promise<void> {
    return this.#over;
  }

  /** Ends the whole process group; see {@link ProcessGroup.end}. */
  end(): void {
    if (this.#group.isEnding) return;
    void this.#group.end().then(() => {
      // What left the group may hold the output open for ever.
      setTimeout(() => {
        this.stdout.destroy();
        this.stderr.destroy();
      }, PROGRAMS.lastOutput).unref();
    });
  }

  /** Tells it how large its terminal is; only for one with `control`. */
  resize({ columns, rows }: TerminalSize): void {
    const control = this.#child.stdio[3] as Writable | null | undefined;
    if (control?.writable) control.write(`${rows} ${columns}\n`);
  }
}

/**
 * Starts a program, without a shell between; `folder` is where its pipes have their names while they are made.
 *
 * @throws TetherError `not-found` where there is no such program, `forbidden` where it may not be run, `invalid`
 * for a working folder that is none
 */
export async function startProgram(options: ProgramOptions, folder: string): Promise<Program> {
  const { command, environment, input, control } = options;
  const [file = "", ...args] = command;
  const cwd = workingFolder(options.cwd);
  const pipes = await makeOutputPipes(folder);
  const { stdout, stderr, theirs } = pipes;
  for (const output of [stdout, stderr]) output.on("error", () => undefined);
  try {
    return await new Promise((done, fail) => {
      const child = spawn(file, args, {
        cwd,
        env: environment,
        detached: true,
        stdio: [input ? "pipe" : "ignore", ...theirs, ...(control ? (["pipe"] as const) : [])],
      });
      child.once("error", (error) => fail(startError(file, error)));
      // A program may close its input, or end, while there is more for it.
      for (const stream of child.stdio) stream?.on("error", () => undefined);
      const { pid } = child;
      if (pid === undefined) return;
      const program = new Program(child, pid, { stdout, stderr });
      child.once("spawn", () => done(program));
    });
  } catch (error) {
    for (const output of [stdout, stderr]) output.destroy();
    throw error;
  } finally {
    pipes.handOver();
  }
}

function workingFolder(given: string | undefined): string {
  const home = homedir();
  const path = given === undefined ? home : resolve(home, given);
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) return path;
  // A service's user may have a home that is not there.
  if (given === undefined) return "/";
  throw new TetherError("invalid", `there is no folder ${path} to run in`);
}

function startError(file: string, error: NodeJS.ErrnoException): TetherError {
  switch (error.code) {
    case "ENOENT":
    case "ENOTDIR":
      return new TetherError("not-found", `there is no program ${file}`);
    case "EACCES":
    case "EISDIR":
      return new TetherError("forbidden", `${file} is no program that may be run`);
    default:
      return asTetherError(error);
  }
}
