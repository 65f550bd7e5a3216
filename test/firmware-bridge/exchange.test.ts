import assert from "node:assert/strict";
import { test } from "node:test";
import { Exchange, type Transaction } from "../../firmware-bridge/exchange.ts";
import { TetherError } from "../../protocol/errors.ts";
import { SERIAL } from "../../protocol/limits.ts";

/** The signal of a caller who never cancels. */
const never = () => new AbortController().signal;

function question(text: string, answer: RegExp, timeout = 10_000): Transaction<string, string> {
  return {
    bytes: Buffer.from(text),
    timeout,
    accept: (unit) => (answer.test(unit) ? { result: unit } : undefined),
    timedOut: () => new TetherError("timeout", `${text} was not answered`),
  };
}

function createExchange() {
  const written: string[] = [];
  const exchange = new Exchange<string>(async (bytes) => {
    written.push(Buffer.from(bytes).toString());
  });
  return { exchange, written };
}

test("exchange: one question at a time, in the order of asking", async () => {
  const { exchange, written } = createExchange();
  const asked = ["a", "b", "c"].map((text) => exchange.run(question(text, new RegExp(`^${text}!`)), never()));
  assert.deepEqual(written, ["a"]);
  assert.equal(exchange.receive("b!"), false, "the answer to a question that is not out is unsolicited");
  assert.equal(exchange.receive("a!"), true);
  assert.deepEqual(written, ["a", "b"]);
  exchange.receive("b!");
  exchange.receive("c!");
  assert.deepEqual(await Promise.all(asked), ["a!", "b!", "c!"]);
});

test("exchange: what comes while nothing is out is unsolicited", () => {
  assert.equal(createExchange().exchange.receive("BTN 1"), false);
});

test("exchange: a deadline frees the port, and the late answer is not the next one's", async () => {
  const { exchange } = createExchange();
  await assert.rejects(exchange.run(question("a", /^a/, 5), never()), { code: "timeout" });
  const next = exchange.run(question("b", /^b/), never());
  assert.equal(exchange.receive("a late"), false);
  exchange.receive("b!");
  assert.equal(await next, "b!");
});

test("exchange: a deadline also ends a write that never ends", async () => {
  const exchange = new Exchange<string>(() => new Promise(() => {}));
  await assert.rejects(
    exchange.run({ bytes: Buffer.from("a"), timeout: 5, timedOut: question("a", /a/).timedOut }, never()),
    {
      code: "timeout",
    },
  );
});

test("exchange: who cancels while waiting is never sent", async () => {
  const { exchange, written } = createExchange();
  const first = exchange.run(question("a", /^a/), never());
  const controller = new AbortController();
  const second = exchange.run(question("b", /^b/), controller.signal);
  const third = exchange.run(question("c", /^c/), never());
  controller.abort();
  await assert.rejects(second, { code: "cancelled" });
  exchange.receive("a!");
  exchange.receive("c!");
  assert.deepEqual(await Promise.all([first, third]), ["a!", "c!"]);
  assert.deepEqual(written, ["a", "c"]);
});

test("exchange: who cancels a question that is out is told at once, and its answer reaches nobody else", async () => {
  const { exchange, written } = createExchange();
  const controller = new AbortController();
  const first = exchange.run(question("LED 1", /^OK/), controller.signal);
  const second = exchange.run(question("LED 0", /^OK/), never());
  controller.abort(new TetherError("timeout", "the caller's deadline passed"));
  await assert.rejects(first, { code: "timeout", message: "the caller's deadline passed" });
  assert.deepEqual(written, ["LED 1"], "the second waits for the answer to the first");
  exchange.receive("OK 1");
  assert.deepEqual(written, ["LED 1", "LED 0"]);
  exchange.receive("OK 0");
  assert.equal(await second, "OK 0");
});

test("exchange: a signal that is aborted already sends nothing", async () => {
  const { exchange, written } = createExchange();
  await assert.rejects(exchange.run(question("a", /^a/), AbortSignal.abort()), { code: "cancelled" });
  assert.deepEqual(written, []);
});

test("exchange: what accept throws is the caller's error, and the next one goes on", async () => {
  const { exchange } = createExchange();
  const broken = exchange.run(
    {
      ...question("a", /^a/),
      accept: () => {
        throw new TetherError("device-failed", "no number");
      },
    },
    never(),
  );
  const next = exchange.run(question("b", /^b/), never());
  assert.equal(exchange.receive("a!"), true);
  await assert.rejects(broken, { code: "device-failed" });
  exchange.receive("b!");
  assert.equal(await next, "b!");
});

test("exchange: the queue has a bound", async () => {
  const { exchange } = createExchange();
  const out = exchange.run(question("a", /^a/), never());
  const waiting = Array.from({ length: SERIAL.queuedExchanges }, () =>
    exchange.run(question("b", /^b/), never()),
  );
  await assert.rejects(exchange.run(question("c", /^c/), never()), { code: "busy" });
  exchange.end(new TetherError("device-missing", "unplugged"));
  const results = await Promise.allSettled([out, ...waiting]);
  assert.ok(
    results.every((result) => result.status === "rejected" && result.reason.code === "device-missing"),
  );
});

test("exchange: when the link ends everyone is told, and whoever comes later too", async () => {
  const { exchange, written } = createExchange();
  const waiting = ["a", "b", "c"].map((text) => exchange.run(question(text, /x/), never()));
  exchange.end(new TetherError("device-missing", "unplugged"));
  for (const one of waiting) await assert.rejects(one, { code: "device-missing" });
  await assert.rejects(exchange.run(question("d", /x/), never()), { code: "device-missing" });
  assert.deepEqual(written, ["a"]);
});

test("exchange: a question without an answer is done when it has been written", async () => {
  const { exchange } = createExchange();
  const { bytes, timeout, timedOut } = question("a", /^a/);
  assert.equal(await exchange.run({ bytes, timeout, timedOut }, never()), undefined);
});

test("exchange: a write that fails is the caller's error", async () => {
  const exchange = new Exchange<string>(async () => {
    throw new TetherError("limit", "the port takes no more");
  });
  await assert.rejects(exchange.run(question("a", /^a/), never()), { code: "limit" });
});

test("exchange: no listener stays on a signal that many transactions share", async () => {
  const { exchange } = createExchange();
  const { signal } = new AbortController();
  const warned: Error[] = [];
  const listen = (warning: Error) => warned.push(warning);
  process.on("warning", listen);
  for (let i = 0; i < 50; i += 1) {
    const one = exchange.run(question("a", /^a/), signal);
    exchange.receive("a!");
    await one;
  }
  await new Promise(setImmediate);
  process.off("warning", listen);
  assert.deepEqual(warned, []);
});

test("exchange: what has to come first is asked when the turn has come, and its failure is the question's", async () => {
  const { exchange, written } = createExchange();
  let doubtful = false;
  const first = () => (doubtful ? question("sure?", /^yes/, 20) : undefined);
  const ask = (text: string) => exchange.run({ ...question(text, new RegExp(`^${text}`)), first }, never());
  const before = ask("a");
  const behind = ask("b");
  doubtful = true;
  exchange.receive("a!");
  assert.deepEqual(written, ["a", "sure?"]);
  assert.equal(exchange.receive("b too early"), false);
  doubtful = false;
  exchange.receive("yes");
  assert.deepEqual(written, ["a", "sure?", "b"]);
  exchange.receive("b!");
  assert.deepEqual(await Promise.all([before, behind]), ["a!", "b!"]);

  doubtful = true;
  await assert.rejects(ask("c"), { code: "timeout", message: "sure? was not answered" });
  assert.deepEqual(written.slice(3), ["sure?"], "it did not go out");
});

test("exchange: who cancels while something else comes first is never sent", async () => {
  const { exchange, written } = createExchange();
  const controller = new AbortController();
  let asked = 0;
  const first = () => (asked++ === 0 ? question("sure?", /^yes/) : undefined);
  const cancelled = exchange.run({ ...question("a", /^a/), first }, controller.signal);
  const behind = exchange.run(question("b", /^b/), never());
  controller.abort();
  await assert.rejects(cancelled, { code: "cancelled" });
  exchange.receive("yes");
  exchange.receive("b!");
  assert.equal(await behind, "b!");
  assert.deepEqual(written, ["sure?", "b"]);
});
