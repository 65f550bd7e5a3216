import assert from "node:assert/strict";
import { hostname } from "node:os";
import { test } from "node:test";
import { type JsonValue, PROCEDURES, TetherError } from "../../protocol/index.ts";
import { builtinRegistry, contextOf, failure } from "./calling.ts";

const registry = builtinRegistry();
const call = (name: string, ...params: JsonValue[]) => registry.call(`net.${name}`, params, contextOf());

test("names of this machine and of its loopback", async () => {
  assert.equal(call("hostname"), hostname());
  assert.ok(((await call("fqdn")) as string).startsWith(hostname()));
  const addresses = (await call("resolve", "localhost")) as string[];
  assert.ok(addresses.includes("127.0.0.1") || addresses.includes("::1"), String(addresses));
  assert.equal(new Set(addresses).size, addresses.length);
  assert.deepEqual(await call("resolve", "192.0.2.7"), ["192.0.2.7"]);
  assert.equal(await call("reverse", "127.0.0.1"), "localhost");
});

test("what is no name or address is refused before anybody is asked", async () => {
  await failure(() => call("resolve", ""), "invalid");
  await failure(() => call("resolve", "a".repeat(PROCEDURES.hostName + 1)), "invalid");
  const error = await failure(() => call("reverse", "localhost"), "invalid");
  assert.equal(error.message, 'net.reverse: got "localhost"; allowed: an IPv4 or IPv6 address');
});

test("look-ups wait for their turn, in a bounded queue, and leave it when the caller goes", async () => {
  const own = builtinRegistry();
  const ending = new AbortController();
  const reason = new TetherError("cancelled", "the caller went away");
  const waiting = Array.from({ length: PROCEDURES.lookups + PROCEDURES.queuedLookups }, () =>
    Promise.resolve(own.call("net.resolve", ["localhost"], contextOf({}, ending.signal))),
  );
  await failure(() => own.call("net.resolve", ["localhost"], contextOf()), "busy");
  ending.abort(reason);
  const outcomes = await Promise.allSettled(waiting);
  assert.ok(outcomes.every((outcome) => outcome.status === "rejected" && outcome.reason === reason));
  // The queue is empty again, though a look-up that nobody waits for may hold its place a little longer.
  for (let round = 0; round < 2; round++) {
    const all = Array.from({ length: PROCEDURES.queuedLookups }, () =>
      own.call("net.resolve", ["localhost"], contextOf()),
    );
    for (const addresses of await Promise.all(all)) assert.ok((addresses as string[]).length > 0);
  }
});
