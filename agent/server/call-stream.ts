import { answerCalls, type RpcCall, type Stream, TetherError } from "../../protocol/index.ts";
import type { Caller } from "../procedures/index.ts";
import { CallScope, settleWithin } from "./call-scope.ts";
import type { KeyedCall, Waiter } from "./keyed-calls.ts";
import type { Services } from "./services.ts";
import { StreamOutlet } from "./stream-outlet.ts";

/** The connection that a call came over. */
interface CallConnection {
  readonly caller: Caller;
  readonly services: Services;
  /** What the controller named in its HELLO. */
  readonly features: readonly string[];
  /** False from when the connection has ended: what it takes along was not given up by the caller. */
  readonly isOpen: boolean;
}

/**
 * Serves a stream of kind `call`: one request or batch, answered through the registry.
 *
 * @param owner fingerprint of the controller
 */
export function serveCalls(stream: Stream, owner: string, connection: CallConnection): void {
  const { caller, services, features } = connection;
  const { registry, calls, keyed, log } = services;
  /** The calls of this stream that have not settled. */
  const scopes = new Set<CallScope>();
  const waiters = new Set<Waiter>();
  let outlet: StreamOutlet | undefined;

  const dispatch = (call: RpcCall, alone: boolean) => {
    if (call.key !== undefined) return callKeyed({ ...call, key: call.key }, alone);
    const { method, params, timeoutMs } = call;
    calls.check();
    if (alone && features.length > 0) outlet = new StreamOutlet(stream, features);
    const scope = new CallScope(caller, outlet);
    const result = callLogged(method, params, scope);
    if (!(result instanceof Promise)) return result;
    scopes.add(scope);
    return calls.pass(settleWithin(result, scope, timeoutMs).finally(() => scopes.delete(scope)));
  };

  const callKeyed = async (call: KeyedCall, alone: boolean) => {
    const progress = alone && features.length > 0 ? new StreamOutlet(stream, features) : undefined;
    const waiter = keyed.call(call, { caller, owner, outlet: progress });
    waiters.add(waiter);
    try {
      return await waiter.result;
    } catch (error) {
      noteForbidden(call.method, error);
      throw error;
    } finally {
      waiters.delete(waiter);
    }
  };

  const callLogged = (method: string, params: RpcCall["params"], scope: CallScope) => {
    try {
      return registry.call(method, params, scope);
    } catch (error) {
      noteForbidden(method, error);
      throw error;
    }
  };

  const noteForbidden = (method: string, error: unknown) => {
    if (!(error instanceof TetherError) || error.code !== "forbidden") return;
    const { label, role, origin } = caller;
    log.warn("forbidden", `refused a call: ${error.message}`, {
      label,
      role,
      address: origin,
      procedure: method,
    });
  };

  const giveUp = (error: TetherError) => {
    for (const scope of scopes) scope.abort(error);
    for (const waiter of waiters) waiter.leave(error);
  };

  const lose = (error: TetherError) => {
    for (const scope of scopes) scope.abort(error);
    for (const waiter of waiters) waiter.lose();
  };

  let asked = false;
  stream.handlers = {
    onDocument(text) {
      if (asked) {
        const error = new TetherError("invalid", "a call has one document: open a stream for each");
        giveUp(error);
        stream.reset(error);
        return;
      }
      asked = true;
      const answer = answerCalls(text, dispatch, () => outlet?.yields);
      if (!(answer instanceof Promise)) send(stream, answer);
      else answer.then((late) => send(stream, late));
    },
    onReset(error) {
      if (connection.isOpen) giveUp(error);
      else lose(error);
      outlet?.close();
    },
    onDrain() {
      outlet?.drained();
    },
  };
}

function send(stream: Stream, answer: string | undefined): void {
  if (answer === undefined) stream.end();
  else stream.sendDocument(answer, true);
}
