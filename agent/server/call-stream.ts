import { answerCalls, type RpcCall, type Stream, TetherError } from "../../protocol/index.ts";
import type { Caller } from "../procedures/index.ts";
import { CallScope, settleWithin } from "./call-scope.ts";
import type { Services } from "./services.ts";
import { StreamOutlet } from "./stream-outlet.ts";

/**
 * Serves a stream of kind `call`: one request or batch, answered through the registry.
 *
 * @param features what the controller named in its HELLO
 */
export function serveCalls(
  stream: Stream,
  caller: Caller,
  services: Services,
  features: readonly string[],
): void {
  const { registry, calls, log } = services;
  /** The calls of this stream that have not settled. */
  const scopes = new Set<CallScope>();
  let outlet: StreamOutlet | undefined;

  const dispatch = ({ method, params, timeoutMs }: RpcCall, alone: boolean) => {
    calls.check();
    if (alone && features.length > 0) outlet = new StreamOutlet(stream, features);
    const scope = new CallScope(caller, outlet);
    const result = callLogged(method, params, scope);
    if (!(result instanceof Promise)) return result;
    scopes.add(scope);
    return calls.pass(settleWithin(result, scope, timeoutMs).finally(() => scopes.delete(scope)));
  };

  const callLogged = (method: string, params: RpcCall["params"], scope: CallScope) => {
    try {
      return registry.call(method, params, scope);
    } catch (error) {
      if (error instanceof TetherError && error.code === "forbidden") {
        const { label, role, origin } = caller;
        log.warn("forbidden", `refused a call: ${error.message}`, {
          label,
          role,
          address: origin,
          procedure: method,
        });
      }
      throw error;
    }
  };

  let asked = false;
  stream.handlers = {
    onDocument(text) {
      if (asked) {
        const error = new TetherError("invalid", "a call has one document: open a stream for each");
        for (const scope of scopes) scope.abort(error);
        stream.reset(error);
        return;
      }
      asked = true;
      const answer = answerCalls(text, dispatch, () => outlet?.yields);
      if (!(answer instanceof Promise)) send(stream, answer);
      else answer.then((late) => send(stream, late));
    },
    onReset(error) {
      for (const scope of scopes) scope.abort(error);
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
