import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { GcodeSettings } from "../../firmware-bridge/index.ts";
import { openTty } from "../../firmware-bridge/link/tty.ts";
import { TetherError } from "../../protocol/errors.ts";
import { missing } from "../peers.ts";
import { GrblPeer } from "./grbl-peer.ts";
import { Machine, machineProfile } from "./machine.ts";
import { MachinePort } from "./machine-port.ts";
import { PseudoTerminal } from "./pseudo-terminal.ts";
import { until } from "./until.ts";

async function connected(
  t: TestContext,
  options: { readonly settings?: Partial<GcodeSettings>; readonly blockTime?: number } = {},
) {
  const port = new MachinePort(t, (say) => new GrblPeer(say, options));
  const machine = new Machine(t, machineProfile(options.settings), port);
  await machine.device.start();
  return { peer: port.peer, port, machine };
}

function moves(count: number): string {
  return ["G21 (millimetres)", "G90", "; a comment", "", "F1000"]
    .concat(
      Array.from({ length: count }, (_, index) => `N${index + 1} G1 X${index + 1}.5 Y${index * 2} Z0.25`),
    )
    .join("\r\n");
}

test("grbl: a program arrives whole, in order, and never overruns the buffer", async (t) => {
  const { peer, machine } = await connected(t);
  machine.files.set("/job.nc", `%\n${moves(400)}\n%\n`);
  const result = await machine.call("stream", { file: "/job.nc" });
  assert.equal(peer.overrun, 0);
  assert.deepEqual(peer.lines.slice(0, 4), ["G21", "G90", "F1000", "N1G1X1.5Y0Z0.25"]);
  assert.equal(peer.lines.length, 403);
  assert.deepEqual(peer.position, [400.5, 798, 0.25]);
  const { lines, file } = result as { lines: number; file: string };
  assert.deepEqual([file, lines], ["/job.nc", 403]);
  assert.deepEqual(machine.progress.at(-1), {
    done: 403,
    total: 403,
    note: "line 406: N400G1X400.5Y798Z0.25",
  });
  assert.equal(machine.reading("job"), "done");
  assert.equal(machine.reading("progress"), 100);
});

test("grbl: more at a time than its buffer takes would be lost, and is seen to be", async (t) => {
  const { peer, machine } = await connected(t, { settings: { buffer: 4_096, timeout: 300 }, blockTime: 2 });
  machine.files.set("/job.nc", moves(200));
  await assert.rejects(machine.call("stream", { file: "/job.nc" }));
  assert.ok(peer.overrun > 0);
});

test("grbl: a machine that has taken all and stays where it is does not hold its job for ever", async (t) => {
  const { peer, machine } = await connected(t, { blockTime: 3_600_000 });
  machine.files.set("/job.nc", moves(3));
  const result = (await machine.call("stream", { file: "/job.nc" })) as { lines: number; machine: string };
  assert.deepEqual([result.lines, result.machine], [6, "Run"]);
  assert.equal(peer.lines.length, 6);
  assert.equal(machine.reading("job"), "done");
});

test("grbl: the buffer is kept full, so that the planner never runs dry", async (t) => {
  const { peer, machine } = await connected(t, { blockTime: 5 });
  machine.files.set("/job.nc", moves(60));
  let most = 0;
  const watch = setInterval(() => {
    most = Math.max(most, machine.progress.length);
  }, 1);
  t.after(() => clearInterval(watch));
  await machine.call("stream", { file: "/job.nc" });
  assert.equal(peer.overrun, 0);
  assert.equal(peer.lines.length, 63);
});

test("grbl: status is parsed, with positions of the machine and of the work", async (t) => {
  const { peer, machine } = await connected(t);
  peer.position = [10, 20, 30];
  const status = (await machine.call("status")) as { [name: string]: unknown };
  assert.equal(status.machine, "Idle");
  assert.deepEqual([status.machineX, status.machineY, status.machineZ], [10, 20, 30]);
  assert.deepEqual([status.workX, status.workY, status.workZ], [5, 25, 29.5]);
  await until(() => machine.reading("feedOverride") === 100, "the overrides, which come now and then");
  assert.equal(machine.reading("workY"), 25);
});

test("grbl: a line is sent alone, and gives what the machine says to it", async (t) => {
  const { machine, peer } = await connected(t);
  assert.deepEqual(await machine.call("send", { line: "$I" }), ["[VER:1.1h.20190825:]", "[OPT:V,15,128]"]);
  assert.deepEqual(await machine.call("settings"), { $0: 10, $10: 1, $22: 0, $110: 500 });
  await assert.rejects(machine.call("send", { line: "G1 X5" }), {
    code: "device-failed",
    message: "the machine answered error:22, no feed rate is set",
  });
  await assert.rejects(machine.call("send", { line: "G999" }), /error:20/);
  assert.deepEqual(peer.lines.slice(-2), ["G1X5", "G999"]);
});

test("grbl: nothing that is acted upon at once, and no second line, is smuggled in", async (t) => {
  const { machine, port } = await connected(t);
  await machine.call("status");
  const before = port.heard.replaceAll("?", "").length;
  for (const line of [
    "G0X1\nG0X2",
    "G0X1\r",
    "G0 X1 (really!)",
    "~",
    "G0?",
    "\x18",
    "G0 X1 \x85",
    "\0",
    "é",
  ]) {
    await assert.rejects(machine.call("send", { line }), { code: "invalid" }, JSON.stringify(line));
    await assert.rejects(machine.device.say(line, new AbortController().signal), { code: "invalid" });
  }
  await assert.rejects(machine.call("send", { line: `G1${"X1".repeat(60)}` }), { code: "invalid" });
  for (const text of ["G0 X1\nG0 X2 !\n", "G0 X1\nG0 X\x182\n", "G0\x90\n", `G1 ${"X1".repeat(60)}`]) {
    machine.files.set("/bad.nc", Buffer.from(text, "latin1"));
    await assert.rejects(machine.call("stream", { file: "/bad.nc" }), { code: "invalid" }, text);
  }
  // In comments they are left out like all the rest, in whatever encoding.
  machine.files.set("/good.nc", Buffer.from("(Fr\xe4sen! ~)\nG0 X1 ; \x90?\n", "latin1"));
  await machine.call("stream", { file: "/good.nc" });
  assert.equal(port.heard.replaceAll("?", "").length - before, "G0X1\n".length);
});

test("grbl: a wrong line ends the job with its number, and what follows is not carried out", async (t) => {
  const { peer, machine } = await connected(t, { blockTime: 1 });
  const program = moves(100).split("\r\n");
  program[49] = "G1 X1 Y1 G555";
  machine.files.set("/job.nc", program.join("\n"));
  const error = await machine.call("stream", { file: "/job.nc" }).then(
    () => assert.fail("it was done"),
    (thrown: unknown) => thrown as TetherError,
  );
  assert.equal(error.code, "device-failed");
  assert.match(error.message, /^\/job\.nc, line 50, G1X1Y1G555: the machine answered error:20/);
  assert.match(error.message, /the machine had taken \d+ of 103 lines$/);
  // Held, then reset while nothing moved: the position is kept.
  assert.equal(peer.state, "Idle");
  assert.deepEqual(
    peer.realtime.filter((byte) => byte !== 0x3f),
    [0x21, 0x18],
  );
  assert.ok(peer.lines.length < 70, `${peer.lines.length}`);
  assert.equal(machine.reading("job"), "failed");
  machine.files.set("/next.nc", "G0 X1\n");
  await machine.call("stream", { file: "/next.nc" });
});

test("grbl: hold, resume and stop reach it past all lines, and others are refused meanwhile", async (t) => {
  const { peer, machine } = await connected(t, { blockTime: 10 });
  machine.files.set("/job.nc", moves(300));
  const job = machine.call("stream", { file: "/job.nc" });
  const ended = assert.rejects(job, { code: "cancelled", message: /stopped by phone; .* of 303 lines$/ });
  await until(() => peer.state === "Run", "it moves");
  for (const [name, args] of [
    ["send", { line: "G0X0" }],
    ["stream", { file: "/job.nc" }],
    ["home", {}],
  ] as const) {
    await assert.rejects(machine.call(name, args), {
      code: "busy",
      message: /^cnc is taken: laptop streams \/job\.nc to it since 2\d{3}-/,
    });
  }
  assert.equal(machine.device.claim, "the job /job.nc of laptop");
  await machine.call("hold", {}, { caller: "phone" });
  assert.equal(peer.state, "Hold:0");
  assert.equal(machine.reading("job"), "held");
  const held = peer.lines.length;
  await until(() => machine.reading("machine") === "Hold:0", "the state");
  await machine.call("status");
  assert.equal(peer.lines.length, held);
  await machine.call("resume");
  await until(() => peer.lines.length > held + 20, "it goes on");
  await machine.call("stop", {}, { caller: "phone" });
  await ended;
  assert.equal(peer.state, "Idle");
  assert.equal(peer.overrun, 0);
  assert.ok(peer.lines.length < 303);
  assert.equal(machine.device.claim, undefined);
});

for (const mode of ["write", "exclusive", "closed"] as const) {
  test(`grbl: whoever takes the port from a job finds the machine held (${mode})`, async (t) => {
    const { peer, machine } = await connected(t, { blockTime: 5 });
    machine.files.set("/job.nc", moves(300));
    const job = machine.call("stream", { file: "/job.nc" });
    const ended = assert.rejects(job, { code: "busy", message: /^taken by admin; .* of 303 lines$/ });
    await until(() => peer.state === "Run" && peer.lines.length > 20, "it is under way");
    const { port, release } = await machine.device.hold({
      mode: mode === "write" ? "write" : "exclusive",
      closePort: mode === "closed",
      refusal: () => new TetherError("busy", "taken by admin"),
    });
    await ended;
    await until(() => peer.state === "Hold:0", "it is held");
    const { length } = peer.lines;
    if (mode === "closed") await release();
    else {
      await port.write(Buffer.from("~"));
      await until(() => peer.state === "Idle", "the holder lets it do what it had taken");
      await release();
    }
    await until(() => machine.device.state === "ready", "the port is back");
    await machine.call("status");
    assert.equal(machine.reading("job"), "failed");
    assert.ok(peer.lines.length - length < 127 / 8, "nothing more was sent");
  });
}

test("grbl: a reset in the middle of a job ends it, and nothing more is sent", async (t) => {
  const { peer, port, machine } = await connected(t, { blockTime: 5 });
  machine.files.set("/job.nc", moves(300));
  const job = machine.call("stream", { file: "/job.nc" });
  const ended = assert.rejects(job, { code: "device-failed", message: /was reset \(Grbl 1\.1h\)/ });
  await until(() => peer.lines.length > 30, "it is under way");
  peer.start();
  const before = peer.lines.length;
  await ended;
  const sent = port.heard.length;
  await machine.call("status");
  await until(() => port.heard.length > sent, "polls");
  assert.match(port.heard.slice(sent), /^[?]+$/);
  assert.equal(peer.lines.length, before);
  assert.deepEqual(
    peer.realtime.filter((byte) => byte !== 0x3f),
    [],
  );
});

test("grbl: an alarm in the middle of a job ends it; unlocking takes the reset that it needs", async (t) => {
  const { peer, machine } = await connected(t, { blockTime: 2 });
  machine.files.set("/job.nc", moves(300));
  const job = machine.call("stream", { file: "/job.nc" });
  const ended = assert.rejects(job, {
    code: "device-failed",
    message: /ALARM:1, a limit switch was hit/,
  });
  await until(() => peer.lines.length > 30, "it is under way");
  peer.hitsLimit = true;
  await ended;
  assert.equal(machine.reading("machine"), "Alarm");
  assert.match(String(machine.reading("alarm")), /^1, a limit switch/);
  await assert.rejects(machine.call("stream", { file: "/job.nc" }), {
    code: "device-failed",
    message: /Alarm/,
  });
  // Until it is reset it answers nothing at all, not even ?.
  const status = (await machine.call("status")) as { [name: string]: unknown };
  assert.deepEqual([status.machine, String(status.alarm).slice(0, 2)], ["Alarm", "1,"]);
  await assert.rejects(machine.call("send", { line: "G0X0" }), {
    code: "device-failed",
    message: /^the machine waits for a reset after ALARM:1,/,
  });
  await machine.call("unlock");
  assert.equal(peer.state, "Idle");
  await machine.call("send", { line: "G0X0" });
});

test("grbl: pulled in the middle of a job, it is over also when the cable is back", async (t) => {
  const { peer, port, machine } = await connected(t, { blockTime: 5 });
  machine.files.set("/job.nc", moves(300));
  const job = machine.call("stream", { file: "/job.nc" });
  const ended = assert.rejects(job, { code: "device-missing" });
  await until(() => peer.lines.length > 30, "it is under way");
  port.pull();
  await ended;
  const carriedOut = peer.lines.length;
  const heard = port.heard.length;
  port.plug();
  await until(() => machine.device.state === "ready", "it is back");
  const status = (await machine.call("status")) as { [name: string]: unknown };
  assert.equal(status.job, "failed");
  assert.match(String(status.jobNote), /pulled/);
  assert.match(port.heard.slice(heard), /^[?]+$/);
  // What it had received before it was pulled, it does.
  assert.ok(peer.lines.length - carriedOut < 20);
});

test("grbl: locked at start, it says so, and what would move is refused", async (t) => {
  const port = new MachinePort(t, (say) => new GrblPeer(say));
  port.peer.isLockedAtStart = true;
  port.peer.start();
  const machine = new Machine(t, machineProfile(), port);
  await machine.device.start();
  machine.files.set("/job.nc", "G0X1\n");
  await assert.rejects(machine.call("stream", { file: "/job.nc" }), {
    code: "device-failed",
    message: "the machine is not idle but in state Alarm (locked)",
    hint: "`home` or `unlock` it first",
  });
  assert.equal(machine.reading("machine"), "Alarm");
  await assert.rejects(machine.call("send", { line: "G0X1" }), /error:9/);
  await assert.rejects(machine.call("home"), /error:5, homing is switched off/);
  await machine.call("send", { line: "$22=1" });
  await machine.call("home");
  assert.equal(port.peer.state, "Idle");
});

test("grbl: while it writes its EEPROM it hears nothing, and nothing is sent", async (t) => {
  const { peer, machine } = await connected(t);
  const lines = Array.from({ length: 30 }, (_, index) =>
    index % 3 === 0 ? `G10 L2 P1 X${index}` : index % 7 === 0 ? `$110=${index}` : `G0 X${index}`,
  );
  machine.files.set("/job.nc", lines.join("\n"));
  await machine.call("stream", { file: "/job.nc" });
  assert.equal(peer.lost, 0);
  assert.equal(peer.lines.length, 30);
});

test("grbl: overrides are stepped to where they are wanted", async (t) => {
  const { peer, machine } = await connected(t);
  for (const percent of [137, 10, 200, 100]) {
    assert.equal(await machine.call("feed", { percent }), percent);
    assert.equal(peer.overrides[0], percent);
  }
  await machine.call("spindle", { percent: 95 });
  await machine.call("rapid", { percent: 25 });
  await until(() => peer.overrides.join() === "100,25,95", "all three");
});

test("grbl: jogging is relative, and tells its feed", async (t) => {
  const { peer, machine } = await connected(t);
  await machine.call("jog", { x: 1.5, y: 0, z: -2, feed: 300 });
  assert.equal(peer.lines.at(-1), "$J=G91G21X1.5Z-2F300");
  await assert.rejects(machine.call("jog", { x: 0, y: 0, z: 0, feed: 1 }), { code: "invalid" });
});

const LOST = new TetherError("unreachable", "no sign of life for 15 s");

for (const [onLost, reason, expected] of [
  ["hold", LOST, "held"],
  ["stop", LOST, "stopped"],
  ["continue", LOST, "done"],
  ["hold", new TetherError("cancelled", "interrupted"), "stopped"],
  ["continue", new TetherError("timeout", "no result within 5 ms"), "stopped"],
] as const) {
  test(`grbl: onLost ${onLost}: the caller of a job is gone by ${reason.code}: ${expected}`, async (t) => {
    const { peer, machine } = await connected(t, { settings: { onLost }, blockTime: 2 });
    machine.files.set("/job.nc", moves(150));
    const caller = new AbortController();
    const job = machine.call("stream", { file: "/job.nc" }, { signal: caller.signal });
    job.catch(() => undefined);
    await until(() => peer.lines.length > 30, "it is under way");
    caller.abort(reason);
    await until(() => machine.reading("job") === expected, `the job is ${expected}`);
    if (expected === "stopped") assert.equal(peer.state, "Idle");
    if (expected !== "held") return;
    await until(() => peer.state === "Hold:0", "it rests");
    assert.match(String(((await machine.call("status")) as { jobNote: string }).jobNote), /laptop was lost/);
    const again = machine.call("follow", {}, { caller: "phone" });
    await machine.call("resume");
    await again;
    assert.equal(peer.lines.length, 153);
  });
}

test("grbl: the agent stops in the middle of a job: the machine is held first", async (t) => {
  const { peer, machine } = await connected(t, { blockTime: 5 });
  machine.files.set("/job.nc", moves(300));
  const job = machine.call("stream", { file: "/job.nc" });
  const ended = assert.rejects(job);
  await until(() => peer.lines.length > 30, "it is under way");
  await machine.device.stop();
  await ended;
  await until(() => peer.state === "Hold:0", "it rests");
});

test("grbl: behind a pseudo-terminal, a program arrives whole and in order", {
  skip: missing("socat"),
}, async (t) => {
  const terminal = await PseudoTerminal.create();
  t.after(() => terminal.remove());
  await terminal.plug();
  let say = (_text: string) => {};
  const peer = new GrblPeer((text) => say(text));
  t.after(() => peer.stop());
  const board = await openTty(
    { path: terminal.boardPath, baudRate: 115_200 },
    { received: (bytes) => peer.receive(bytes), ended() {} },
  );
  t.after(() => board.close());
  say = (text) => void board.write(Buffer.from(text)).catch(() => {});
  const port = { kind: "path", path: terminal.path, baudRate: 115_200 } as const;
  const machine = new Machine(t, { ...machineProfile(), port });
  await machine.device.start();
  machine.files.set("/job.nc", moves(2_000));
  const { seconds } = (await machine.call("stream", { file: "/job.nc" })) as { seconds: number };
  assert.equal(peer.overrun, 0);
  assert.equal(peer.lines.length, 2_003);
  assert.deepEqual(peer.position, [2_000.5, 3_998, 0.25]);
  t.diagnostic(`${Math.round(2_003 / seconds)} lines a second`);

  peer.blockTime = 2;
  const job = machine.call("stream", { file: "/job.nc" });
  const ended = assert.rejects(job, { code: "device-missing" });
  await until(() => peer.lines.length > 2_100, "it is under way");
  await terminal.pull();
  await ended;
});

test("grbl: a machine that says nothing is told of, and a job on one that falls silent ends", async (t) => {
  const port = new MachinePort(t, () => ({ receive() {}, stop() {} }));
  const machine = new Machine(t, machineProfile({ timeout: 250 }), port);
  await machine.device.start();
  await assert.rejects(machine.call("status"), {
    code: "timeout",
    message: /has not answered \? within 250 ms/,
  });
});
