/** Time of the exact JSON reader and writer beside the native ones: `node --import tsx bench/exact-json.ts`. */
import { type JsonValue, parseJson, writeJson } from "../protocol/index.ts";

const call = '{"jsonrpc":"2.0","id":7,"method":"math.multiply","params":[6,7]}';
const answer = '{"jsonrpc":"2.0","id":7,"result":42}';
const readings = JSON.stringify(
  Array.from({ length: 200 }, (_, n) => ({
    name: `reading ${n}`,
    value: n / 7,
    unit: "°C",
    tags: [n, true],
  })),
);
const payload = JSON.stringify({ name: "a", data: "QUJD".repeat(262_144) });

/** Nanoseconds for one call of each, the two in turn, the best of several rounds. */
function compare(rounds: number, ours: () => unknown, native: () => unknown): [number, number] {
  const best: [number, number] = [Infinity, Infinity];
  for (let round = 0; round < 15; round++) {
    for (const [which, work] of [ours, native].entries()) {
      const start = process.hrtime.bigint();
      for (let n = 0; n < rounds; n++) work();
      best[which as 0 | 1] = Math.min(best[which as 0 | 1], Number(process.hrtime.bigint() - start) / rounds);
    }
  }
  return best;
}

function line(what: string, [ours, native]: [number, number]): void {
  console.log(
    `${what.padEnd(34)} ${ours.toFixed(0).padStart(9)} ns  ${native.toFixed(0).padStart(9)} ns  ${(ours / native).toFixed(2)}`,
  );
}

for (const [what, text, rounds] of [
  ["call", call, 100_000],
  ["answer", answer, 100_000],
  ["200 readings", readings, 500],
  ["1 MiB of base64", payload, 20],
] as const) {
  const value = JSON.parse(text) as JsonValue;
  line(
    `read ${what}`,
    compare(
      rounds,
      () => parseJson(text),
      () => JSON.parse(text),
    ),
  );
  line(
    `write ${what}`,
    compare(
      rounds,
      () => writeJson(value),
      () => JSON.stringify(value),
    ),
  );
}

for (const digits of [17, 40, 400, 4_096]) {
  const integer = `${"123456789".repeat(500).slice(0, digits)},`;
  const text = `[${integer.repeat(Math.floor((16 * 1024 * 1024) / integer.length))}0]`;
  const start = process.hrtime.bigint();
  const value = parseJson(text);
  const read = process.hrtime.bigint();
  const same = writeJson(value) === text;
  const written = process.hrtime.bigint();
  console.log(
    `16 MiB of ${digits}-digit integers: read ${Number(read - start) / 1e6} ms, written ${Number(written - read) / 1e6} ms, same ${same}`,
  );
}
