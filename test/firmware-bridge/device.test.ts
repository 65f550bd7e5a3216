import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Device, type DeviceState, DRIVERS } from "../../firmware-bridge/index.ts";
import type { Port } from "../../firmware-bridge/port.ts";
import { BenchBoard } from "../../firmware-bridge/simulate/bench.ts";
import { TetherError } from "../../protocol/errors.ts";
import { converse, converseConcurrently } from "./bench-conversation.ts";
import { benchProfile } from "./bench-profile.ts";
import { call, createDevice, reached } from "./open-device.ts";
import { until } from "./until.ts";

const SIMULATED = benchProfile({ kind: "simulate", what: "bench" });

/** A bench board in memory that a test can unplug. */
function createBoardPort() {
  const board = new BenchBoard();
  let plugged = true;
  const port: Port = {
    interval: 5,
    async locate() {
      if (!plugged) throw new TetherError("device-missing", "the board is unplugged");
      return "memory";
    },
    open: async (_path, receiver) => board.open(receiver),
  };
  const unplug = () => {
    plugged = false;
    board.unplug();
  };
  const plug = () => {
    plugged = true;
  };
  return { port, unplug, plug };
}

test("device: the simulated bench is ready after start and does what the board does", async (t) => {
  const device = createDevice(t, SIMULATED);
  assert.equal(device.state, "opening");
  await assert.rejects(call(device, "ping"), { code: "device-missing" });
  await device.start();
  assert.equal(device.state, "ready");
  assert.equal(device.path, "simulate:bench");
  await converse(device);
  await converseConcurrently(device, 200);
});

test("device: an error of the board shows in the timeout", async (t) => {
  const device = createDevice(t, { ...SIMULATED, line: { ...SIMULATED.line, timeout: 50 } });
  await device.start();
  await assert.rejects(call(device, "led", { state: 7 }), {
    code: "timeout",
    message: /"ERR range" came instead/,
  });
  assert.equal(device.state, "ready", "a device that does not answer stays ready");
});

test("device: after stop nobody waits, and it can be started again", async (t) => {
  const { port } = createBoardPort();
  const device = createDevice(t, SIMULATED, port);
  await device.start();
  const waiting = Array.from({ length: 3 }, () =>
    assert.rejects(call(device, "ping"), { code: "cancelled" }),
  );
  await device.stop();
  await Promise.all(waiting);
  await assert.rejects(call(device, "ping"), { code: "device-missing" });
  await device.start();
  assert.equal(await call(device, "ping"), "PONG");
  await device.stop();
  await device.stop();
});

test("device: aborting the signal of start stops it", async (t) => {
  const controller = new AbortController();
  const device = createDevice(t, SIMULATED);
  await device.start(controller.signal);
  controller.abort();
  await reached(device, "missing");
});

test("device: unplugged with callers waiting, and back, 200 times without a leak", async (t) => {
  const { port, unplug, plug } = createBoardPort();
  const device = createDevice(t, SIMULATED, port);
  const states: DeviceState[] = [];
  device.onState(({ state }) => states.push(state));
  const warnings: Error[] = [];
  const warn = (warning: Error) => warnings.push(warning);
  process.on("warning", warn);
  await device.start();
  const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === "Timeout").length;
  const before = timers();
  for (let cycle = 0; cycle < 200; cycle += 1) {
    const waiting = Array.from({ length: 3 }, () => call(device, "ping"));
    unplug();
    for (const one of await Promise.allSettled(waiting)) {
      assert.equal(one.status === "rejected" && one.reason.code, "device-missing");
    }
    plug();
    await reached(device, "ready");
  }
  assert.equal(await call(device, "ping"), "PONG");
  process.off("warning", warn);
  assert.deepEqual(warnings, []);
  assert.ok(timers() <= before + 1, `${timers()} timers, ${before} before`);
  assert.deepEqual(states.slice(0, 4), ["ready", "missing", "opening", "ready"]);
  assert.equal(states.length, 1 + 200 * 3);
});

test("device: a listener that throws harms neither the others nor the device", async (t) => {
  const device = createDevice(t, SIMULATED);
  device.onReading(() => {
    throw new Error("listener");
  });
  let heard = 0;
  device.onReading(() => {
    heard += 1;
  });
  await device.start();
  await call(device, "press");
  await until(() => heard === 1, "the second listener");
  assert.equal(await call(device, "ping"), "PONG");
});

test("device: a path that is not there, and one that is no port", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "tether-device-"));
  t.after(() => rm(folder, { recursive: true }));
  const absent = join(folder, "absent");
  const missing = createDevice(t, benchProfile({ kind: "path", path: absent, baudRate: 9600 }));
  await missing.start();
  assert.deepEqual(missing.condition, { state: "missing", reason: `there is no ${absent}` });
  await assert.rejects(call(missing, "ping"), { code: "device-missing", message: /is missing: there is no/ });

  const file = join(folder, "file");
  await writeFile(file, "");
  const failed = createDevice(t, benchProfile({ kind: "path", path: file, baudRate: 9600 }));
  await failed.start();
  assert.deepEqual(failed.condition, { state: "failed", reason: `${file} is no serial port` });
  await assert.rejects(call(failed, "ping"), { code: "device-failed" });

  const tty = createDevice(t, benchProfile({ kind: "path", path: "/dev/null", baudRate: 9600 }));
  await tty.start();
  assert.equal(tty.state, "failed");
});

test("device: a profile that makes no sense is refused when it is made", () => {
  const options = { log: { info() {}, warn() {} }, now: () => 0 };
  const make = (profile: typeof SIMULATED) => () => new Device(profile, options);
  assert.throws(make(benchProfile({ kind: "simulate", what: "moon" })), {
    code: "invalid",
    message: /allowed: bench/,
  });
  assert.throws(make(benchProfile({ kind: "match", baudRate: 9600 })), { code: "invalid" });
  assert.throws(make({ ...SIMULATED, driver: "morse" }), {
    code: "invalid",
    message: `there is no driver "morse"; allowed: ${DRIVERS.join(", ")}`,
  });
});

test("device: a reading keeps its last value and time", async (t) => {
  let clock = 1_000;
  const device = new Device(SIMULATED, { log: { info() {}, warn() {} }, now: () => clock });
  t.after(() => device.stop());
  await device.start();
  assert.deepEqual(device.readings, [{ name: "button", type: "integer" }]);
  await call(device, "press");
  await until(() => device.readings[0]?.value !== undefined, "a press");
  clock = 2_000;
  assert.deepEqual(device.readings, [{ name: "button", type: "integer", value: 1, time: 1_000 }]);
});
