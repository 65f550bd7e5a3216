import { setTimeout as pause } from "node:timers/promises";
import { asTetherError, COMPUTE, TetherError, writeJson } from "../../protocol/index.ts";
import type { Log } from "../log.ts";
import type { Procedure, Registry } from "../procedures/index.ts";
import { FolderWatch } from "./folder-watch.ts";
import type { Description } from "./messages.ts";
import type { Pool } from "./pool.ts";
import { type ProcedureFile, readProcedureFiles } from "./procedure-files.ts";
import type { WorkerProcess } from "./worker-process.ts";

/** Beginnings of names that other rooms give out at any time. */
const TAKEN = ["devices.", "system.", "rpc."];

/** Where the procedures are, and where they must not be. */
export interface ProcedurePlaces {
  readonly folder: string;
  readonly filesRoot: string;
}

/** A file in force. */
interface Loaded {
  readonly text: string;
  readonly list: readonly Description[];
}

/**
 * Keeps the registry in step with the folder of users' procedures. No line of theirs runs in this process: a
 * process of its own tries a file and tells what is in it. A file that cannot be loaded is reported once, and
 * what it was before stays in force.
 */
export class UserProcedures {
  readonly #registry: Registry;
  readonly #pool: Pool;
  readonly #log: Log;
  #places: ProcedurePlaces;
  #watch: FolderWatch | undefined;
  /** What was in force, by URL. */
  readonly #loaded = new Map<string, Loaded>();
  /** What was last tried, or refused with which words, by URL. */
  #tried = new Map<string, string>();
  /** Names in the registry. */
  readonly #names = new Set<string>();
  #loading: Promise<void> = Promise.resolve();
  #scout: WorkerProcess | undefined;
  #stopped = false;

  constructor(registry: Registry, pool: Pool, log: Log, places: ProcedurePlaces) {
    this.#registry = registry;
    this.#pool = pool;
    this.#log = log;
    this.#places = places;
  }

  /** Loads what is there, and from then on what changes. Settles when it is loaded, or takes too long. */
  async start(): Promise<void> {
    this.#watch = new FolderWatch(this.#places.folder, () => void this.#load(false));
    this.#watch.start();
    const loaded = this.#load(true);
    await Promise.race([loaded, pause(COMPUTE.firstLoad, undefined, { ref: false })]);
  }

  /** Loads everything again, from another place where that has changed. */
  configure(places: ProcedurePlaces): Promise<void> {
    this.#watch?.stop();
    this.#places = places;
    return this.start();
  }

  stop(): void {
    this.#stopped = true;
    this.#watch?.stop();
    this.#scout?.end(new TetherError("unreachable", "the agent is stopping"));
  }

  /** Loads again, one time after the other; without `all` only where a file has changed. */
  #load(all: boolean): Promise<void> {
    this.#loading = this.#loading
      .then(() => this.#read(all))
      .catch((thrown: unknown) => {
        const { message } = asTetherError(thrown);
        this.#log.error("procedures-refused", `${message}; what was loaded stays`);
      });
    return this.#loading;
  }

  async #read(all: boolean): Promise<void> {
    const { folder, filesRoot } = this.#places;
    const files = (await readProcedureFiles(folder, filesRoot)) ?? [];
    const tried = new Map(
      files.map(({ url, text }) => [url, typeof text === "string" ? text : text.message]),
    );
    const isSame =
      tried.size === this.#tried.size && [...tried].every(([url, text]) => this.#tried.get(url) === text);
    if ((isSame && !all) || this.#stopped || (files.length === 0 && this.#loaded.size === 0)) return;
    const before = this.#tried;
    const reported = ({ url }: ProcedureFile) => !all && before.get(url) === tried.get(url);
    this.#tried = tried;
    for (const url of [...this.#loaded.keys()]) if (!tried.has(url)) this.#loaded.delete(url);
    await this.#try(files, reported);
    if (!this.#stopped) this.#publish(files);
  }

  /** Has a process of its own tell what is in each file. */
  async #try(files: readonly ProcedureFile[], reported: (file: ProcedureFile) => boolean): Promise<void> {
    const sources = Object.fromEntries(
      files.flatMap(({ url, text }) => {
        const source = typeof text === "string" ? text : this.#loaded.get(url)?.text;
        return source === undefined ? [] : [[url, source]];
      }),
    );
    try {
      for (const file of files) {
        try {
          if (typeof file.text !== "string") throw file.text;
          const list = await this.#describe(file, sources);
          this.#loaded.set(file.url, { text: file.text, list });
        } catch (thrown) {
          if (this.#stopped) return;
          if (!reported(file)) this.#refuse(file, asTetherError(thrown));
        }
      }
    } finally {
      this.#endScout();
    }
  }

  async #describe(
    { path, url }: ProcedureFile,
    sources: { readonly [url: string]: string },
  ): Promise<Description[]> {
    if (this.#scout?.isEnding) this.#scout = undefined;
    this.#scout ??= this.#pool.scout(sources);
    const scout = this.#scout;
    await scout.ready;
    const timer = setTimeout(
      () => scout.end(new TetherError("timeout", `${path}: not loaded within ${COMPUTE.load} ms`)),
      COMPUTE.load,
    );
    try {
      return await scout.describe(url);
    } catch (thrown) {
      const error = asTetherError(thrown);
      // What happened to the process does not tell which file it had.
      throw error.message.startsWith(path) ? error : new TetherError(error.code, `${path}: ${error.message}`);
    } finally {
      clearTimeout(timer);
    }
  }

  #endScout(): void {
    this.#scout?.end(new TetherError("cancelled", "all files are loaded"));
    this.#scout = undefined;
  }

  #refuse({ path, url }: ProcedureFile, error: TetherError): void {
    const old = this.#loaded.has(url) ? "; the old version stays" : "";
    this.#log.error("procedures-refused", `${error.message}${old}`, { file: path, code: error.code });
  }

  /** Puts what is loaded in force: the processes get the files, the registry the names. */
  #publish(files: readonly ProcedureFile[]): void {
    const sources: { [url: string]: string } = {};
    for (const name of this.#names) this.#registry.remove(name);
    this.#names.clear();
    const owners = new Map<string, string>();
    for (const { path, url } of files) {
      const loaded = this.#loaded.get(url);
      if (loaded === undefined) continue;
      sources[url] = loaded.text;
      for (const description of loaded.list) {
        try {
          this.#add(description, url, owners);
          owners.set(description.name, path);
        } catch (thrown) {
          const { code, message } = asTetherError(thrown);
          this.#log.error("procedure-refused", `${path}: ${message}`, { file: path, code });
        }
      }
    }
    this.#pool.setSources(sources);
    this.#log.info("procedures-loaded", `${this.#names.size} user procedures are loaded`, {
      procedures: this.#names.size,
      files: Object.keys(sources).length,
    });
  }

  #add(description: Description, file: string, owners: ReadonlyMap<string, string>): void {
    const { name } = description;
    const owner = owners.get(name);
    if (owner !== undefined) throw new TetherError("exists", `${name} is already in ${owner}`);
    const taken = TAKEN.find((beginning) => name.startsWith(beginning));
    if (taken !== undefined) {
      throw new TetherError("exists", `${name}: names that begin with ${taken} are the agent's own`);
    }
    const procedure: Procedure = {
      ...description,
      run: (args, context) => this.#pool.run({ file, name, args: writeJson(args), context }),
    };
    this.#registry.add(procedure);
    this.#names.add(name);
  }
}
