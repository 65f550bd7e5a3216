import assert from "node:assert/strict";
import { test } from "node:test";
import { sparkline } from "../../controller/render/sparkline.ts";
import { BoundedRing } from "../../protocol/index.ts";

const SPARKLINES: readonly [values: number[], width: number, shown: string][] = [
  [[], 10, ""],
  [[1, 2, 3], 0, ""],
  [[1, 2, 3], -4, ""],
  [[5], 10, "▄"],
  [[7, 7, 7], 10, "▄▄▄"],
  [[0, 1, 2, 3, 4, 5, 6, 7], 8, "▁▂▃▄▅▆▇█"],
  [[0, 100, 7, 0], 2, "█▁"],
  [[-1e308, 1e308], 9, "▁█"],
];

for (const [values, width, shown] of SPARKLINES) {
  test(`sparkline: ${values} in ${width} columns`, () => assert.equal(sparkline(values, width), shown));
}

test("bounded ring: loses the oldest and says how many, across every turn", () => {
  const ring = new BoundedRing<number>(3);
  assert.equal(ring.shift(), undefined);
  for (let n = 1; n <= 8; n += 1) ring.push(n);
  assert.equal(ring.size, 3);
  assert.deepEqual(ring.shift(), { item: 6, lost: 5 });
  ring.push(9);
  ring.push(10);
  assert.deepEqual(
    [ring.shift(), ring.shift(), ring.shift(), ring.shift()],
    [{ item: 8, lost: 1 }, { item: 9, lost: 0 }, { item: 10, lost: 0 }, undefined],
  );
  ring.push(11);
  assert.deepEqual(ring.shift(), { item: 11, lost: 0 });
});
