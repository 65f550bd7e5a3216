import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { FirstSends } from "../../controller/first-sends.ts";
import { KEYED_CALLS } from "../../protocol/index.ts";

test("how a keyed call was first sent is remembered for an hour, for every program, agent by agent", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "tether-keys-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const start = 1_800_000_000_000;
  const first = { instance: "one", at: start };
  const records = new FirstSends(folder);
  assert.deepEqual(records.note("pi", "k", "one", start), { ...first, isFirst: true });
  const hour = start + KEYED_CALLS.memory;
  for (const now of [start, start + 700_000, hour - 1]) {
    assert.deepEqual(new FirstSends(folder).note("pi", "k", "two", now), { ...first, isFirst: false });
  }
  assert.equal(records.note("other", "k", "two", start + 1).isFirst, true);
  assert.deepEqual(records.note("pi", "k", "two", hour), { instance: "two", at: hour, isFirst: true });
  assert.equal(records.note("pi", "k", "three", hour + 1).instance, "two");

  new FirstSends(folder).note("pi", "much later", "four", hour + 2 * KEYED_CALLS.memory);
  assert.equal(readdirSync(join(folder, "keys")).length, 1, "what is over is removed");
});
