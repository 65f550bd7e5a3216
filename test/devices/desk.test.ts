import assert from "node:assert/strict";
import { Writable } from "node:stream";
import { test } from "node:test";
import {
  type DeclaredEvent,
  DeviceDesk,
  type ReadingEvent,
  type StaleEvent,
  type StateEvent,
} from "../../agent/devices/index.ts";
import { Log } from "../../agent/log.ts";
import { Registry } from "../../agent/procedures/index.ts";
import type { DeviceProfile } from "../../firmware-bridge/index.ts";
import type { Owner } from "../agent-process.ts";
import { benchProfile } from "../firmware-bridge/bench-profile.ts";
import { until } from "../firmware-bridge/until.ts";
import { NO_FILES } from "./no-files.ts";

function createDesk(owner: Owner) {
  const lines: { event: string; [fact: string]: unknown }[] = [];
  const target = new Writable({
    write(chunk, _encoding, done) {
      lines.push(JSON.parse(String(chunk)));
      done();
    },
  });
  const registry = new Registry();
  const desk = new DeviceDesk({ registry, log: new Log(target, { readable: false }), files: NO_FILES });
  desk.start();
  owner.after(() => desk.stop());
  return { desk, registry, lines };
}

const SIMULATED = { kind: "simulate", what: "bench" } as const;

function polled(name: string, every: number): DeviceProfile {
  const source = { kind: "poll", command: "temperature", every } as const;
  const readings = { t: { source, unit: "°C", deviceClass: "temperature" } };
  return { ...benchProfile(SIMULATED, { readings }), name };
}

test("desk: tells of readings, states and of what is declared, and describes it all", async (t) => {
  const { desk } = createDesk(t);
  const readings: ReadingEvent[] = [];
  const states: StateEvent[] = [];
  const declared: DeclaredEvent[] = [];
  const ends = [
    desk.onReading((event) => readings.push(event)),
    desk.onState((event) => states.push(event)),
    desk.onDeclared((event) => declared.push(event)),
  ];
  await desk.declare([polled("a", 60_000), polled("b", 60_000)]);
  await until(() => readings.length === 2, "a reading of each");
  for (const { device, reading, value, unit, time } of readings) {
    assert.deepEqual([reading, typeof value, unit], ["t", "number", "°C"], device);
    assert.equal(new Date(time).toISOString(), time);
  }
  assert.deepEqual(
    states.map(({ device, state, reason }) => [device, state, reason]),
    [
      ["a", "ready", undefined],
      ["b", "ready", undefined],
    ],
  );
  const [first] = desk.describe();
  assert.deepEqual(first?.readings, [
    {
      name: "t",
      type: "number",
      unit: "°C",
      deviceClass: "temperature",
      value: readings[0]?.value,
      time: readings[0]?.time,
    },
  ]);
  assert.deepEqual(first?.commands[1], {
    name: "led",
    summary: 'Sends "LED {state}" to a.',
    parameters: { state: { type: "integer", minimum: 0, maximum: 1 } },
    result: { type: "string" },
  });

  await desk.declare([polled("a", 60_000), polled("b", 50_000), polled("c", 60_000)]);
  await desk.declare([polled("a", 60_000), polled("b", 50_000), polled("c", 60_000)]);
  await desk.declare([polled("c", 60_000)]);
  assert.deepEqual(declared, [
    { added: ["a", "b"], removed: [] },
    { added: ["b", "c"], removed: ["b"] },
    { added: [], removed: ["a", "b"] },
  ]);
  for (const end of ends) end();
  const heard = readings.length + states.length + declared.length;
  await desk.declare([]);
  assert.equal(readings.length + states.length + declared.length, heard);
});

test("desk: a listener that throws harms nobody and is reported", async (t) => {
  const { desk, lines } = createDesk(t);
  let heard = 0;
  desk.onReading(() => {
    throw new Error("listener");
  });
  desk.onReading(() => {
    heard += 1;
  });
  await desk.declare([polled("a", 60_000)]);
  await until(() => heard === 1, "the second listener");
  assert.ok(lines.some(({ event }) => event === "device-listener"));
});

test("desk: a reading that fails is told once, and once that it is back", async (t) => {
  const { desk, registry, lines } = createDesk(t);
  const source = { kind: "poll", command: "state", every: 10 } as const;
  const state = { send: "LED?", expect: "^LED 1$", parameters: {}, timeout: 20, error: "^LED 0$" };
  const led = { send: "LED {n}", expect: "^OK$", parameters: { n: { type: "integer" } } } as const;
  await desk.declare([benchProfile(SIMULATED, { commands: { state, led }, readings: { on: { source } } })]);
  const told = (event: string) => lines.filter((line) => line.event === event);
  await until(() => told("reading-failed").length > 0, "the failure");
  assert.match(String(told("reading-failed")[0]?.message), /bench\.on fails: .*answered "LED 0"/);
  const caller = { label: "test", role: "operator", origin: "test" } as const;
  const { signal } = new AbortController();
  const say = (n: number) => registry.call("devices.bench.led", { n }, { caller, signal });
  await say(1);
  await until(() => told("reading-back").length === 1, "the return");
  await say(0);
  await until(() => told("reading-failed").length === 2, "the second failure");
  assert.equal(told("reading-back").length, 1);
});

test("desk: a reading that stays away is told of, and described so until it comes", async (t) => {
  const { desk, registry } = createDesk(t);
  const stale: StaleEvent[] = [];
  desk.onStale((event) => stale.push(event));
  await desk.declare([
    { ...benchProfile(SIMULATED), name: "a", tuning: { button: { staleAfter: 20, unit: "presses" } } },
  ]);
  await until(() => stale.length === 1, "it is stale");
  const { time, ...event } = stale[0] as StaleEvent;
  assert.deepEqual(event, { device: "a", reading: "button" });
  assert.equal(new Date(time).toISOString(), time);
  const button = () => desk.describe()[0]?.readings[0];
  assert.deepEqual(button(), { name: "button", type: "integer", unit: "presses", stale: true });
  const pressed = new Promise((resolve) => desk.onReading(resolve));
  const caller = { label: "test", role: "operator", origin: "here" } as const;
  await registry.call("devices.a.press", [], { caller, signal: new AbortController().signal });
  await pressed;
  assert.equal(button()?.stale, undefined);
});

test("desk: a command that takes any number of arguments takes them one after the other", async (t) => {
  const { desk, registry } = createDesk(t);
  const board = { ...benchProfile(SIMULATED), commands: {}, readings: {}, name: "a", driver: "firmata" };
  await desk.declare([board]);
  const caller = { label: "test", role: "operator", origin: "here" } as const;
  const call = async (...params: readonly number[]) =>
    await registry.call("devices.a.i2cWrite", [...params], { caller, signal: AbortSignal.timeout(50) });
  await assert.rejects(call(72, 1, 256), { code: "invalid", message: /argument "bytes" \(3rd\): got 256/ });
  await assert.rejects(call(72), { code: "invalid", message: /at least 1 members/ });
  await assert.rejects(call(72, 1, 2), { code: "timeout" });
});
