import assert from "node:assert/strict";
import { test } from "node:test";
import { missing } from "../peers.ts";
import { converse, converseConcurrently } from "./bench-conversation.ts";
import { benchProfile } from "./bench-profile.ts";
import { call, createDevice } from "./open-device.ts";
import { startSimulatedAvr } from "./simavr.ts";
import { until } from "./until.ts";

test("simavr: the real firmware does what the board in memory does", {
  skip: missing("simavr"),
}, async (t) => {
  const avr = await startSimulatedAvr();
  t.after(() => avr.stop());
  const device = createDevice(t, benchProfile({ kind: "path", path: avr.path, baudRate: 115_200 }));
  await device.start();
  assert.equal(device.state, "ready", device.condition.reason);
  // The first bytes after its start may be lost in the simulator.
  await until(
    () =>
      call(device, "ping").then(
        () => true,
        () => false,
      ),
    "a first answer",
    30_000,
  );
  await converse(device);
  await converseConcurrently(device, 60);

  const before = Number(device.readings[0]?.value);
  avr.press();
  await until(() => device.readings[0]?.value === before + 1, "the button on PD2");
  assert.equal(await call(device, "ping"), "PONG");
});

test("simavr: firmware and memory answer every kind of line alike", {
  skip: missing("simavr"),
}, async (t) => {
  const avr = await startSimulatedAvr();
  t.after(() => avr.stop());
  const commands = {
    ask: { send: "{text}", expect: "^(?!BTN )", parameters: { text: { type: "string" } } },
  } as const;
  const changes = { commands };
  const real = createDevice(t, benchProfile({ kind: "path", path: avr.path, baudRate: 115_200 }, changes));
  const memory = createDevice(t, benchProfile({ kind: "simulate", what: "bench" }, changes));
  await Promise.all([real.start(), memory.start()]);
  await until(
    () =>
      call(real, "ask", { text: "PING" }).then(
        () => true,
        () => false,
      ),
    "a first answer",
    30_000,
  );
  const lines = ["ID?", "LED 1", "LED?", "LED 2", "LED ", "LED", "led 1", "LED 0", "LED?", "PRESS", " PING"];
  for (const text of [
    ...lines,
    "é",
    "x".repeat(31),
    "x".repeat(32),
    "x".repeat(200),
    `LED ${"1".repeat(40)}`,
  ]) {
    assert.equal(await call(real, "ask", { text }), await call(memory, "ask", { text }), text);
  }
});
