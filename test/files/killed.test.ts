import assert from "node:assert/strict";
import { tmpdir } from "node:os";
import { test } from "node:test";
import { chosenSeed } from "../wire/random.ts";
import { killTransfers } from "./kills.ts";

const MiB = 1024 * 1024;
const COUNT = 20;

// A hundred of them: `npm run bench -- resume`.
test(`${COUNT} transfers with one side killed go on where they stopped, and no name stands for a part`, {
  skip: process.platform !== "linux",
}, async (t) => {
  const seed = chosenSeed();
  t.diagnostic(`TETHER_SEED=${seed}`);
  const found = await killTransfers(t, { count: COUNT, size: 64 * MiB, seed, folder: tmpdir() });
  const { each: _each, ...sums } = found;
  t.diagnostic(JSON.stringify(sums));
  assert.ok(found.cut > COUNT / 2, `only ${found.cut} of ${COUNT} transfers were cut in the middle`);
  assert.ok(found.looks > COUNT);
  const share = found.resent / found.bytes;
  assert.ok(share < 0.1, `${(share * 100).toFixed(1)} % was sent again`);
});
