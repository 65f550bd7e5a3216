import type { Writable } from "node:stream";
import { asTetherError, type JsonObject, type JsonValue } from "../../protocol/index.ts";
import { Progress } from "../../transfer/index.ts";
import type { Client } from "../client.ts";
import { getFiles, putFiles, type TransferOutcome, throwFailures } from "../files/index.ts";
import { listFolder } from "../files/list.ts";
import { deviceTable } from "../render/device-table.ts";
import { showProgress } from "../render/progress.ts";
import { sizeText } from "../render/size.ts";
import { table } from "../render/table.ts";
import { valueText } from "../render/value.ts";
import type { CallableSide, CopyOptions, RemoteEntry, ShellBackend } from "./backend.ts";

/** A Tether agent as the shell's other side. A lost connection is made again by the next line. */
export class AgentBackend implements ShellBackend {
  readonly name: string;
  readonly procedures: CallableSide;
  readonly #reconnect: (signal: AbortSignal) => Promise<Client>;
  readonly #terminal: Writable;
  #client: Client;
  #lost = false;

  /** `terminal` is where progress is shown; `reconnect` gives another connection to the same agent. */
  constructor(client: Client, terminal: Writable, reconnect: (signal: AbortSignal) => Promise<Client>) {
    this.name = client.name;
    this.#terminal = terminal;
    this.#reconnect = reconnect;
    this.#client = client;
    this.#watch(client);
    this.procedures = {
      names: async (signal) => (await this.#call("system.listMethods", [], signal)) as string[],
      call: (procedure, args, signal) => this.#call(procedure, args, signal),
      exec: async (command, signal) => {
        // Loaded when it is used: most sessions run no program.
        const { runWithoutInput } = await import("../programs/run-without-input.ts");
        return runWithoutInput(await this.#ready(signal), command, signal);
      },
      devices: async (signal) => deviceTable((await this.#call("devices.list", [], signal)) as JsonObject[]),
    };
  }

  async list(path: string, signal: AbortSignal): Promise<readonly RemoteEntry[]> {
    return (await listFolder(await this.#ready(signal), path, signal)) as unknown as RemoteEntry[];
  }

  async stat(path: string, signal: AbortSignal): Promise<RemoteEntry> {
    return (await this.#call("files.stat", { path }, signal)) as unknown as RemoteEntry;
  }

  async get(sources: readonly string[], target: string, options: CopyOptions): Promise<string> {
    const client = await this.#ready(options.signal);
    return this.#copy((progress) =>
      getFiles(client, { ...options, sources, target, progress, totals: true }),
    );
  }

  async put(sources: readonly string[], target: string, options: CopyOptions): Promise<string> {
    const client = await this.#ready(options.signal);
    return this.#copy((progress) => putFiles(client, { ...options, sources, target, progress }));
  }

  async makeFolder(path: string, signal: AbortSignal): Promise<void> {
    await this.#call("files.mkdir", { path }, signal);
  }

  async remove(path: string, recursive: boolean, signal: AbortSignal): Promise<void> {
    await this.#call("files.remove", { path, recursive }, signal);
  }

  async move(from: string, to: string, signal: AbortSignal): Promise<void> {
    await this.#call("files.move", { from, to }, signal);
  }

  async system(signal: AbortSignal): Promise<string> {
    const info = (await this.#call("system.info", [], signal)) as JsonObject;
    return table(
      undefined,
      Object.entries(info).map(([name, value]) => [name, valueText(value)]),
    );
  }

  close(): void {
    this.#client.close();
  }

  async #call(procedure: string, params: JsonValue[] | JsonObject, signal: AbortSignal): Promise<JsonValue> {
    return (await this.#ready(signal)).call(procedure, params, { signal });
  }

  async #copy(copy: (progress: Progress) => Promise<TransferOutcome>): Promise<string> {
    const progress = new Progress();
    const hide = showProgress(this.#terminal, progress);
    try {
      const outcome = await copy(progress);
      hide();
      throwFailures(outcome);
      const { files, bytes, seconds, notes } = outcome;
      const done = `${files} ${files === 1 ? "file" : "files"}, ${sizeText(bytes)} in ${seconds.toFixed(1)} s`;
      return [...notes, done].join("\n");
    } catch (error) {
      throw asTetherError(error);
    } finally {
      hide();
    }
  }

  async #ready(signal: AbortSignal): Promise<Client> {
    if (!this.#lost) return this.#client;
    this.#client = await this.#reconnect(signal);
    this.#lost = false;
    this.#watch(this.#client);
    return this.#client;
  }

  #watch(client: Client): void {
    client.closed.then(() => {
      if (client === this.#client) this.#lost = true;
    });
  }
}
