import { randomBytes } from "node:crypto";
import { mkdirSync, promises } from "node:fs";
import { join } from "node:path";
import { asTetherError, type JsonObject, PROGRAMS, TetherError } from "../../protocol/index.ts";
import { isRunning, markOf, readPrivateFile, writePrivateFile } from "../../transfer/index.ts";
import type { Log } from "../log.ts";
import { programEnvironment } from "./environment.ts";
import { Job, type JobRecord } from "./job.ts";
import { JobOutput } from "./job-output.ts";
import { ProcessGroup } from "./process-group.ts";
import type { Programs } from "./programs.ts";

/** The file of a job's folder that says what it is. */
const RECORD = "job.json";

/** What lists show of a job. */
export type JobDescription = JsonObject;

/** What to run, and for whom. */
export interface JobWish {
  readonly command: readonly string[];
  readonly cwd: string | undefined;
  readonly environment: { readonly [name: string]: string };
  readonly by: string;
  readonly origin: string;
}

/** Programs that go on when the controller that started them has gone. Their output is kept. */
export class Jobs {
  readonly #path: string;
  readonly #programs: Programs;
  readonly #log: Log;
  /** Oldest first. */
  readonly #jobs = new Map<string, Job>();

  /** `path` is the folder of the jobs' folders. */
  constructor(path: string, programs: Programs, log: Log) {
    this.#path = path;
    this.#programs = programs;
    this.#log = log;
  }

  /** Reads what jobs an earlier agent had; one that was running has ended with it. */
  async start(): Promise<void> {
    mkdirSync(this.#path, { recursive: true, mode: 0o700 });
    const found: Job[] = [];
    for (const name of await promises.readdir(this.#path)) {
      try {
        const job = await this.#load(name);
        if (job !== undefined) found.push(job);
      } catch (thrown) {
        this.#log.warn("job-unreadable", `the job ${name} cannot be read: ${asTetherError(thrown).message}`);
      }
    }
    found.sort((a, b) => (a.record.startedAt < b.record.startedAt ? -1 : 1));
    for (const job of found) this.#jobs.set(job.record.id, job);
  }

  /** Ends what runs; settles when none is left and how each ended is on disk. */
  async stop(): Promise<void> {
    const running = [...this.#jobs.values()].filter((job) => job.isRunning);
    for (const job of running) job.end("agent-stopped");
    await Promise.all(running.map((job) => job.ended));
  }

  /** All that are known, the oldest first. */
  list(): JobDescription[] {
    return [...this.#jobs.values()].map((job) => job.describe());
  }

  /** Throws `not-found`. */
  get(id: string): Job {
    const job = this.#jobs.get(id);
    if (job !== undefined) return job;
    throw new TetherError("not-found", `there is no job ${JSON.stringify(id.slice(0, 40))}`, {
      hint: "`tether jobs` lists them",
    });
  }

  /** Starts one. Throws as `Programs.run`, and what keeps it from being written down. */
  async run({ command, cwd, environment, by, origin }: JobWish): Promise<Job> {
    this.#programs.check();
    const running = [...this.#jobs.values()].filter((job) => job.isRunning).length;
    if (running >= PROGRAMS.jobsAtOnce) throw new TetherError("busy", `${running} jobs are running already`);
    const id = randomBytes(5).toString("hex");
    const folder = join(this.#path, id);
    const record: JobRecord = {
      id,
      command: [...command],
      cwd: cwd ?? null,
      by,
      startedAt: new Date().toISOString(),
      endedAt: null,
      exitCode: null,
      signal: null,
      fate: null,
      process: null,
    };
    await promises.mkdir(folder, { mode: 0o700 });
    const save = (changed: JobRecord) => this.#save(changed);
    try {
      await writePrivateFile(join(folder, RECORD), JSON.stringify(record));
      const program = await this.#programs.run(
        { command, cwd, environment: programEnvironment(environment), input: false },
        Number.POSITIVE_INFINITY,
      );
      const marked = { ...record, process: markOf(program.pid) };
      const job = new Job(marked, new JobOutput(folder));
      await save(marked);
      job.follow(program, save);
      this.#jobs.set(id, job);
      this.#report(job, program.pid, origin);
    } catch (error) {
      await promises.rm(folder, { recursive: true, force: true });
      throw error;
    }
    await this.#forget();
    return this.get(id);
  }

  #report(job: Job, pid: number, origin: string): void {
    const { id, by, command } = job.record;
    const shown = command.join(" ").slice(0, 300);
    this.#log.info("job-started", `${by} started the job ${id}: ${shown}`, {
      label: by,
      address: origin,
      job: id,
      pid,
      command: shown,
    });
    void job.ended.then(() => {
      const { exitCode, signal, fate } = job.record;
      const how = signal ?? `exit code ${exitCode}`;
      this.#log.info("job-ended", `the job ${id} ended with ${how}`, {
        label: by,
        job: id,
        exitCode,
        signal,
        ...(fate && { fate }),
      });
    });
  }

  async #load(name: string): Promise<Job | undefined> {
    const folder = join(this.#path, name);
    const text = readPrivateFile(join(folder, RECORD));
    if (text === undefined) {
      await promises.rm(folder, { recursive: true, force: true });
      return undefined;
    }
    const record = JSON.parse(text) as JobRecord;
    const output = new JobOutput(folder);
    await output.load();
    const job = new Job({ ...record, id: name }, output);
    if (job.isRunning) {
      // A killed agent leaves them behind.
      if (record.process && isRunning(record.process)) await new ProcessGroup(record.process.pid).end();
      job.missed(new Date());
      await this.#save(job.record);
    }
    return job;
  }

  async #save(record: JobRecord): Promise<void> {
    try {
      await writePrivateFile(join(this.#path, record.id, RECORD), JSON.stringify(record));
    } catch (thrown) {
      this.#log.error(
        "job-not-written",
        `the end of the job ${record.id} cannot be written: ${asTetherError(thrown).message}`,
      );
    }
  }

  /** Keeps as many jobs as may be kept; those that run stay. */
  async #forget(): Promise<void> {
    for (const [id, job] of this.#jobs) {
      if (this.#jobs.size <= PROGRAMS.jobs) return;
      if (job.isRunning) continue;
      this.#jobs.delete(id);
      await promises.rm(join(this.#path, id), { recursive: true, force: true });
    }
  }
}
