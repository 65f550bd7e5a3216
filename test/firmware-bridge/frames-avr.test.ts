import assert from "node:assert/strict";
import { test } from "node:test";
import type { Device, DeviceProfile } from "../../firmware-bridge/index.ts";
import type { Link } from "../../firmware-bridge/link/link.ts";
import { openTty } from "../../firmware-bridge/link/tty.ts";
import type { Port } from "../../firmware-bridge/port.ts";
import { missing } from "../peers.ts";
import { seeded } from "../wire/random.ts";
import { call, createDevice } from "./open-device.ts";
import { startSimulatedAvr } from "./simavr.ts";
import { until } from "./until.ts";

const EXAMPLE = ["frames-example/example.c", "frames/tether_frames.c"];

function profile(path: string, timeout = 2_000): DeviceProfile {
  return {
    name: "board",
    port: { kind: "path", path, baudRate: 115_200 },
    driver: "frames",
    line: { terminator: "\n", timeout: 2_000, separators: "" },
    commands: {},
    readings: {},
    frames: { timeout },
  };
}

/** A port at a path on which the test may say things of its own, behind the driver's back. */
function sharedPort(path: string) {
  let link: Link | undefined;
  const port: Port = {
    interval: 100,
    locate: async () => path,
    async open(found, receiver, settings) {
      link = await openTty({ path: found, ...settings }, receiver);
      return link;
    },
  };
  return { port, say: async (bytes: Uint8Array) => await link?.write(bytes) };
}

const value = (device: Device, name: string) => device.readings.find((each) => each.name === name)?.value;

test("frames: the example in simavr says what it is, is called, reports, and bears noise, haste and a reset", {
  skip: missing("simavr"),
}, async (t) => {
  const avr = await startSimulatedAvr(EXAMPLE);
  t.after(() => avr.stop());
  const { port, say } = sharedPort(avr.path);
  const device = createDevice(t, profile(avr.path), port);
  let descriptions = 0;
  const heard: string[] = [];
  device.onReading(({ name }) => name === "log" && heard.push(name));
  device.onDescription(() => {
    descriptions += 1;
  });
  await device.start();
  assert.equal(device.state, "ready", device.condition.reason);
  await until(() => descriptions === 1, "the description", 30_000);
  assert.deepEqual(
    device.commands.map(({ name }) => name),
    ["led", "lit", "echo", "add", "divide", "light", "celsius", "wait", "describe"],
  );
  const add = device.commands.find(({ name }) => name === "add");
  assert.equal(add?.summary, "Adds two numbers.");
  assert.deepEqual(Object.keys(add?.parameters ?? {}), ["a", "b"]);
  assert.deepEqual(
    device.readings.map(({ name, type, unit }) => [name, type, unit]),
    [
      ["button", "integer", "presses"],
      ["uptime", "integer", "s"],
      ["log", "string", undefined],
    ],
  );

  assert.equal(await call(device, "lit"), false);
  assert.equal(await call(device, "led", { on: true }), null);
  assert.equal(await call(device, "lit"), true);
  assert.equal(await call(device, "add", { a: -2_000_000_000, b: 7 }), -1_999_999_993);
  assert.equal(await call(device, "divide", { a: -7, b: 2 }), -3);
  await assert.rejects(call(device, "divide", { a: 1, b: 0 }), {
    code: "device-failed",
    message: "board.divide: division by zero",
  });
  for (const text of ["", "grün \0 und blau", "x".repeat(60)]) {
    assert.equal(await call(device, "echo", { text }), text);
  }
  await assert.rejects(call(device, "echo", { text: "x".repeat(61) }), {
    code: "invalid",
    message: "board.echo: arguments of 62 bytes; allowed: 61",
  });
  assert.equal(await call(device, "light"), 204, "1 V of 5");
  const celsius = Number(await call(device, "celsius"));
  assert.ok(Math.abs(celsius - 21.5) < 2, `${celsius}`);

  const before = Number(value(device, "button") ?? 0);
  avr.press();
  await until(() => value(device, "button") === before + 1, "the button");
  const second = Number(value(device, "uptime") ?? 0);
  await until(() => Number(value(device, "uptime")) > second, "a second of uptime", 30_000);

  // Everybody at once: one goes out at a time, each gets its own.
  const sums = await Promise.all(
    Array.from({ length: 60 }, (_, index) => call(device, "add", { a: index, b: 1000 })),
  );
  assert.deepEqual(
    sums,
    sums.map((_, index) => 1000 + index),
  );

  // Noise between calls and during them, half frames and too long ones: a call is lost at most, and never wrong.
  const random = seeded(7);
  for (let round = 0; round < 20; round += 1) {
    const noise = Buffer.from(Array.from({ length: 1 + (round % 7) * 20 }, () => Math.floor(random() * 256)));
    await say(noise);
    const sum = await call(device, "add", { a: round, b: round }).catch((thrown) => thrown.code);
    assert.ok(sum === 2 * round || sum === "timeout", `round ${round}: ${sum}`);
  }
  assert.equal(await call(device, "add", { a: 1, b: 1 }), 2);

  // Haste: frames that come while the board is busy are lost whole, and it goes on.
  const slow = call(device, "wait", { ms: 300 });
  for (let index = 0; index < 5; index += 1) await say(Buffer.from("000203ffff00", "hex"));
  assert.equal(await slow, null);
  assert.equal(await call(device, "add", { a: 2, b: 1 }), 3);

  // A reset in the middle of a call: its caller is told, the description is the same, and it is called again.
  await call(device, "led", { on: true });
  const lost = assert.rejects(call(device, "wait", { ms: 1500 }), {
    code: "device-failed",
    message: /has started anew/,
  });
  await until(() => value(device, "log") === "waiting" && heard.length === 2, "the board to be at it");
  avr.reset();
  await lost;
  assert.equal(await call(device, "lit"), false, "it has forgotten the LED");
  assert.equal(descriptions, 1);
  await device.stop();
});

test("frames: an answer that is late never answers another call", { skip: missing("simavr") }, async (t) => {
  const avr = await startSimulatedAvr(EXAMPLE);
  t.after(() => avr.stop());
  const device = createDevice(t, profile(avr.path, 200));
  await device.start();
  await until(() => device.commands.length > 1, "the description", 30_000);
  for (let round = 0; round < 3; round += 1) {
    await assert.rejects(call(device, "wait", { ms: 300 + 100 * round }), { code: "timeout" });
    const sum = await call(device, "add", { a: round, b: 10 }).catch((thrown) => thrown.code);
    assert.ok(sum === 10 + round || sum === "timeout", `${sum}`);
  }
  await until(
    () =>
      call(device, "add", { a: 1, b: 2 }).then(
        (sum) => sum === 3,
        () => false,
      ),
    "an answer again",
  );
});
