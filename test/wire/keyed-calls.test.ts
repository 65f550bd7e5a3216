import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { type Procedure, Registry } from "../../agent/procedures/index.ts";
import { CallGate } from "../../agent/server/call-gate.ts";
import { type KeyedCall, KeyedCalls } from "../../agent/server/keyed-calls.ts";
import { type JsonValue, KEYED_CALLS, TetherError } from "../../protocol/index.ts";
import { tetherError } from "../identity/folder.ts";

const caller = { label: "test", role: "operator", origin: "here" } as const;

/** Keyed calls of a procedure `act` that counts, on a clock that the test moves. */
function keyedCalls(act: (count: number, signal: AbortSignal) => JsonValue | Promise<JsonValue>, gate = 10) {
  const state = { count: 0, now: 0 };
  const registry = new Registry();
  const procedure: Procedure = {
    name: "act",
    summary: "",
    parameters: { a: { type: "integer", default: 0 } },
    result: {},
    role: "operator",
    retryable: false,
    run: (_, { signal }) => act(++state.count, signal),
  };
  registry.add(procedure);
  const gateOf = new CallGate(gate);
  const keyed = new KeyedCalls(registry, gateOf, () => state.now);
  const call = (key: string, more: Partial<KeyedCall> = {}, owner = "laptop") =>
    keyed.call({ method: "act", params: [1], key, ...more }, { caller, owner });
  return { state, keyed, call, gate: gateOf };
}

test("a key gives the first outcome again, an error as well as a result, and never acts twice", async () => {
  const { state, call } = keyedCalls((count) => {
    if (count === 2) throw new TetherError("device-failed", "it smokes");
    return { count };
  });
  assert.deepEqual(await call("a").result, { count: 1 });
  assert.deepEqual(await call("a").result, { count: 1 });
  await assert.rejects(call("b").result, tetherError("device-failed", /smokes/));
  await assert.rejects(call("b").result, tetherError("device-failed", /smokes/));
  assert.equal(state.count, 2);
});

test("the same key for anything else is invalid, and another controller's is another key", async () => {
  const { state, call } = keyedCalls((count) => count);
  await call("a").result;
  assert.throws(() => call("a", { params: [2] }), tetherError("invalid", /other arguments/));
  assert.throws(() => call("a", { method: "other" }), tetherError("invalid", /another procedure/));
  assert.equal(await call("a", {}, "tablet").result, 2);
  assert.equal(state.count, 2);
});

test("who calls again while it runs joins; the last one who leaves ends it, one who is lost does not", async () => {
  let finish: (result: JsonValue) => void = () => undefined;
  const pending = new Promise<JsonValue>((resolve) => {
    finish = resolve;
  });
  const signals: AbortSignal[] = [];
  const { state, call } = keyedCalls((_, signal) => {
    signals.push(signal);
    return pending;
  });
  const first = call("a");
  const second = call("a");
  await turn();
  assert.throws(() => call("a", { params: [2] }), tetherError("invalid", /./));
  first.leave(new TetherError("cancelled", "enough"));
  await assert.rejects(first.result, tetherError("cancelled", /./));
  second.lose();
  assert.equal(signals[0]?.aborted, false, "goes on for one who will come back");
  const third = call("a");
  finish("done");
  assert.equal(await third.result, "done");
  assert.equal(await call("a").result, "done");
  assert.equal(state.count, 1);

  const lonely = keyedCalls((_, signal) => {
    signals.push(signal);
    return new Promise(() => undefined);
  });
  const lost = lonely.call("b");
  await turn();
  lost.lose();
  const back = lonely.call("b");
  back.leave(new TetherError("cancelled", "enough"));
  assert.equal(signals.at(-1)?.aborted, true, "who came back took the place of who was lost");
  await turn();
  await assert.rejects(lonely.call("b").result, tetherError("cancelled", /how far it came is not known/));
  assert.equal(lonely.keyed.size.outcomes, 1);
});

test("a lost caller's deadline still ends the call", async () => {
  let signal: AbortSignal | undefined;
  const { call } = keyedCalls((_, given) => {
    signal = given;
    return new Promise(() => undefined);
  });
  const waiter = call("a", { timeoutMs: 20 });
  await turn();
  waiter.lose();
  await new Promise((resolve) => signal?.addEventListener("abort", resolve));
  assert.equal((signal?.reason as TetherError | undefined)?.code, "timeout");
});

test("what was refused before it began may be tried again with the same key", async () => {
  let refuse = true;
  const { state, call, keyed, gate } = keyedCalls((count) => {
    if (refuse) throw new TetherError("busy", "no worker", { refused: true });
    return count;
  }, 1);
  await assert.rejects(call("a").result, tetherError("busy", /./));
  refuse = false;
  await assert.rejects(call("b", { method: "none" }).result, tetherError("not-found", /./));
  await assert.rejects(call("b", { params: ["x"] }).result, tetherError("invalid", /./));
  assert.equal(keyed.size.outcomes, 0);
  assert.equal(await call("a").result, 2);
  assert.equal(await call("b").result, 3);
  const blocked = gate.pass(new Promise((resolve) => setTimeout(resolve, 10)));
  assert.throws(() => call("c"), tetherError("busy", /./));
  assert.equal(await call("a").result, 2, "what is known costs no place");
  await blocked;
  assert.equal(await call("c").result, 4);
  assert.equal(state.count, 4);

  // A procedure that has begun may say the same after it has acted.
  const begun = keyedCalls((count) => {
    if (count === 1) throw new TetherError("busy", "halfway");
    return count;
  });
  await assert.rejects(begun.call("a").result, tetherError("busy", /halfway/));
  await assert.rejects(begun.call("a").result, tetherError("busy", /halfway/));
});

test("outcomes are forgotten after an hour, beyond 10,000 and beyond their bytes, and it is not guessed then", async () => {
  const { state, keyed, call } = keyedCalls((count) => count);
  const since = (ms: number) => ({ since: { instance: keyed.instance, ms } });
  assert.equal(await call("old").result, 1);
  state.now = KEYED_CALLS.memory - 1;
  assert.equal(await call("old").result, 1);
  state.now += 1;
  assert.throws(() => call("old", since(KEYED_CALLS.memory)), tetherError("unreachable", /is not known/));
  assert.equal(await call("old").result, 2, "an hour later the key is free");

  state.now += KEYED_CALLS.memory;
  for (let index = 0; index < KEYED_CALLS.kept; index++) await call(`${index}`).result;
  const before = state.count;
  assert.equal(await call("0").result, 3);
  await call("one more").result;
  assert.equal(keyed.size.outcomes, KEYED_CALLS.kept);
  assert.throws(() => call("0", since(1)), tetherError("unreachable", /too many calls/));
  state.now += KEYED_CALLS.transit + 100;
  assert.equal(await call("never arrived", since(50)).result, before + 2);
});

test("the bytes of outcomes are bounded, and a result too large to keep is not made twice", async () => {
  const size = Math.floor(KEYED_CALLS.bytes / 8);
  const { state, keyed, call } = keyedCalls((count) =>
    "x".repeat(count === 1 ? KEYED_CALLS.resultBytes : size),
  );
  assert.equal(String(await call("huge").result).length, KEYED_CALLS.resultBytes);
  await assert.rejects(call("huge").result, tetherError("limit", /was carried out/));
  assert.equal(state.count, 1);
  for (let index = 0; index < 20; index++) await call(`${index}`).result;
  const { bytes, outcomes } = keyed.size;
  assert.ok(bytes <= KEYED_CALLS.bytes && outcomes >= 6, `${bytes} bytes, ${outcomes} outcomes`);
});

test("an agent that was restarted since does not guess", async () => {
  const before = keyedCalls((count) => count);
  const after = keyedCalls((count) => count);
  await before.call("a").result;
  const since = { instance: before.keyed.instance, ms: 5 };
  assert.throws(() => after.call("a", { since }), tetherError("unreachable", /not known: .*restarted/));
  assert.equal(await before.call("a", { since }).result, 1);
  assert.equal(after.state.count, 0);
});

test("revoking a controller ends what it left running, and nobody else's", async () => {
  const signals: AbortSignal[] = [];
  const { keyed, call } = keyedCalls((_, signal) => {
    signals.push(signal);
    return new Promise(() => undefined);
  });
  const calls = [call("a"), call("a", {}, "tablet")];
  await turn();
  for (const waiter of calls) waiter.lose();
  keyed.end(new TetherError("unauthorized", "revoked"), "laptop");
  assert.deepEqual(
    signals.map(({ aborted }) => aborted),
    [true, false],
  );
  keyed.end(new TetherError("unreachable", "stopping"));
  assert.equal(signals[1]?.aborted, true);
});
