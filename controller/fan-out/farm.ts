import { randomUUID } from "node:crypto";
import { setMaxListeners } from "node:events";
import { setTimeout as pause } from "node:timers/promises";
import {
  asTetherError,
  FAN_OUT,
  type JsonObject,
  type JsonValue,
  type Role,
  roleAllows,
  TetherError,
} from "../../protocol/index.ts";
import type { Client, WaitOptions } from "../client.ts";
import type { Row } from "./rows.ts";

/** What became of one row. */
export type RowOutcome = { readonly agent: string | undefined } & (
  | { readonly result: JsonValue }
  | { readonly error: TetherError }
);

/** What a farm works with. */
export interface FarmOptions {
  readonly names: readonly string[];
  readonly procedure: string;
  readonly rows: readonly Row[];
  /** `returns`: whether the client comes back by itself when its connection is lost. */
  readonly connect: (name: string, signal: AbortSignal, returns: boolean) => Promise<Client>;
  readonly wait: WaitOptions;
  readonly signal: AbortSignal;
  /** Whether the row at `index` may begin by now; {@link Farm.wake} says that this has changed. */
  readonly mayBegin: (index: number) => boolean;
  /** Each row ends once. */
  readonly onOutcome: (index: number, outcome: RowOutcome) => void;
  /** `error` where it is lost, or can do nothing here (`out`). */
  readonly onAgent: (name: string, state: "working" | "lost" | "out", error?: TetherError) => void;
}

/** What an agent says of a procedure and of itself. */
interface Abilities {
  readonly retryable: boolean;
  readonly workers: number;
}

/**
 * Gives rows to agents as they become free: to each as many as it has processes, and where rows are quick as many
 * again, so that none waits for a round trip. Agents that are lost are tried again. A row that was with one of them
 * goes to another where the procedure may be called twice; where it may not, it carries a key and waits for its agent.
 */
export class Farm {
  readonly #options: FarmOptions;
  readonly #over = new AbortController();
  readonly #signal: AbortSignal;
  readonly #again: number[] = [];
  readonly #tries = new Map<number, number>();
  readonly #waiters = new Set<() => void>();
  #next = 0;
  #left: number;
  /** Agents that are connected, or have not been tried yet. */
  #standing: number;
  #reached = false;
  /** Agents that are not tried again. */
  #out = 0;
  #failure: TetherError | undefined;
  #patience: NodeJS.Timeout | undefined;

  constructor(options: FarmOptions) {
    this.#options = options;
    this.#signal = AbortSignal.any([options.signal, this.#over.signal]);
    // Every call listens to it.
    setMaxListeners(0, this.#signal);
    this.#left = options.rows.length;
    this.#standing = options.names.length;
  }

  /**
   * Works until every row has its outcome.
   *
   * @throws TetherError where no agent could be used from the first, and what `signal` is aborted with
   */
  async run(): Promise<void> {
    if (this.#left === 0) return;
    const onAbort = () => this.wake();
    this.#signal.addEventListener("abort", onAbort);
    try {
      await Promise.all(this.#options.names.map((name) => this.#serve(name)));
    } finally {
      this.#signal.removeEventListener("abort", onAbort);
      clearTimeout(this.#patience);
    }
    this.#options.signal.throwIfAborted();
    if (this.#left > 0) throw this.#failure ?? new TetherError("unreachable", "no agent could be used");
  }

  /** True once nothing more is to be done. */
  get isOver(): boolean {
    return this.#signal.aborted;
  }

  /** Has whoever waits for a row look again. */
  wake(): void {
    for (const waiter of [...this.#waiters]) waiter();
    this.#waiters.clear();
  }

  /** Connects to one agent again and again, and gives it rows while it is there. */
  async #serve(name: string): Promise<void> {
    let wait: number = FAN_OUT.firstPause;
    let stood = true;
    let hasWorked = false;
    while (!this.#signal.aborted) {
      let client: Client | undefined;
      try {
        client = await this.#options.connect(name, this.#signal, false);
        const abilities = await this.#abilities(client);
        if (!abilities.retryable) {
          // Only this agent knows what it has done, so its rows wait for it to be back.
          client.close();
          client = await this.#options.connect(name, this.#signal, true);
        }
        if (!stood) this.#standing++;
        stood = true;
        hasWorked = true;
        this.#reached = true;
        clearTimeout(this.#patience);
        this.#patience = undefined;
        wait = FAN_OUT.firstPause;
        this.#options.onAgent(name, "working");
        const lost = await new Station(this, client, abilities).work();
        if (this.#signal.aborted) return;
        this.#lost(name, lost);
      } catch (thrown) {
        if (this.#signal.aborted) return;
        const error = asTetherError(thrown);
        // One that starts again is reached before it has loaded its procedures.
        const isStarting = hasWorked && error.code === "not-found";
        if (error.code !== "unreachable" && error.code !== "timeout" && !isStarting) {
          this.#out++;
          this.#options.onAgent(name, "out", error);
          this.#fell(error, stood);
          return;
        }
        if (stood) this.#lost(name, error);
      } finally {
        client?.close();
      }
      stood = false;
      await pause(wait, undefined, { signal: this.#signal }).catch(() => undefined);
      wait = Math.min(2 * wait, FAN_OUT.longestPause);
    }
  }

  #lost(name: string, error: TetherError): void {
    this.#options.onAgent(name, "lost", error);
    this.#fell(error, true);
  }

  /**
   * One agent fewer, if it `stood`. With the last, what is left fails after a while, or at once where nobody was
   * ever there or nobody can come back.
   */
  #fell(error: TetherError, stood: boolean): void {
    if (stood) this.#standing--;
    this.#failure ??= error;
    if (this.#standing > 0) return;
    if (!this.#reached || this.#out === this.#options.names.length) this.#giveUp(error);
    else this.#patience ??= setTimeout(() => this.#giveUp(error), FAN_OUT.patience);
  }

  #giveUp(error: TetherError): void {
    if (this.#reached) {
      const last = new TetherError("unreachable", `every agent was lost; the last: ${error.message}`);
      while (this.#again.length > 0 || this.#next < this.#options.rows.length) {
        this.settle(this.#again.shift() ?? this.#next++, { agent: undefined, error: last });
      }
    }
    this.#over.abort(error);
  }

  /** Throws where the agent does not know the procedure, or does not let this controller call it. */
  async #abilities(client: Client): Promise<Abilities> {
    const { procedure } = this.#options;
    const wait = { signal: this.#signal, timeout: FAN_OUT.patience };
    const [document, info, hello] = await Promise.all([
      client.call("rpc.discover", [], wait),
      client.call("system.info", [], wait),
      client.hello,
    ]);
    const methods = ((document as JsonObject).methods ?? []) as JsonObject[];
    const method = methods.find(({ name }) => name === procedure);
    if (method === undefined) throw new TetherError("not-found", `no procedure ${JSON.stringify(procedure)}`);
    const role = method["x-role"] as Role;
    if (!roleAllows(hello.agent?.role as Role, role)) {
      throw new TetherError("forbidden", `${procedure} needs the role ${role}`);
    }
    const workers = Number((info as JsonObject).workers);
    return {
      retryable: method["x-retryable"] === true,
      workers: Number.isInteger(workers) ? Math.min(Math.max(1, workers), FAN_OUT.rowsPerAgent / 2) : 1,
    };
  }

  /** The index of the next row to begin; waits while there is none. Undefined when `given` says so, or all is over. */
  async take(givesUp: () => boolean): Promise<number | undefined> {
    for (;;) {
      if (this.#signal.aborted || this.#left === 0 || givesUp()) return undefined;
      const again = this.#again.shift();
      if (again !== undefined) return again;
      if (this.#next < this.#options.rows.length && this.#options.mayBegin(this.#next)) return this.#next++;
      await new Promise<void>((resolve) => this.#waiters.add(resolve));
    }
  }

  /** Calls with the arguments of a row; `once`: it must not happen twice. */
  call(client: Client, index: number, once: boolean): Promise<JsonValue> {
    const { procedure, rows, wait } = this.#options;
    const options = { ...wait, signal: this.#signal, ...(once && { key: randomUUID() }) };
    return client.call(procedure, rows[index]?.params, options);
  }

  /** A row whose agent was lost: somebody else's, or over. */
  returned(index: number, agent: string, { retryable }: Abilities, error: TetherError): void {
    const tries = (this.#tries.get(index) ?? 0) + 1;
    this.#tries.set(index, tries);
    if (retryable && tries < FAN_OUT.triesPerRow) {
      this.#again.push(index);
      this.wake();
      return;
    }
    const what = retryable
      ? `${tries} agents were lost over this row, the last ${agent}`
      : `${agent} was lost over this row, and may have done it`;
    const hint = retryable ? undefined : "a procedure that may be called twice is given to another agent";
    this.settle(index, {
      agent,
      error: new TetherError("unreachable", `${what}: ${error.message}`, { hint }),
    });
  }

  /** Notes what became of a row. */
  settle(index: number, outcome: RowOutcome): void {
    this.#left--;
    this.#options.onOutcome(index, outcome);
    if (this.#left === 0) this.#over.abort(new TetherError("cancelled", "all rows are done"));
    if (this.#left === 0) this.wake();
  }
}

/** One connected agent, and the rows that are with it. */
class Station {
  readonly #farm: Farm;
  readonly #client: Client;
  readonly #abilities: Abilities;
  readonly #lanes = new Set<Promise<void>>();
  #surplus = 0;
  #lost: TetherError | undefined;
  #closed = false;

  constructor(farm: Farm, client: Client, abilities: Abilities) {
    this.#farm = farm;
    this.#client = client;
    this.#abilities = abilities;
    client.closed.then((reason) => {
      this.#closed = true;
      this.#end(reason);
    });
  }

  /** Works until there are no more rows, or the agent is lost; gives why. */
  async work(): Promise<TetherError> {
    for (let n = 0; n < this.#abilities.workers; n++) this.#open(false);
    while (this.#lanes.size > 0) await Promise.all(this.#lanes);
    return this.#lost ?? new TetherError("unreachable", "the connection was closed");
  }

  #open(surplus: boolean): void {
    if (surplus) this.#surplus++;
    const lane = this.#lane(surplus);
    this.#lanes.add(lane);
    void lane.finally(() => {
      this.#lanes.delete(lane);
      if (surplus) this.#surplus--;
    });
  }

  async #lane(surplus: boolean): Promise<void> {
    for (;;) {
      const index = await this.#farm.take(() => this.#lost !== undefined);
      if (index === undefined) return;
      const start = performance.now();
      await this.#one(index);
      const quick = performance.now() - start < FAN_OUT.quickRow;
      if (surplus && !quick) return;
      if (!surplus && quick && this.#surplus < this.#abilities.workers) this.#open(true);
    }
  }

  async #one(index: number): Promise<void> {
    const agent = this.#client.name;
    try {
      const once = !this.#abilities.retryable;
      this.#farm.settle(index, { agent, result: await this.#farm.call(this.#client, index, once) });
    } catch (thrown) {
      const error = asTetherError(thrown);
      // What is given up as a whole is nobody's outcome.
      if (this.#farm.isOver) return;
      // Whoever waits for the connection's end is told after those who wait for answers.
      await new Promise((resolve) => setImmediate(resolve));
      // An agent that is stopping refuses calls while its connection still stands.
      if (error.code === "unreachable") this.#end(error);
      const lost = this.#closed || (error.code === "unreachable" && this.#abilities.retryable);
      if (lost) this.#farm.returned(index, agent, this.#abilities, error);
      else this.#farm.settle(index, { agent, error });
    }
  }

  #end(reason: TetherError | undefined): void {
    this.#lost ??= reason ?? new TetherError("unreachable", "the connection was closed");
    this.#farm.wake();
  }
}
