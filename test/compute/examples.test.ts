import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { BENCH } from "../end-to-end/bench-device.ts";
import { startComputing } from "./procedures-folder.ts";

const EXAMPLES = fileURLToPath(new URL("../../examples/procedures/", import.meta.url));
const files = Object.fromEntries(
  readdirSync(EXAMPLES)
    .filter((name) => name.endsWith(".mjs"))
    .map((name) => [name, readFileSync(join(EXAMPLES, name), "utf8")]),
);
const readings = mkdtempSync(join(tmpdir(), "tether-readings-"));
after(() => rmSync(readings, { recursive: true, force: true }));
const commands = {
  ...BENCH.commands,
  "led-state": { send: "LED?", expect: "^LED (?<state>[01])$", result: "state", type: "integer" },
};
const computing = await startComputing(
  { after },
  files,
  { devices: [{ ...BENCH, commands }] },
  { READINGS: readings },
);
const { agent } = computing;
const client = await computing.connect();

test("every example is loaded, and described on the page", async () => {
  assert.equal(agent.log.filter(({ level }) => level === "error").length, 0);
  const page = readFileSync(new URL("../../docs/user-procedures.md", import.meta.url), "utf8");
  const names = (await client.procedures()).map(({ name }) => name);
  for (const name of ["signal.smooth", "signal.lowpass", "readings.statistics", "control.thermostat"]) {
    assert.ok(names.includes(name), name);
    assert.ok(page.includes(name), `${name} on the page`);
  }
});

test("the filters do what their comments say", async () => {
  const smoothed = await client.call("signal.smooth", [[20.1, 20.3, 35.0, 20.2, 20.4], 3]);
  assert.deepEqual(smoothed, [20.200000000000003, 20.3, 20.3, 20.4, 20.299999999999997]);
  assert.deepEqual(await client.call("signal.lowpass", [[0, 0, 1, 1, 1], 0.5]), [0, 0, 0.5, 0.75, 0.875]);
  assert.deepEqual(await client.call("signal.smooth", [[]]), []);
  const many = Array.from({ length: 50_000 }, (_, at) => at % 7);
  assert.equal(((await client.call("signal.smooth", [many])) as number[]).length, many.length);
});

test("statistics are those of the file, and of no other place", async () => {
  const lines = ["time,reading,value,unit"];
  for (let value = 1; value <= 5; value++) lines.push(`2026-01-01T00:00:0${value}Z,temperature,${value},°C`);
  lines.push("2026-01-01T00:00:06Z,button,,", "2026-01-01T00:00:07Z,state,open,", "");
  writeFileSync(join(readings, "bench.csv"), lines.join("\n"));
  assert.deepEqual(await client.call("readings.statistics", ["bench.csv"]), {
    temperature: { count: 5, least: 1, greatest: 5, mean: 3, deviation: Math.sqrt(2.5) },
  });
  await assert.rejects(client.call("readings.statistics", ["none.csv"]), { code: "not-found" });
  for (const path of ["../bench.csv", "/etc/passwd", ".."]) {
    await assert.rejects(client.call("readings.statistics", [path]), { code: "invalid" }, path);
  }
});

test("the control loop yields its steps, and leaves the heater off when it ends or is cancelled", async () => {
  const ended = (await client.call("control.thermostat", [1000, 0.5, 0.01, 3])) as { heating: boolean }[];
  assert.deepEqual(
    ended.map(({ heating }) => heating),
    [true, true, true],
  );
  assert.equal(await client.call("devices.bench.led-state", []), 0);

  const stop = new AbortController();
  const from = agent.log.length;
  const running = client.callStreaming(
    "control.thermostat",
    [1000, 0.5, 0.01],
    { onYield: () => stop.abort() },
    { signal: stop.signal },
  );
  await assert.rejects(running, { code: "cancelled" });
  await agent.line("procedure-log", ({ message }) => /heater on/.test(message), from);
  const off = async () => (await client.call("devices.bench.led-state", [])) === 0;
  const deadline = performance.now() + 10_000;
  while (!(await off())) assert.ok(performance.now() < deadline, "the heater stays on");
});
