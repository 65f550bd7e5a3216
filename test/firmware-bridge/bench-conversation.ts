import assert from "node:assert/strict";
import type { Device, Reading } from "../../firmware-bridge/index.ts";
import { call } from "./open-device.ts";
import { until } from "./until.ts";

/** What every bench board has to do, in memory, behind a pseudo-terminal or as firmware. */
export async function converse(device: Device): Promise<void> {
  await call(device, "led", { state: 1 });
  assert.equal(await call(device, "ledState"), true);
  await call(device, "led", { state: 0 });
  assert.equal(await call(device, "ledState"), false);
  const celsius = await call(device, "temperature");
  assert.ok(typeof celsius === "number" && celsius > 15 && celsius < 30, `${celsius} °C`);
  assert.equal(await call(device, "say", { text: "hello" }), "ERR unknown");

  const heard: Reading[] = [];
  const deaf = device.onReading((reading) => heard.push(reading));
  await call(device, "press");
  await until(() => heard.length > 0, "the button");
  deaf();
  assert.equal(heard[0]?.name, "button");
  assert.ok(Number(heard[0]?.value) >= 1);
  assert.deepEqual(
    device.readings.find(({ name }) => name === "button"),
    heard.at(-1),
  );
}

/** Many callers at once: each gets the answer to its own question. */
export async function converseConcurrently(device: Device, callers: number): Promise<void> {
  const answers = await Promise.all(
    Array.from({ length: callers }, (_, index) =>
      call(device, ["ping", "temperature", "ledState"][index % 3] ?? ""),
    ),
  );
  const types = answers.map((answer) => typeof answer);
  assert.deepEqual(
    types,
    Array.from({ length: callers }, (_, index) => ["string", "number", "boolean"][index % 3]),
  );
}
