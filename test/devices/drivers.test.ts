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
