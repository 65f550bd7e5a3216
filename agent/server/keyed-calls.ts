import { createHash, randomBytes } from "node:crypto";
import {
  asTetherError,
  type CallProgress,
  type JsonValue,
  KEYED_CALLS,
  parseJson,
  type RpcCall,
  TetherError,
  writeJson,
} from "../../protocol/index.ts";
import type { Caller, CallOutlet, Registry } from "../procedures/index.ts";
import type { CallGate } from "./call-gate.ts";
import { CallScope, settleWithin } from "./call-scope.ts";

/** A call with a key. */
export type KeyedCall = RpcCall & { readonly key: string };

/** Who calls, and what takes the progress of it. */
export interface KeyedCaller {
  readonly caller: Caller;
  /** Fingerprint: keys of different controllers are different keys. */
  readonly owner: string;
  readonly outlet?: CallOutlet | undefined;
}

/** Somebody who waits for a keyed call. */
export interface Waiter {
  readonly result: Promise<JsonValue>;
  /** He wants the call no more: it ends, unless others wait for it. */
  leave(reason: TetherError): void;
  /** He cannot be reached any more, and will come back for the result: the call goes on. */
  lose(): void;
}

/** What is remembered of a call that has ended. */
interface Kept {
  readonly digest: string;
  readonly outcome: { readonly result: string } | { readonly error: TetherError };
  /** What it takes in memory, about. */
  readonly bytes: number;
  /** When the call came, and when it ended. */
  readonly came: number;
  readonly ended: number;
}

/** A call under way. */
class Running {
  readonly digest: string;
  readonly came: number;
  readonly owner: string;
  readonly scope: CallScope;
  readonly waiters = new Set<RunningWaiter>();

  constructor(digest: string, came: number, { owner, caller }: KeyedCaller) {
    this.digest = digest;
    this.came = came;
    this.owner = owner;
    // Results are given all at once: each who waits gets all of them, also he who comes late.
    this.scope = new CallScope(caller, {
      onProgress: (progress) => this.#tell(progress),
      onYield: undefined,
      begin: () => undefined,
    });
  }

  #tell(progress: CallProgress): void {
    for (const waiter of this.waiters) waiter.outlet?.onProgress?.(progress);
  }
}

class RunningWaiter implements Waiter {
  readonly result: Promise<JsonValue>;
  readonly #running: Running;
  #outlet: CallOutlet | undefined;
  #resolve: (result: JsonValue) => void = () => undefined;
  #reject: (error: TetherError) => void = () => undefined;
  #timer: NodeJS.Timeout | undefined;
  #lost = false;

  /** `timeoutMs`: when it leaves by itself. */
  constructor(running: Running, outlet: CallOutlet | undefined, timeoutMs: number | undefined) {
    this.#running = running;
    this.#outlet = outlet;
    this.result = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    // Nobody takes the result of one who is lost.
    this.result.catch(() => undefined);
    running.waiters.add(this);
    if (timeoutMs !== undefined) this.#leaveAfter(timeoutMs);
  }

  get outlet(): CallOutlet | undefined {
    return this.#outlet;
  }

  get isLost(): boolean {
    return this.#lost;
  }

  settle(result: JsonValue): void {
    this.#forget();
    this.#resolve(result);
  }

  fail(error: TetherError): void {
    this.#forget();
    this.#reject(error);
  }

  leave(reason: TetherError): void {
    const { waiters, scope } = this.#running;
    if (!waiters.has(this)) return;
    this.fail(reason);
    if (waiters.size === 0) scope.abort(reason);
  }

  lose(): void {
    this.#lost = true;
    this.#outlet = undefined;
    if (this.#timer === undefined) this.#leaveAfter(KEYED_CALLS.memory);
  }

  /** Another one has come in its place. */
  replace(): void {
    this.fail(new TetherError("unreachable", "the connection was lost"));
  }

  #leaveAfter(ms: number): void {
    // Node fires longer timers at once.
    const wait = Math.min(ms, 0x7fff_ffff);
    this.#timer = setTimeout(() => this.leave(new TetherError("timeout", `no result within ${ms} ms`)), wait);
  }

  #forget(): void {
    clearTimeout(this.#timer);
    this.#running.waiters.delete(this);
  }
}

/**
 * Carries out calls that have a key once, however often they are sent: whoever sends one again waits for the same
 * call, or gets the outcome that it had. An outcome is kept under controller and key, for `KEYED_CALLS.memory`.
 */
export class KeyedCalls {
  /** Names this start of the agent: another one knows nothing of the calls that this one had. */
  readonly instance: string = randomBytes(12).toString("base64url");
  readonly #registry: Registry;
  readonly #gate: CallGate;
  readonly #now: () => number;
  readonly #running = new Map<string, Running>();
  /** In the order in which they ended. */
  readonly #kept = new Map<string, Kept>();
  #bytes = 0;
  /** When the latest of the calls came that were forgotten. */
  #forgotten = Number.NEGATIVE_INFINITY;

  /** `now` gives milliseconds of a clock that never goes back. */
  constructor(registry: Registry, gate: CallGate, now: () => number = () => performance.now()) {
    this.#registry = registry;
    this.#gate = gate;
    this.#now = now;
  }

  /** Outcomes kept, and their bytes. */
  get size(): { readonly outcomes: number; readonly bytes: number } {
    return { outcomes: this.#kept.size, bytes: this.#bytes };
  }

  /**
   * Carries a call out, or joins it, or gives its outcome.
   *
   * @throws TetherError `invalid` when the key was used for something else, `unreachable` when nobody knows any
   * more what became of the call, `busy` when no further call may start; the outcome is in the waiter's result
   */
  call(call: KeyedCall, who: KeyedCaller): Waiter {
    const now = this.#now();
    const id = `${who.owner} ${call.key}`;
    const digest = digestOf(call);
    this.#forget(now);
    this.#refuseUnknown(call, this.#kept.has(id) || this.#running.has(id), now);
    const kept = this.#kept.get(id);
    if (kept !== undefined) {
      sameCall(kept.digest, digest, call);
      return waiterOf(kept);
    }
    const running = this.#running.get(id);
    if (running !== undefined) {
      sameCall(running.digest, digest, call);
      const waiter = new RunningWaiter(running, who.outlet, call.timeoutMs);
      // Who comes again has most likely been lost before, and must not keep the call alive twice.
      [...running.waiters].find(({ isLost }) => isLost)?.replace();
      return waiter;
    }
    this.#gate.check();
    const begun = new Running(digest, now, who);
    this.#running.set(id, begun);
    const waiter = new RunningWaiter(begun, who.outlet, call.timeoutMs);
    void this.#run(id, begun, call);
    return waiter;
  }

  /** Ends the calls under way; of one controller, when `owner` is given. */
  end(reason: TetherError, owner?: string): void {
    for (const running of this.#running.values()) {
      if (owner === undefined || running.owner === owner) running.scope.abort(reason);
    }
  }

  async #run(id: string, running: Running, { method, params }: KeyedCall): Promise<void> {
    const { scope, digest, came } = running;
    let started = false;
    const work = async () => {
      const run = await this.#registry.prepare(method, params, scope.caller);
      started = true;
      return run(scope);
    };
    try {
      const result = await this.#gate.pass(settleWithin(work(), scope, undefined));
      this.#running.delete(id);
      this.#keep(id, { digest, outcome: keepable(method, writeJson(result)), came });
      for (const waiter of running.waiters) waiter.settle(result);
    } catch (thrown) {
      this.#running.delete(id);
      const error = asTetherError(thrown);
      // What has not begun may be tried again.
      if (started && !error.refused) {
        const outcome = { error: scope.signal.aborted ? givenUp(error) : error };
        this.#keep(id, { digest, outcome, came });
      }
      for (const waiter of running.waiters) waiter.fail(error);
    }
  }

  #keep(id: string, kept: Omit<Kept, "bytes" | "ended">): void {
    const { outcome } = kept;
    const text = "error" in outcome ? outcome.error.message : outcome.result;
    const bytes = id.length + kept.digest.length + text.length;
    const ended = this.#now();
    this.#kept.set(id, { ...kept, bytes, ended });
    this.#bytes += bytes;
    this.#forget(ended);
  }

  #forget(now: number): void {
    for (const [id, { ended, came, bytes }] of this.#kept) {
      const tooMuch = this.#kept.size > KEYED_CALLS.kept || this.#bytes > KEYED_CALLS.bytes;
      if (!tooMuch && now - ended < KEYED_CALLS.memory) break;
      this.#kept.delete(id);
      this.#bytes -= bytes;
      this.#forgotten = Math.max(this.#forgotten, came);
    }
  }

  /** Does not guess whether a call was carried out that was sent before. */
  #refuseUnknown({ key, since }: KeyedCall, known: boolean, now: number): void {
    if (since === undefined) return;
    if (since.instance !== this.instance) {
      throw unknownOutcome(key, "the agent was restarted since it was first sent");
    }
    // By this clock it was first sent then or a little earlier, for it was on its way.
    const sent = now - since.ms - KEYED_CALLS.transit;
    if (!known && since.ms > 0 && sent <= this.#forgotten) {
      throw unknownOutcome(key, "the agent has had too many calls since to remember it");
    }
  }
}

function waiterOf({ outcome }: Kept): Waiter {
  const result = async () => {
    if ("error" in outcome) throw outcome.error;
    return parseJson(outcome.result);
  };
  return { result: result(), leave: () => undefined, lose: () => undefined };
}

function keepable(method: string, result: string): Kept["outcome"] {
  if (result.length <= KEYED_CALLS.resultBytes) return { result };
  const error = new TetherError(
    "limit",
    `${method} was carried out, but its result has more than ${KEYED_CALLS.resultBytes} bytes and was not kept`,
  );
  return { error };
}

function givenUp({ code, message }: TetherError): TetherError {
  return new TetherError(code, `the call was given up, and how far it came is not known: ${message}`);
}

/** What makes a call the same as another: its procedure and its arguments as they were sent. */
function digestOf({ method, params }: KeyedCall): string {
  const hash = createHash("sha256").update(`${method.length} ${method}`);
  if (params !== undefined) hash.update(writeJson(params));
  return hash.digest("base64");
}

function sameCall(known: string, digest: string, { key }: KeyedCall): void {
  if (known === digest) return;
  throw new TetherError(
    "invalid",
    `the key ${JSON.stringify(key)} stands for a call of another procedure or with other arguments`,
    { hint: "give each call a key of its own" },
  );
}

function unknownOutcome(key: string, why: string): TetherError {
  return new TetherError(
    "unreachable",
    `whether the call with the key ${JSON.stringify(key)} was carried out is not known: ${why}`,
    { hint: "look whether it has had its effect; another key makes it another call" },
  );
}
