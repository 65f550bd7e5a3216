import assert from "node:assert/strict";
import { Writable } from "node:stream";
import { test } from "node:test";
import { Log } from "../../agent/log.ts";
import { Refusals } from "../../agent/server/index.ts";
import { REFUSALS } from "../../protocol/index.ts";

/** A log whose lines can be read. */
function recorded(): {
  readonly refusals: Refusals;
  readonly lines: { event: string; address: string; count?: number }[];
} {
  const lines: { event: string; address: string; count?: number }[] = [];
  const target = new Writable({
    write(chunk, _, done) {
      lines.push(JSON.parse(String(chunk)) as (typeof lines)[number]);
      done();
    },
  });
  return { refusals: new Refusals(new Log(target, { readable: false })), lines };
}

test("the first refusals of an address are lines, the others a count when the window is over", () => {
  const { refusals, lines } = recorded();
  for (let at = 0; at < 1_000; at++) refusals.note("refused", "no", { address: "10.0.0.1" }, at);
  refusals.note("refused", "no", { address: "10.0.0.2" }, 1_000);
  assert.equal(lines.length, REFUSALS.linesPerAddress + 1);
  refusals.tick(REFUSALS.window - 1);
  assert.equal(lines.length, REFUSALS.linesPerAddress + 1);
  refusals.tick(REFUSALS.window);
  assert.deepEqual(
    lines.slice(-1).map(({ event, address, count }) => ({ event, address, count })),
    [{ event: "refusals-left-out", address: "10.0.0.1", count: 1_000 - REFUSALS.linesPerAddress }],
  );
  refusals.tick(10 * REFUSALS.window);
  assert.equal(lines.length, REFUSALS.linesPerAddress + 2, "who was not cut short is not counted");
  refusals.note("refused", "no", { address: "10.0.0.1" }, 10 * REFUSALS.window);
  assert.equal(lines.length, REFUSALS.linesPerAddress + 3, "a new window has new lines");
});

test("many addresses together have a bound too, in lines and in memory", () => {
  const { refusals, lines } = recorded();
  for (let at = 0; at < 50_000; at++)
    refusals.note("refused", "no", { address: `2001:db8::${at.toString(16)}` }, 0);
  assert.equal(lines.length, REFUSALS.lines);
  refusals.flush();
  const counts = lines.slice(REFUSALS.lines);
  assert.ok(counts.length <= REFUSALS.addresses + 1);
  const counted = counts.reduce((sum, { count = 0 }) => sum + count, 0);
  assert.equal(counted + REFUSALS.lines, 50_000, "none is lost");
});
