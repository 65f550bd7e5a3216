import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { ReadingTuning } from "../../firmware-bridge/index.ts";
import { type ReadingChange, Readings } from "../../firmware-bridge/readings.ts";
import type { DeviceValue } from "../../firmware-bridge/value.ts";
import { TetherError } from "../../protocol/errors.ts";
import { until } from "./until.ts";

const FAILURE = new TetherError("timeout", "no answer");

function readingsOf(t: TestContext, tuning: ReadingTuning, type: "number" | "integer" | "string" = "number") {
  const told: DeviceValue[] = [];
  const changes: ReadingChange[] = [];
  const readings = new Readings({
    tuning: { r: tuning },
    now: Date.now,
    changed: (reading, what) => {
      changes.push(what);
      if (what === "value") told.push(reading.value ?? null);
    },
  });
  readings.describe([{ name: "r", type }]);
  readings.start();
  t.after(() => readings.stop());
  return { readings, told, changes, now: () => readings.all[0] };
}

test("readings: without tuning every value is told", (t) => {
  const { readings, told } = readingsOf(t, {});
  for (const value of [1, 1, 1.1, 1]) readings.value("r", value);
  readings.value("unknown", 5);
  assert.deepEqual(told, [1, 1, 1.1, 1]);
});

test("readings: what stays in the dead band around the last value told is not told", (t) => {
  const { readings, told, now } = readingsOf(t, { deadband: 0.5 });
  for (const value of [20, 20.5, 19.5, 20.4, 20.6, 20.2, 20, 21.2, null]) readings.value("r", value);
  assert.deepEqual(told, [20, 20.6, 20, 21.2, null]);
  assert.equal(now()?.value, null);
});

test("readings: with a dead band of 0 a text is told when it changes", (t) => {
  const { readings, told } = readingsOf(t, { deadband: 0 }, "string");
  for (const value of ["Idle", "Idle", "Run", "Idle"]) readings.value("r", value);
  assert.deepEqual(told, ["Idle", "Run", "Idle"]);
});

test("readings: a value after failures is told whatever the dead band", (t) => {
  const { readings, told, changes } = readingsOf(t, { deadband: 5 });
  readings.value("r", 1);
  readings.failed("r", FAILURE);
  readings.value("r", 2);
  assert.deepEqual(told, [1, 2]);
  assert.deepEqual(changes, ["value", "failure", "value"]);
});

test("readings: the rate is limited, and the last value of a burst is told at its end", async (t) => {
  const { readings, told, now } = readingsOf(t, { minInterval: 60 });
  for (let value = 0; value <= 100; value++) readings.value("r", value);
  assert.deepEqual(told, [0]);
  await until(() => told.length === 2, "the last");
  assert.deepEqual(told, [0, 100]);
  assert.equal(now()?.value, 100);
  readings.value("r", 101);
  readings.value("r", 102);
  readings.stop();
  assert.deepEqual(told, [0, 100]);
});

test("readings: a burst that comes back to the value told is no news", async (t) => {
  const { readings, told } = readingsOf(t, { minInterval: 20, deadband: 0 });
  for (const value of [1, 2, 1]) readings.value("r", value);
  readings.value("r", 1);
  await new Promise((resolve) => setTimeout(resolve, 40));
  assert.deepEqual(told, [1]);
});

test("readings: scale and offset, without what doubles add to it", (t) => {
  const { readings, told, now } = readingsOf(t, { scale: 0.1, offset: -40, unit: "°C" }, "integer");
  for (const value of [3, 615, 2n ** 40n, null]) readings.value("r", value);
  assert.deepEqual(told, [-39.7, 21.5, 109_951_162_737.6, null]);
  assert.deepEqual([now()?.type, now()?.unit], ["number", "°C"]);
  assert.equal(readingsOf(t, { scale: 10 }, "integer").now()?.type, "integer");
});

test("readings: stale after three failures in a row, told once, and over with a value", (t) => {
  const { readings, changes, now } = readingsOf(t, {});
  readings.value("r", 7);
  readings.failed("r", FAILURE);
  readings.failed("r", FAILURE);
  readings.value("r", 7);
  for (let n = 0; n < 5; n++) readings.failed("r", FAILURE);
  assert.deepEqual(changes.slice(-4), ["failure", "failure", "failure", "stale"]);
  assert.deepEqual([now()?.stale, now()?.value, now()?.error?.code], [true, 7, "timeout"]);
  readings.value("r", 8);
  assert.equal(now()?.stale, undefined);
  assert.equal(now()?.error, undefined);
});

test("readings: stale when nothing comes for long, also when nothing ever came", async (t) => {
  const { readings, changes, now } = readingsOf(t, { staleAfter: 30 });
  await until(() => now()?.stale === true, "stale from the start");
  assert.equal(now()?.value, undefined);
  readings.value("r", 1);
  assert.equal(now()?.stale, undefined);
  await until(() => now()?.stale === true, "stale again");
  assert.deepEqual(changes, ["stale", "value", "stale"]);
  assert.equal(now()?.value, 1);
});

test("readings: in the dead band is no staying away", async (t) => {
  const { readings, now } = readingsOf(t, { staleAfter: 200, deadband: 1 });
  let values = 0;
  const timer = setInterval(() => {
    readings.value("r", 5);
    values++;
  }, 10);
  t.after(() => clearInterval(timer));
  await until(() => values === 40, "values for twice as long as it may stay away");
  assert.equal(now()?.stale, undefined);
});

test("readings: described anew, a reading keeps what is known of it", (t) => {
  const { readings } = readingsOf(t, {});
  readings.value("r", 3);
  readings.describe([
    { name: "other", type: "string" },
    { name: "r", type: "number", unit: "V" },
  ]);
  const [other, kept] = readings.all;
  assert.deepEqual(other, { name: "other", type: "string" });
  assert.equal(kept?.value, 3);
  assert.equal(kept?.unit, "V");
});
