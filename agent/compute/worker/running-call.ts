import {
  type CallProgress,
  COMPUTE,
  type JsonObject,
  type JsonValue,
  TetherError,
  writeJson,
} from "../../../protocol/index.ts";
import type { ProcedureContext } from "../procedure-definition.ts";
import type { Definition } from "./definitions.ts";

/** What a running call needs of its process. */
export interface CallDoor {
  progress(progress: string): void;
  yield(value: string): void;
  log(message: string): void;
  call(name: string, params: JsonValue): Promise<JsonValue>;
}

/** What became of a call: its result as JSON, absent where its results were yielded. */
export interface CallOutcome {
  readonly result: string | undefined;
}

/** One call of a user's procedure, within its process. */
export class RunningCall implements ProcedureContext {
  readonly #definition: Definition;
  readonly #door: CallDoor;
  readonly #cancelling = new AbortController();
  readonly devices: ProcedureContext["devices"];
  #reportedAt = Number.NEGATIVE_INFINITY;
  /** Bytes of yielded results that nobody has taken yet. */
  #onTheirWay = 0;
  #onCredit: (() => void) | undefined;

  constructor(definition: Definition, door: CallDoor) {
    this.#definition = definition;
    this.#door = door;
    this.devices = devicesBy((name, params) => this.call(name, params));
    // Authors take the context apart.
    this.progress = this.progress.bind(this);
    this.log = this.log.bind(this);
    this.call = this.call.bind(this);
  }

  get signal(): AbortSignal {
    return this.#cancelling.signal;
  }

  progress({ done, total, note }: CallProgress): void {
    const now = performance.now();
    if (now - this.#reportedAt < COMPUTE.progressInterval && done !== total) return;
    this.#reportedAt = now;
    const progress: CallProgress = {
      done: finite(done, "done"),
      ...(total !== undefined && { total: finite(total, "total") }),
      ...(note !== undefined && { note: String(note).slice(0, COMPUTE.noteLength) }),
    };
    this.#door.progress(writeJson(progress));
  }

  log(message: string): void {
    this.#door.log(String(message));
  }

  call(name: string, params: JsonValue[] | JsonObject = []): Promise<JsonValue> {
    return this.#door.call(name, params);
  }

  /** Runs the procedure to its end. Rejects with whatever it throws. */
  async run(args: JsonObject): Promise<CallOutcome> {
    const given = await this.#definition.run(args, this);
    if (isIterator(given)) {
      await this.#yieldAll(given);
      return { result: undefined };
    }
    return { result: this.#json(given === undefined ? null : given, "result") };
  }

  /** Nobody waits any more. */
  cancel(reason: TetherError): void {
    this.#cancelling.abort(reason);
    this.#onCredit?.();
  }

  /** So many bytes of yielded results have been taken. */
  credit(bytes: number): void {
    this.#onTheirWay -= bytes;
    this.#onCredit?.();
  }

  async #yieldAll(results: AsyncIterable<unknown> | Iterable<unknown>): Promise<void> {
    for await (const value of results) {
      const text = this.#json(value, "yielded result");
      this.#door.yield(text);
      this.#onTheirWay += Buffer.byteLength(text);
      while (this.#onTheirWay > COMPUTE.yieldWindow && !this.signal.aborted) {
        await new Promise<void>((resolve) => {
          this.#onCredit = resolve;
        });
      }
      this.signal.throwIfAborted();
    }
  }

  #json(value: unknown, what: string): string {
    try {
      return writeJson(value as JsonValue);
    } catch (thrown) {
      const { name } = this.#definition;
      throw new TetherError("internal", `${name}: the ${what} cannot be sent: ${(thrown as Error).message}`);
    }
  }
}

/** True for what a generator gives, and anything that iterates itself. */
function isIterator(value: unknown): value is AsyncIterable<unknown> | Iterable<unknown> {
  if (typeof value !== "object" || value === null) return false;
  return Symbol.asyncIterator in value || (Symbol.iterator in value && "next" in value);
}

function finite(value: unknown, member: string): number {
  if (typeof value === "number" && Number.isFinite(value)) return value;
  throw new TypeError(`progress({ ${member} }) is no finite number`);
}

/** Devices by name, each with its commands by name. What is not there is `not-found` when it is called. */
function devicesBy(
  call: (name: string, params: JsonValue[] | JsonObject) => Promise<JsonValue>,
): ProcedureContext["devices"] {
  const members = <T>(make: (name: string) => T) =>
    new Proxy({} as { readonly [name: string]: T }, {
      // A promise is recognised by `then`, and neither a device nor a command is one.
      get: (_, name) => (typeof name === "string" && name !== "then" ? make(name) : undefined),
    });
  return members((device) =>
    members((command) => (...args: JsonValue[]) => {
      const [first] = args;
      const named = args.length === 1 && typeof first === "object" && first !== null && !Array.isArray(first);
      return call(`devices.${device}.${command}`, named ? first : args);
    }),
  );
}
