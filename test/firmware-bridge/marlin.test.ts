import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { GcodeSettings } from "../../firmware-bridge/index.ts";
import { TetherError } from "../../protocol/errors.ts";
import { Machine, machineProfile } from "./machine.ts";
import { MachinePort } from "./machine-port.ts";
import { MarlinPeer } from "./marlin-peer.ts";
import { until } from "./until.ts";

async function connected(
  t: TestContext,
  options: ConstructorParameters<typeof MarlinPeer>[1] = {},
  settings: Partial<GcodeSettings> = {},
) {
  const port = new MachinePort(t, (say) => new MarlinPeer(say, options));
  const machine = new Machine(t, machineProfile({ dialect: "marlin", ...settings }), port);
  await machine.device.start();
  return { peer: port.peer, port, machine };
}

/** What was carried out, without what the driver asks by itself. */
function codes(peer: MarlinPeer): string[] {
  return peer.codes.filter((code) => !/^M(110|115|105|114|154|155|400)\b/.test(code));
}

function moves(count: number): string {
  return Array.from({ length: count }, (_, index) => `G1 X${index} Y${index / 2} F3000 ; move ${index}`).join(
    "\n",
  );
}

test("marlin: a program arrives whole, with numbers and checksums of ours", async (t) => {
  const { peer, port, machine } = await connected(t);
  machine.files.set(
    "/print.gcode",
    `; sliced\nM117 Hi (there)\nN77 G28*99\nG1 X1 (left) Y2\n%\n\n${moves(50)}`,
  );
  const result = (await machine.call("stream", { file: "/print.gcode" })) as { lines: number };
  assert.equal(result.lines, 53);
  assert.deepEqual(codes(peer).slice(0, 3), ["M117 Hi (there)", "G28", "G1 X1  Y2"]);
  assert.equal(codes(peer).length, 53);
  assert.equal(peer.codes.at(-1), "M400");
  assert.match(port.heard, /^N0 M110 N0\*125\nN1 M115\*/);
  assert.equal(peer.resends, 0);
});

test("marlin: lines that are damaged on their way are sent again", async (t) => {
  const damaged = [3, 9, 10, 11, 30, 77, 150];
  const { peer, machine } = await connected(t, { damaged });
  machine.files.set("/print.gcode", moves(200));
  await machine.call("stream", { file: "/print.gcode" });
  assert.equal(peer.resends, damaged.length);
  assert.deepEqual(
    codes(peer),
    moves(200)
      .split("\n")
      .map((line) => line.replace(/ ;.*/, "")),
  );
});

test("marlin: a line that never arrives well ends the job", async (t) => {
  const { peer, machine } = await connected(t, {
    damaged: Array.from({ length: 300 }, (_, index) => index + 20),
  });
  machine.files.set("/print.gcode", moves(200));
  await assert.rejects(machine.call("stream", { file: "/print.gcode" }), {
    code: "device-failed",
    message: /asks for line \d+ again, 10 times in vain/,
  });
  assert.ok(codes(peer).length < 30);
});

test("marlin: values come by being asked for, or by themselves where the firmware can", async (t) => {
  for (const reportsItself of [false, true]) {
    const { peer, machine } = await connected(t, { reportsItself });
    await machine.call("send", { line: "G1 X12.5 Y3" });
    const status = (await machine.call("status")) as { [name: string]: unknown };
    assert.deepEqual([status.workX, status.workY, status.hotend, status.bedTarget], [12.5, 3, 201.25, 60]);
    await until(() => machine.reading("workX") === 12.5, "the reading");
    assert.equal(machine.reading("hotendTarget"), 200);
    assert.equal(peer.codes.includes("M155 S1"), reportsItself);
  }
});

test("marlin: what takes long may take long while it says that it is busy", async (t) => {
  const { machine } = await connected(t, { moveTime: 400 }, { timeout: 200 });
  const move = machine.call("send", { line: "G1 X1" });
  await until(() => machine.reading("machine") === "busy: processing", "busy");
  await move;
});

test("marlin: an unknown command is told, and no second line is smuggled in", async (t) => {
  const { peer, machine } = await connected(t);
  assert.deepEqual(await machine.call("send", { line: "M999" }), ['Unknown command: "M999"']);
  for (const line of ["G0 X1\nG0 X2", "G0 X1\rG0", "G0\x18"]) {
    await assert.rejects(machine.call("send", { line }), { code: "invalid" });
  }
  await machine.call("jog", { x: 5, y: 0, z: -0.1, feed: 600 });
  assert.deepEqual(codes(peer), ["M999", "G91", "G1 X5 Z-0.1 F600", "G90"]);
  assert.deepEqual(await machine.call("settings"), ["echo:; Linear Units:", "echo:  G21 ; (mm)"]);
});

test("marlin: start in the middle of a job ends it, and nothing of it is sent any more", async (t) => {
  const { peer, machine } = await connected(t, { moveTime: 10 });
  machine.files.set("/print.gcode", moves(100));
  const job = machine.call("stream", { file: "/print.gcode" });
  const ended = assert.rejects(job, { code: "device-failed", message: /was reset \(it said start\)/ });
  await until(() => codes(peer).length > 5, "it is under way");
  peer.start();
  const before = codes(peer).length;
  await ended;
  await machine.call("send", { line: "M117 x" });
  assert.deepEqual(codes(peer).slice(before), ["M117 x"]);
});

test("marlin: hold, resume, stop, and a halt", async (t) => {
  const { peer, machine } = await connected(t, { moveTime: 5 });
  machine.files.set("/print.gcode", moves(200));
  const job = machine.call("stream", { file: "/print.gcode" });
  const ended = assert.rejects(job, { code: "cancelled", message: /stopped by laptop/ });
  await until(() => codes(peer).length > 5, "it is under way");
  await machine.call("hold");
  const held = codes(peer).length;
  await machine.call("status");
  await machine.call("feed", { percent: 80 });
  assert.ok(codes(peer).length <= held + 2);
  await machine.call("resume");
  await until(() => codes(peer).length > held + 5, "it goes on");
  await machine.call("stop");
  await ended;
  assert.equal(codes(peer).at(-1), "M410");

  const second = machine.call("stream", { file: "/print.gcode" });
  const halted = assert.rejects(second, { code: "device-failed", message: /Printer halted/ });
  await until(() => machine.reading("progress") === 2, "it is under way");
  peer.halt();
  await halted;
});

test("marlin: the job of a lost caller is held, and pulled is over", async (t) => {
  const { peer, port, machine } = await connected(t, { moveTime: 5 });
  machine.files.set("/print.gcode", moves(200));
  const caller = new AbortController();
  machine.call("stream", { file: "/print.gcode" }, { signal: caller.signal }).catch(() => undefined);
  await until(() => codes(peer).length > 5, "it is under way");
  caller.abort(new TetherError("unreachable", "gone"));
  await until(() => machine.reading("job") === "held", "held");
  port.pull();
  await until(() => machine.reading("job") === "failed", "over");
  peer.start();
  port.plug();
  await until(() => machine.device.state === "ready", "it is back");
  const before = codes(peer).length;
  assert.equal(((await machine.call("status")) as { job: string }).job, "failed");
  assert.equal(codes(peer).length, before);
});

test("marlin: a board that boots when it is opened is greeted again", async (t) => {
  const port = new MachinePort(t, (say) => {
    const peer = new MarlinPeer(say);
    let isUp = false;
    setTimeout(() => {
      isUp = true;
      peer.start();
    }, 300);
    return {
      receive: (bytes: Uint8Array) => (isUp ? peer.receive(bytes) : undefined),
      stop: () => peer.stop(),
    };
  });
  const machine = new Machine(t, machineProfile({ dialect: "marlin" }), port);
  await machine.device.start();
  await machine.call("send", { line: "G28" });
});
