import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { startAgent, succeeded } from "../agent-process.ts";
import { buildFramesBoard } from "../firmware-bridge/frames-board.ts";
import { startModbusServer } from "../firmware-bridge/modbus-server.ts";
import { until } from "../firmware-bridge/until.ts";
import { missing } from "../peers.ts";

test("drivers: a Modbus bus from the laptop, by name and by address", {
  skip: missing("pymodbus", "socat"),
}, async (t) => {
  const registers = {
    voltage: { address: 7, unitId: 2, scale: 0.1, unit: "V", every: "50ms" },
    pump: { table: "coil", address: 0, writable: true, poll: false },
  };
  const serial = { path: await startModbusServer(t) };
  const devices = [{ name: "cellar", serial, driver: "modbus", modbus: { registers } }];
  const agent = await startAgent(t, { configuration: { devices } });
  await agent.pair();
  const call = async (...args: string[]) => {
    const called = await agent.tether(["call", ...args]);
    return called.stdout === "" ? called.stderr : called.stdout;
  };
  assert.equal(await call("devices.cellar.read", "voltage"), "200.7\n");
  assert.equal(await call("devices.cellar.write", "pump", "true"), "null\n");
  assert.equal(await call("devices.cellar.readCoils", "0", "2"), "[true,false]\n");
  assert.equal(await call("devices.cellar.readHoldingRegisters", "10", "2", "3"), "[3010,3011]\n");
  assert.equal(await call("devices.cellar.writeRegisters", "10", "[1,2]"), "null\n");
  assert.equal(await call("devices.cellar.readHoldingRegisters", "10", "2"), "[1,2]\n");
  assert.match(await call("devices.cellar.read", "voltag"), /voltag.*allowed/);
  assert.match(await call("devices.cellar.write", "voltage", "1"), /allowed/);
  assert.match(
    await call("devices.cellar.readHoldingRegisters", "900", "1"),
    /exception 2, illegal data address/,
  );
  const [device] = JSON.parse(succeeded(await agent.tether(["device", "list", "--json"])).stdout);
  assert.deepEqual(device.readings, ["voltage", "pump"]);
});

test("drivers: two laptops with 1,000 Modbus questions each, and polls: every answer is its question's", {
  skip: missing("pymodbus", "socat"),
}, async (t) => {
  const registers = { polled: { address: 7, every: "50ms" } };
  const serial = { path: await startModbusServer(t) };
  const devices = [{ name: "cellar", serial, driver: "modbus", modbus: { registers } }];
  const agent = await startAgent(t, { configuration: { limits: { queuedCalls: 4096 }, devices } });
  const homes = [await agent.pair(), await agent.pair()];
  const ask = async (home: string, seed: number) => {
    const questions = Array.from({ length: 1_000 }, (_, index) => ({
      address: (seed * 13 + index * 7) % 890,
      unitId: 1 + ((seed + index) % 3),
    }));
    const input = questions
      .map(({ address, unitId }) => ({
        method: "devices.cellar.readHoldingRegisters",
        params: [address, 1, unitId],
      }))
      .map((call) => `${JSON.stringify(call)}\n`)
      .join("");
    const asked = await agent.tether(["call", "--batch", "-", "--json"], { home, input });
    const answers = JSON.parse(asked.stdout) as { result?: number[]; error?: { code: string } }[];
    assert.deepEqual(
      answers.map(({ result, error }) => result?.[0] ?? JSON.stringify(error)),
      questions.map(({ address, unitId }) => unitId * 1_000 + address),
    );
  };
  await Promise.all(homes.map(ask));
});

test("drivers: a board that describes itself brings its procedures and readings", {
  skip: missing("simavr", "socat"),
}, async (t) => {
  const program = await buildFramesBoard(t);
  const path = join(dirname(program), "uart");
  const line = spawn("socat", [`pty,raw,echo=0,link=${path}`, `EXEC:${program}`], { stdio: "ignore" });
  const gone = once(line, "exit");
  t.after(async () => {
    line.kill();
    await gone;
  });
  const agent = await startAgent(t, {
    configuration: { devices: [{ name: "board", serial: { path }, driver: "frames" }] },
  });
  await agent.pair();
  const names = async () =>
    JSON.parse(succeeded(await agent.tether(["procedures", "devices.board", "--json"])).stdout).map(
      ({ name }: { name: string }) => name.slice("devices.board.".length),
    );
  await until(async () => (await names()).includes("all"), "the description", 30_000);
  assert.deepEqual((await names()).sort(), ["all", "big", "describe", "fail", "nothing", "undone"]);
  const call = async (...args: string[]) => await agent.tether(["call", ...args]);
  const all = ["true", "7", "8", "9", "-1", "-2", "-3", "0.25", "hello"];
  assert.equal(succeeded(await call("devices.board.all", ...all)).stdout, "1 7 8 9 -1 -2 -3 0.25 hello\n");
  const refused = await call("devices.board.all", "true", "256", ...all.slice(2));
  assert.match(refused.stderr, /"b" \(2nd\).*255/);
  assert.match((await call("devices.board.fail")).stderr, /board\.fail: because/);
  assert.match(succeeded(await call("devices.board.describe")).stdout, /^nothing\(\)$/m);
  const [device] = JSON.parse(succeeded(await agent.tether(["device", "list", "--json"])).stdout);
  assert.deepEqual(device.readings, ["text", "log"]);
});
