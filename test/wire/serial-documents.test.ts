import assert from "node:assert/strict";
import { test } from "node:test";
import {
  readSerialOrder,
  readSerialReport,
  readSerialRequest,
  TetherError,
  writeSerialOrder,
  writeSerialReport,
  writeSerialRequest,
} from "../../protocol/index.ts";

test("serial documents: what is written is read again", () => {
  const request = {
    port: "bench",
    mode: "write",
    kind: "monitor",
    baudRate: 9600,
    from: 7,
    instance: "x",
  } as const;
  assert.deepEqual(readSerialRequest(writeSerialRequest(request)), {
    ...request,
    take: false,
    both: false,
    lines: false,
  });
  const settings = { parity: "even", dataBits: 7, stopBits: 2, flowControl: "hardware" } as const;
  for (const order of [
    { id: 1, order: "lease", mode: "exclusive", take: true },
    { order: "configure", settings },
    { order: "lines", lines: { dtr: false, break: true } },
    { order: "break", duration: 250 },
    { order: "purge", buffers: "both" },
    { id: 4_294_967_295, order: "drain" },
  ] as const) {
    assert.deepEqual(readSerialOrder(writeSerialOrder(order)), order);
  }
  const time = "2026-03-01T09:30:00.000Z";
  const traffic = { report: "traffic", direction: "device", time, data: Buffer.of(0, 255) } as const;
  assert.deepEqual(readSerialReport(writeSerialReport(traffic)), traffic);
  const error = new TetherError("busy", "held by ann", { hint: "wait" });
  const refused = readSerialReport(writeSerialReport({ report: "refused", bytes: 3, error }));
  assert.deepEqual(refused?.report === "refused" && refused.error.toJSON(), error.toJSON());
});

test("serial documents: what makes no sense is invalid, what is merely unknown is passed over", () => {
  for (const text of [
    "7",
    "{}",
    '{"port":7,"mode":"watch"}',
    '{"port":"b","mode":"own"}',
    '{"port":"b","mode":"watch","kind":"<b>"}',
    '{"port":"b","mode":"watch","baudRate":1e99}',
    '{"port":"b","mode":"watch","baudRate":49}',
    '{"port":"b","mode":"watch","from":-1}',
    '{"port":"b","mode":"watch","from":0.5}',
  ]) {
    assert.throws(() => readSerialRequest(text), { code: "invalid" }, text);
  }
  for (const text of [
    "[]",
    '{"order":"lease","mode":"watch"}',
    '{"order":"configure"}',
    '{"order":"configure","settings":{"dataBits":9}}',
    '{"order":"configure","settings":{"parity":"mark"}}',
    '{"order":"break","duration":1000000}',
    '{"order":"purge","buffers":"all"}',
    '{"order":"drain","id":-1}',
    '{"order":"lines","lines":true}',
  ]) {
    assert.throws(() => readSerialOrder(text), { code: "invalid" }, text);
  }
  assert.equal(readSerialOrder('{"order":"sing"}'), undefined);
  assert.equal(readSerialReport('{"report":"weather"}'), undefined);
  const lines = readSerialOrder('{"order":"lines","lines":{"dtr":1,"rts":true,"cts":true}}');
  assert.deepEqual(lines, { order: "lines", lines: { rts: true } });
});
