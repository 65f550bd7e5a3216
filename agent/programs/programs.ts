import { PROGRAMS, TetherError } from "../../protocol/index.ts";
import { type Program, type ProgramOptions, startProgram } from "./program.ts";
import { WorkFolders } from "./work-folder.ts";

/** The programs that run for controllers: whether any may, how many, and that none is left in the end. */
export class Programs {
  readonly work: WorkFolders;
  readonly #allowed: () => boolean;
  readonly #running = new Set<Program>();
  readonly #cleaning = new Set<Promise<void>>();
  #starting = 0;
  #stopped = false;

  /** `workPath` is the folder of the work folders; `allowed` says whether programs may be run now. */
  constructor(workPath: string, allowed: () => boolean) {
    this.work = new WorkFolders(workPath);
    this.#allowed = allowed;
  }

  start(): void {
    this.work.start();
  }

  /** Ends all that run; settles when none is left. */
  async stop(): Promise<void> {
    this.#stopped = true;
    for (const program of this.#running) program.end();
    await Promise.all([...this.#running].map((program) => program.over));
    await Promise.all(this.#cleaning);
  }

  /** Throws `forbidden` unless programs may be run now. */
  check(): void {
    this.#checkRunning();
    if (this.#allowed()) return;
    throw new TetherError("forbidden", "this agent runs no programs: compute.exec is false");
  }

  /** Starts a program; `bound` is how many may run at once. Throws `busy`, and as {@link startProgram}. */
  async run(options: ProgramOptions, bound: number = PROGRAMS.atOnce): Promise<Program> {
    this.check();
    return await this.#run(options, bound);
  }

  /**
   * Starts a program that the agent itself has chosen: whether controllers may run theirs is not asked. Throws as
   * {@link run}.
   */
  async runChosen(options: ProgramOptions): Promise<Program> {
    this.#checkRunning();
    return await this.#run(options, PROGRAMS.atOnce);
  }

  #checkRunning(): void {
    if (this.#stopped) throw new TetherError("unreachable", "the agent is stopping");
  }

  async #run(options: ProgramOptions, bound: number): Promise<Program> {
    if (this.#running.size + this.#starting >= bound) {
      throw new TetherError("busy", `${this.#running.size} programs are running already`);
    }
    this.#starting++;
    try {
      const program = await startProgram(options, this.work.path);
      this.#running.add(program);
      void program.over.then(() => this.#running.delete(program));
      if (this.#stopped) program.end();
      return program;
    } finally {
      this.#starting--;
    }
  }

  /** Has {@link stop} wait for work that comes after a program's end. */
  follow(work: Promise<void>): void {
    this.#cleaning.add(work);
    void work.finally(() => this.#cleaning.delete(work));
  }
}
