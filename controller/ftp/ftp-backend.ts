import { createReadStream, createWriteStream } from "node:fs";
import { mkdir, readdir, rename, stat } from "node:fs/promises";
import { basename, join, posix } from "node:path";
import type { Writable } from "node:stream";
import { setTimeout as wait } from "node:timers/promises";
import { asTetherError, FTP_CLIENT, TetherError } from "../../protocol/index.ts";
import { Progress } from "../../transfer/index.ts";
import { showProgress } from "../render/progress.ts";
import type { CopyOptions, RemoteEntry, ShellBackend } from "../shell/backend.ts";
import { FtpClient, type FtpOptions } from "./ftp-client.ts";

/** Ending of a file that has not arrived whole. */
const PARTIAL = ".part";

/** An FTP server as the shell's other side. */
export class FtpBackend implements ShellBackend {
  readonly name: string;
  readonly #client: FtpClient;
  readonly #terminal: Writable;

  private constructor(name: string, client: FtpClient, terminal: Writable) {
    this.name = name;
    this.#client = client;
    this.#terminal = terminal;
  }

  /** Connects and logs in; throws as {@link FtpClient.open}. `terminal` is where progress is shown. */
  static async open(options: FtpOptions, terminal: Writable, signal: AbortSignal): Promise<FtpBackend> {
    return new FtpBackend(options.address.host, await FtpClient.open(options, signal), terminal);
  }

  /** Where the server put us. */
  startFolder(signal: AbortSignal): Promise<string> {
    return this.#client.workingFolder(signal);
  }

  async list(path: string, signal: AbortSignal): Promise<readonly RemoteEntry[]> {
    return (await this.#ready(signal)).list(path, signal);
  }

  async stat(path: string, signal: AbortSignal): Promise<RemoteEntry> {
    return (await this.#ready(signal)).stat(path, signal);
  }

  async makeFolder(path: string, signal: AbortSignal): Promise<void> {
    await (await this.#ready(signal)).makeFolder(path, signal);
  }

  async remove(path: string, recursive: boolean, signal: AbortSignal): Promise<void> {
    const client = await this.#ready(signal);
    if (!recursive) return client.removeFile(path, signal);
    await this.#removeTree(path, await client.stat(path, signal), 0, signal);
  }

  async move(from: string, to: string, signal: AbortSignal): Promise<void> {
    await (await this.#ready(signal)).rename(from, to, signal);
  }

  async system(signal: AbortSignal): Promise<string> {
    return (await this.#ready(signal)).system(signal);
  }

  async get(sources: readonly string[], target: string, options: CopyOptions): Promise<string> {
    const into = await isLocalFolder(target);
    if (sources.length > 1 && !into) throw new TetherError("invalid", `${target} is no folder`);

    return this.#shown(async (progress) => {
      for (const source of sources) {
        const entry = await this.stat(source, options.signal);
        await this.#getEntry(
          source,
          entry,
          into ? join(target, localName(entry.name)) : target,
          options,
          progress,
          0,
        );
      }
    });
  }

  async put(sources: readonly string[], target: string, options: CopyOptions): Promise<string> {
    const into = await this.#isRemoteFolder(target, options.signal);
    if (sources.length > 1 && !into) throw new TetherError("invalid", `${target} is no folder there`);

    return this.#shown(async (progress) => {
      for (const source of sources) {
        await this.#putEntry(
          source,
          into ? posix.join(target, basename(source)) : target,
          options,
          progress,
          0,
        );
      }
    });
  }

  close(): void {
    this.#client.close();
  }

  /** Copies, showing how far it is; gives a line on what was done. */
  async #shown(copy: (progress: Progress) => Promise<void>): Promise<string> {
    const progress = new Progress();
    const hide = showProgress(this.#terminal, progress);
    try {
      await copy(progress);
    } finally {
      hide();
    }
    const { files, bytes } = progress;
    return `${files} ${files === 1 ? "file" : "files"}, ${bytes} bytes`;
  }

  async #getEntry(
    source: string,
    entry: RemoteEntry,
    target: string,
    options: CopyOptions,
    progress: Progress,
    depth: number,
  ): Promise<void> {
    if (entry.type !== "directory") return this.#getFile(source, entry, target, options.signal, progress);
    refuseTree(source, options, depth);
    await mkdir(target, { recursive: true });
    for (const inner of await this.list(source, options.signal)) {
      // What a server calls its files must not lead out of the folder that they are brought to.
      const name = localName(inner.name);
      await this.#getEntry(
        posix.join(source, inner.name),
        inner,
        join(target, name),
        options,
        progress,
        depth + 1,
      );
    }
  }

  /** Brings a file under a name of its own, and gives it its name when it is whole. A later try goes on there. */
  async #getFile(
    source: string,
    entry: RemoteEntry,
    target: string,
    signal: AbortSignal,
    progress: Progress,
  ): Promise<void> {
    const partial = `${target}${PARTIAL}`;
    await this.#persist(signal, async () => {
      const have = await stat(partial).catch(() => undefined);
      // A source that has changed since begins anew.
      const older =
        entry.modified !== undefined && have !== undefined && Date.parse(entry.modified) > have.mtimeMs;
      const offset = have === undefined || older || have.size > entry.size ? 0 : have.size;
      const file = createWriteStream(partial, {
        ...(offset > 0 ? { flags: "r+", start: offset } : { flags: "w" }),
        highWaterMark: FTP_CLIENT.piece,
      });
      begin(progress, source, entry.size, offset);
      await this.#client.retrieve(source, offset, file, signal, (bytes) => progress.advance(bytes));
    });
    const { size } = await stat(partial);
    if (entry.size > 0 && size !== entry.size) {
      throw new TetherError("integrity", `${source}: ${size} bytes came, the server said ${entry.size}`);
    }
    await rename(partial, target);
    progress.files++;
  }

  async #putEntry(
    source: string,
    target: string,
    options: CopyOptions,
    progress: Progress,
    depth: number,
  ): Promise<void> {
    const facts = await stat(source);
    if (!facts.isDirectory()) return this.#putFile(source, facts.size, target, options.signal, progress);
    refuseTree(source, options, depth);
    if (!(await this.#isRemoteFolder(target, options.signal))) await this.makeFolder(target, options.signal);
    for (const name of (await readdir(source)).sort()) {
      await this.#putEntry(join(source, name), posix.join(target, name), options, progress, depth + 1);
    }
  }

  async #putFile(
    source: string,
    size: number,
    target: string,
    signal: AbortSignal,
    progress: Progress,
  ): Promise<void> {
    let begun = false;
    await this.#persist(signal, async () => {
      // Only what this very command has sent is gone on with; what was there before is replaced.
      const there = begun ? ((await this.#client.size(target, signal)) ?? 0) : 0;
      const offset = Math.min(there, size);
      begun = true;
      const file = createReadStream(source, { start: offset, highWaterMark: FTP_CLIENT.piece });
      begin(progress, source, size, offset);
      await this.#client.store(target, offset, file, signal, (bytes) => progress.advance(bytes));
    });
    const arrived = await this.#client.size(target, signal);
    if (arrived !== undefined && arrived !== size) {
      throw new TetherError("integrity", `${target}: the server has ${arrived} bytes, sent were ${size}`);
    }
    progress.files++;
  }

  async #removeTree(path: string, entry: RemoteEntry, depth: number, signal: AbortSignal): Promise<void> {
    if (entry.type !== "directory") return this.#client.removeFile(path, signal);
    if (depth > FTP_CLIENT.depth) throw tooDeep(path);
    for (const inner of await this.#client.list(path, signal)) {
      // A folder that a server calls `..` would be the one above.
      await this.#removeTree(posix.join(path, localName(inner.name)), inner, depth + 1, signal);
    }
    await this.#client.removeFolder(path, signal);
  }

  async #isRemoteFolder(path: string, signal: AbortSignal): Promise<boolean> {
    if (path === "/") return true;
    try {
      return (await this.stat(path, signal)).type === "directory";
    } catch (thrown) {
      if (asTetherError(thrown).code === "not-found") return false;
      throw thrown;
    }
  }

  async #ready(signal: AbortSignal): Promise<FtpClient> {
    if (!this.#client.isOpen) await this.#client.reopen(signal);
    return this.#client;
  }

  /** Does `work` again after the connection was lost, for a while; each time on a new connection. */
  async #persist(signal: AbortSignal, work: () => Promise<void>): Promise<void> {
    const end = performance.now() + FTP_CLIENT.reconnect;
    for (let pause = 100; ; pause *= 2) {
      try {
        await this.#ready(signal);
        return await work();
      } catch (thrown) {
        const { code } = asTetherError(thrown);
        const lost = (code === "unreachable" || code === "timeout") && !this.#client.isOpen;
        if (signal.aborted || !lost || performance.now() + pause > end) throw thrown;
        await wait(pause, undefined, { signal }).catch(() => undefined);
      }
    }
  }
}

async function isLocalFolder(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() ?? false;
}

/** A server's name as one here. Throws `invalid` for one that would lead elsewhere. */
function localName(name: string): string {
  if (name === "" || name === "." || name === ".." || /[/\\\0]/.test(name)) {
    throw new TetherError(
      "invalid",
      `the server has a file called ${JSON.stringify(name)}, which is no name here`,
    );
  }
  return name;
}

function refuseTree(path: string, { recursive }: CopyOptions, depth: number): void {
  if (!recursive) throw new TetherError("invalid", `${path} is a folder`, { hint: "-r copies whole trees" });
  if (depth > FTP_CLIENT.depth) throw tooDeep(path);
}

function tooDeep(path: string): TetherError {
  return new TetherError("limit", `${path}: more than ${FTP_CLIENT.depth} folders inside one another`);
}

/** Notes that a file is under way, of which so much is there already; a try before this one came to nothing. */
function begin(progress: Progress, name: string, size: number, there: number): void {
  if (progress.name === name) progress.undo();
  progress.begin(name, size);
  progress.advance(there);
}
