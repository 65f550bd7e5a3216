/** A process in which users' procedures run. It hears from the agent on descriptor 3, and ends when that does. */
import { writeFileSync } from "node:fs";
import { Socket } from "node:net";
import { setPriority } from "node:os";
import { fileURLToPath } from "node:url";
import {
  asTetherError,
  CALLS,
  type JsonObject,
  type JsonValue,
  parseJson,
  TetherError,
  writeJson,
} from "../../../protocol/index.ts";
import { Channel } from "../channel.ts";
import type { FromWorker, ToWorker } from "../messages.ts";
import { type Definition, readDefinitions } from "./definitions.ts";
import { failureOf, loadFailure } from "./failure.ts";
import { installModuleHooks } from "./module-hooks.ts";
import { RunningCall } from "./running-call.ts";
import { syntaxPlace } from "./syntax-place.ts";
import { importUserModule } from "./user-module.ts";

/** The descriptor of the pipe to the agent. */
const PIPE = 3;
/** Niceness: while every process computes, the agent still answers at once. */
const NICENESS = 10;
/** Added to how badly the kernel thinks of this process when memory runs out (proc(5)): it goes before the agent. */
const OUT_OF_MEMORY_SCORE = "500";

class WorkerMain {
  readonly #channel: Channel;
  readonly #running = new Map<number, RunningCall>();
  readonly #asked = new Map<number, { resolve(value: JsonValue): void; reject(error: TetherError): void }>();
  #sources: { readonly [url: string]: string } = {};
  readonly #loaded = new Map<string, Promise<Definition[]>>();
  #lastAsked = 0;

  constructor(pipe: Socket) {
    this.#channel = new Channel(pipe, {
      onMessage: (header, body) => this.#heard(header as ToWorker, body),
      onBroken: () => process.exit(1),
    });
    pipe.on("close", () => process.exit(0));
    process.on("uncaughtException", (error) => this.#crash(error));
  }

  #say(message: FromWorker, body?: string): void {
    this.#channel.send(message, body);
  }

  #heard(message: ToWorker, body: string): void {
    switch (message.type) {
      case "start":
        this.#sources = parseJson(body) as { [url: string]: string };
        installModuleHooks(this.#sources);
        this.#say({ type: "ready" });
        break;
      case "describe":
        this.#describe(message.file);
        break;
      case "call":
        this.#call(message, parseJson(body) as JsonObject);
        break;
      case "cancel":
        this.#running.get(message.id)?.cancel(TetherError.fromJSON(message.error));
        break;
      case "credit":
        this.#running.get(message.id)?.credit(message.bytes);
        break;
      case "answer": {
        const asked = this.#asked.get(message.id);
        this.#asked.delete(message.id);
        if (message.error === undefined) asked?.resolve(parseJson(body));
        else asked?.reject(TetherError.fromJSON(message.error));
      }
    }
  }

  async #describe(file: string): Promise<void> {
    const path = fileURLToPath(file);
    try {
      const definitions = await this.#load(file);
      this.#say({ type: "described", file }, writeJson(definitions.map(({ run: _, ...facts }) => facts)));
    } catch (thrown) {
      const isShape = thrown instanceof TetherError;
      const place = thrown instanceof SyntaxError ? syntaxPlace(this.#sources[file] ?? "") : undefined;
      const error = isShape
        ? new TetherError("invalid", `${path}: ${thrown.message}`)
        : loadFailure(path, thrown, place);
      this.#say({ type: "described", file, error: { ...error.toJSON() } });
    }
  }

  /** What a file has. Kept here, because where hooks have a thread of their own every import asks them. */
  #load(file: string): Promise<Definition[]> {
    let loading = this.#loaded.get(file);
    if (loading === undefined) {
      loading = importUserModule(file).then(readDefinitions);
      this.#loaded.set(file, loading);
    }
    return loading;
  }

  async #call({ id, file, name }: ToWorker & { type: "call" }, args: JsonObject): Promise<void> {
    try {
      const definitions = await this.#load(file);
      const definition = definitions.find((one) => one.name === name);
      if (definition === undefined) throw new TetherError("not-found", `${name} is not in its file any more`);
      const call = new RunningCall(definition, {
        progress: (progress) => this.#say({ type: "progress", id }, progress),
        yield: (value) => this.#say({ type: "yield", id }, value),
        log: (message) => this.#say({ type: "log", id, message: message.slice(0, 4_096) }),
        call: (method, params) => this.#ask(id, method, params),
      });
      this.#running.set(id, call);
      const { result } = await call.run(args);
      if (result === undefined) this.#say({ type: "result", id, streamed: true });
      else if (result.length > CALLS.resultBytes || Buffer.byteLength(result) > CALLS.resultBytes) {
        throw new TetherError("limit", `${name}: the result has more than ${CALLS.resultBytes} bytes`);
      } else this.#say({ type: "result", id }, result);
    } catch (thrown) {
      this.#say({ type: "result", id, error: { ...failureOf(name, thrown).toJSON() } });
    } finally {
      this.#running.delete(id);
    }
  }

  /** Has the agent call another procedure. */
  #ask(parent: number, method: string, params: JsonValue): Promise<JsonValue> {
    return new Promise((resolve, reject) => {
      const id = ++this.#lastAsked;
      this.#say({ type: "call", id, parent, method: String(method) }, writeJson(params));
      this.#asked.set(id, { resolve, reject });
    });
  }

  /** Something was thrown outside of any call, as by a timer that one has left behind. */
  #crash(error: unknown): void {
    this.#say({ type: "crash", message: asTetherError(failureOf("something left running", error)).message });
    // The agent ends this process once it has read that.
    setTimeout(() => process.exit(1), 1_000);
  }
}

try {
  setPriority(NICENESS);
  writeFileSync("/proc/self/oom_score_adj", OUT_OF_MEMORY_SCORE);
} catch {
  // Elsewhere than on Linux, or inside a jail: it works as well, only less politely.
}
new WorkerMain(new Socket({ fd: PIPE, readable: true, writable: true }));
