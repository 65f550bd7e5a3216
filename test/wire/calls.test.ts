import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { CallScope, settleWithin } from "../../agent/server/call-scope.ts";
import { Client } from "../../controller/client.ts";
import type { Connection } from "../../controller/connection.ts";
import {
  answerCalls,
  CALLS,
  decodeBatch,
  encodeBatch,
  errorFromRpc,
  TetherError,
} from "../../protocol/index.ts";
import { tetherError } from "../identity/folder.ts";
import { BareSession } from "./bare-session.ts";
import { jsonOf, rawFrame, TYPE } from "./raw-frames.ts";

const caller = { label: "test", role: "admin", origin: "here" } as const;

test("the answers of a batch have one bound together; those beyond it are errors in their places", async () => {
  const big = "x".repeat(CALLS.resultBytes / 4);
  for (const late of [false, true]) {
    const batch = encodeBatch(Array.from({ length: 8 }, () => ({ method: "big" })));
    const answer = await answerCalls(batch, () => (late ? Promise.resolve(big) : big));
    assert.ok(Buffer.byteLength(String(answer)) <= CALLS.resultBytes + 10_000);
    const outcomes = decodeBatch(String(answer), 8);
    assert.deepEqual(
      outcomes.map((outcome) => (outcome instanceof TetherError ? outcome.code : "result")),
      [...Array<string>(3).fill("result"), ...Array<string>(5).fill("limit")],
    );
  }
});

test("a result counts in bytes, not in characters", async () => {
  const euros = "€".repeat(CALLS.resultBytes / 3);
  const request = '{"jsonrpc":"2.0","id":1,"method":"x"}';
  const answer = JSON.parse(String(await answerCalls(request, () => euros))) as { error: unknown };
  assert.equal(errorFromRpc(answer.error).code, "limit");
  const fits = await answerCalls(request, () => "x".repeat(CALLS.resultBytes - 100));
  assert.ok(String(fits).includes('"result"'));
});

test("a call that ignores its deadline holds no timer after it", async () => {
  const scope = new CallScope(caller);
  const timers = () => process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
  const before = timers();
  const never = settleWithin(new Promise(() => undefined), scope, 86_400_000);
  assert.equal(timers(), before + 1);
  scope.abort(new TetherError("cancelled", "gone"));
  await assert.rejects(never, tetherError("cancelled", /gone/));
  assert.equal(timers(), before);

  const late = settleWithin(new Promise(() => undefined), new CallScope(caller), 20);
  await assert.rejects(late, tetherError("timeout", /20 ms/));
  assert.equal(await settleWithin(Promise.resolve(5), new CallScope(caller), 1_000), 5);
});

/** A client over a session whose other side the test plays. */
function bareClient(): { readonly client: Client; readonly bare: BareSession } {
  const bare = new BareSession("controller").greet();
  const connection = { session: bare.session, closed: new Promise(() => undefined) };
  return { client: new Client("test", connection as unknown as Connection), bare };
}

test("a call is given up on time-out and signal, on the agent too, and leaves no timer", async () => {
  const { client, bare } = bareClient();
  bare.bytes();
  const timers = () => process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
  const before = timers();
  await assert.rejects(client.call("x", [], { timeout: 10 }), tetherError("timeout", /x within 10 ms/));
  const abort = new AbortController();
  const call = client.call("y", [], { timeout: 60_000, signal: abort.signal });
  abort.abort(new TetherError("cancelled", "enough"));
  await assert.rejects(call, tetherError("cancelled", /enough/));
  await assert.rejects(client.call("z", [], { signal: abort.signal }), tetherError("cancelled", /enough/));
  const frames = bare.frames();
  assert.deepEqual(
    frames.map(({ type, stream }) => [type, stream]),
    [
      [TYPE.open, 1],
      [TYPE.reset, 1],
      [TYPE.open, 3],
      [TYPE.reset, 3],
    ],
  );
  assert.equal(jsonOf(frames[1]).code, "timeout");
  assert.equal(jsonOf(frames[3]).code, "cancelled");

  bare.receive(rawFrame(TYPE.close, 0, '{"code":"unreachable","message":"stopping"}'));
  await assert.rejects(client.call("x", [], { timeout: 60_000 }), tetherError("unreachable", /closed/));
  await delay(0);
  assert.equal(timers(), before);
});
