import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { startAgent, succeeded } from "../agent-process.ts";
import { startSimulatedAvr } from "../firmware-bridge/simavr.ts";
import { freePort } from "../free-port.ts";
import { missing } from "../peers.ts";
import { HandBoard } from "./hand-board.ts";
import { WatchProcess } from "./watch-process.ts";

const BUTTON = { match: "^BTN (?<n>[0-9]+)$", result: "n", type: "integer" };
const TEMPERATURE = { send: "TEMP?", expect: "^TEMP (?<c>.+)$", result: "c", type: "number" };

function devices(serial: object, changes: object = {}) {
  const device = {
    name: "bench",
    serial,
    commands: { temperature: TEMPERATURE },
    readings: { button: BUTTON },
  };
  return { devices: [{ ...device, ...changes }] };
}

test("watch: ten watchers, one of them stopped: the others miss nothing, its loss is told exactly", {
  skip: missing("socat"),
}, async (t) => {
  const board = await HandBoard.create(t);
  const agent = await startAgent(t, { configuration: devices({ path: board.path }) });
  const home = await agent.pair();
  await board.say("BTN 0\n");
  const watchers = Array.from({ length: 10 }, () => new WatchProcess(t, agent, home, ["bench", "--json"]));
  const values = (watcher: WatchProcess) => watcher.readings.map(({ value }) => value);
  for (const watcher of watchers) await watcher.until(({ lines }) => lines.length > 0, "the snapshot");
  const [slow, ...others] = watchers as [WatchProcess, ...WatchProcess[]];
  slow.signal("SIGSTOP");
  const total = 8_000;
  for (let n = 1; n <= total; n += 500) {
    await board.say(Array.from({ length: 500 }, (_, index) => `BTN ${n + index}\n`).join(""));
    // At the pace of those who keep up: a burst without end would be too much for anyone.
    for (const other of others) await other.until(({ lines }) => lines.length >= n + 500, `value ${n + 499}`);
  }
  const all = Array.from({ length: total + 1 }, (_, n) => n);
  for (const other of others) {
    assert.deepEqual(values(other), all);
    assert.equal(other.stderr, "");
  }
  slow.signal("SIGCONT");
  await slow.until(({ readings }) => readings.at(-1)?.value === total, "the newest value");
  const { lost } = JSON.parse(slow.stderr) as { lost: number };
  t.diagnostic(`${lost} of ${total} lost`);
  assert.equal(slow.lines.length + lost, all.length);
  assert.deepEqual(values(slow).slice(-1_000), all.slice(-1_000), "the newest are kept");
  slow.signal("SIGINT");
  assert.equal(await slow.exited, 0);
});

test("watch: a document a line of the stated shape, text where no JSON is asked for, Ctrl-C is no failure", async (t) => {
  const changes = { readings: { t: { command: "temperature", every: "100ms", unit: "°C" }, button: BUTTON } };
  const agent = await startAgent(t, { configuration: devices({ simulate: "bench" }, changes) });
  const home = await agent.pair(undefined, { role: "viewer" });
  const json = new WatchProcess(t, agent, home, ["bench", "t", "--json"]);
  const text = new WatchProcess(t, agent, home, ["bench"]);
  await json.until(({ lines }) => lines.length >= 3, "three values");
  await text.until(({ lines }) => lines.length >= 2, "two lines");
  for (const line of json.readings) {
    assert.deepEqual(Object.keys(line), ["device", "reading", "value", "unit", "time"]);
    assert.match(line.time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    assert.deepEqual(
      [line.device, line.reading, typeof line.value, line.unit],
      ["bench", "t", "number", "°C"],
    );
  }
  assert.match(text.lines[0] ?? "", /^\S+Z {2}t {2}[0-9.]+ °C$/);
  for (const watch of [json, text]) {
    watch.signal("SIGINT");
    assert.equal(await watch.exited, 0);
    assert.equal(watch.stderr, "");
  }
  const timed = await agent.tether(["device", "watch", "bench", "--timeout", "300ms"]);
  assert.equal(timed.code, 3);
  for (const [args, message] of [
    [["moon"], /^tether: there is no device "moon" \(there are: bench\)\n$/],
    [["bench", "moon"], /bench has no reading "moon" \(it has: t, button\)/],
  ] as const) {
    const refused = await agent.tether(["device", "watch", ...args]);
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, message);
  }
});

test("watch: the file has its header once and a line for each value, whatever is in it", {
  skip: missing("socat"),
}, async (t) => {
  const board = await HandBoard.create(t);
  const readings = { said: { match: "^SAY (?<text>.*)$", result: "text", unit: 'a "unit"' } };
  const agent = await startAgent(t, { configuration: devices({ path: board.path }, { readings }) });
  const home = await agent.pair();
  const file = join(agent.folder, "log.csv");
  let lines = 0;
  for (const texts of [
    ["plain", 'with "quotes", and a comma'],
    ["=1+1", ""],
  ]) {
    const watch = new WatchProcess(t, agent, home, ["bench", "--csv", file, "--json"]);
    // Heard at once or in the snapshot, whichever comes first.
    if (lines === 0) await board.say("SAY first\n");
    await watch.until(({ lines: shown }) => shown.length > 0, "the snapshot");
    for (const text of texts) {
      const before = watch.lines.length;
      await board.say(`SAY ${text}\n`);
      await watch.until(({ lines: shown }) => shown.length > before, text);
      // The line is in the file before it is shown.
      assert.equal(readFileSync(file, "utf8").at(-1), "\n");
    }
    lines += watch.lines.length;
    watch.signal("SIGINT");
    assert.equal(await watch.exited, 0);
  }
  const [header, ...rows] = readFileSync(file, "utf8").trimEnd().split("\n");
  assert.equal(header, "time,reading,value,unit");
  assert.equal(rows.length, lines);
  const unit = '"a ""unit"""';
  assert.deepEqual(
    rows.map((row) => row.slice(row.indexOf(",") + 1)),
    [
      `said,first,${unit}`,
      `said,plain,${unit}`,
      `said,"with ""quotes"", and a comma",${unit}`,
      `said,"with ""quotes"", and a comma",${unit}`,
      `said,=1+1,${unit}`,
      `said,,${unit}`,
    ],
  );
  const refused = await agent.tether(["device", "watch", "bench", "--csv", agent.folder]);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /cannot write /);
});

test("watch: goes on after the agent was killed and started again, and tells no value twice", async (t) => {
  const readings = { t: { command: "temperature", every: "100ms" } };
  const listen = { host: "127.0.0.1", port: await freePort() };
  const configuration = { ...devices({ simulate: "bench" }, { readings }), listen };
  const agent = await startAgent(t, { configuration });
  const home = await agent.pair();
  const watch = new WatchProcess(t, agent, home, ["bench", "--json"]);
  await watch.until(({ lines }) => lines.length > 0, "a value");
  await agent.stop("SIGKILL");
  await watch.until(({ stderr }) => stderr.includes('"connection":"lost"'), "the loss");
  const before = watch.lines.length;
  await startAgent(t, { folder: agent.folder });
  await watch.until(({ lines }) => lines.length > before + 1, "values after the restart");
  assert.match(watch.stderr, /"connection":"back"/);
  const times = watch.readings.map(({ time }) => time);
  assert.equal(new Set(times).size, times.length);
});

test("watch: a device that is declared anew is watched on, one that is gone ends the watch", async (t) => {
  const agent = await startAgent(t, { configuration: devices({ simulate: "bench" }) });
  const home = await agent.pair();
  const base = JSON.parse(readFileSync(agent.configurationFile, "utf8"));
  const declare = async (change: object) => {
    const from = agent.log.length;
    writeFileSync(agent.configurationFile, JSON.stringify({ ...base, ...change }));
    agent.signal("SIGHUP");
    await agent.line("configuration-read", () => true, from);
  };
  await declare(devices({ simulate: "bench" }, { readings: { t: { command: "temperature", every: "1h" } } }));
  const watch = new WatchProcess(t, agent, home, ["bench", "--json"]);
  await watch.until(({ lines }) => lines.length === 1, "a value");
  await declare(
    devices({ simulate: "bench" }, { readings: { warmth: { command: "temperature", every: "1h" } } }),
  );
  await watch.until(({ readings }) => readings.at(-1)?.reading === "warmth", "the new reading");
  await declare({ devices: [] });
  assert.equal(await watch.exited, 1);
  assert.match(watch.stderr, /"code":"not-found"/);
});

test("watch: readings of the real firmware in a simulated AVR arrive, while others command it", {
  skip: missing("simavr"),
}, async (t) => {
  const avr = await startSimulatedAvr();
  t.after(() => avr.stop());
  const commands = {
    temperature: TEMPERATURE,
    ping: { send: "PING", expect: "^PONG$" },
    led: { send: "LED?", expect: "^LED (?<on>[01])$", result: "on", type: "boolean" },
  };
  const readings = { t: { command: "temperature", every: "100ms", unit: "°C" }, button: BUTTON };
  const configuration = devices({ path: avr.path }, { commands, readings, line: { timeout: "5s" } });
  const agent = await startAgent(t, { configuration });
  const home = await agent.pair();
  const watch = new WatchProcess(t, agent, home, ["bench", "--json"]);
  await watch.until(({ lines }) => lines.length > 0, "a first value");
  const names = Array.from({ length: 60 }, (_, index) => ["ping", "temperature", "led"][index % 3] ?? "");
  const batch = names.map((name) => JSON.stringify({ method: `devices.bench.${name}` })).join("\n");
  const { stdout } = succeeded(await agent.tether(["call", "--batch", "-", "--json"], { input: batch }));
  const types = (JSON.parse(stdout) as { result: unknown }[]).map(({ result }) => typeof result);
  assert.deepEqual(
    types,
    names.map((_, index) => ["string", "number", "boolean"][index % 3]),
  );
  avr.press();
  await watch.until(({ lines }) => lines.some((line) => line.includes('"button"')), "the button");
  for (const { reading, value, unit } of watch.readings) {
    if (reading === "t") assert.ok(typeof value === "number" && value > 15 && value < 30 && unit === "°C");
    else assert.deepEqual([reading, Number.isInteger(value), unit], ["button", true, null]);
  }
});
