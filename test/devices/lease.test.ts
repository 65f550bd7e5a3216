import assert from "node:assert/strict";
import { Writable } from "node:stream";
import { type TestContext, test } from "node:test";
import { Leases, type LeaseWish } from "../../agent/devices/lease.ts";
import { Log } from "../../agent/log.ts";
import { Device } from "../../firmware-bridge/index.ts";
import type { TetherError } from "../../protocol/index.ts";
import { benchProfile } from "../firmware-bridge/bench-profile.ts";
import { GrblPeer } from "../firmware-bridge/grbl-peer.ts";
import { Machine, machineProfile } from "../firmware-bridge/machine.ts";
import { MachinePort } from "../firmware-bridge/machine-port.ts";
import { call, reached } from "../firmware-bridge/open-device.ts";
import { PseudoTerminal } from "../firmware-bridge/pseudo-terminal.ts";
import { until } from "../firmware-bridge/until.ts";
import { missing } from "../peers.ts";
import { MemoryBoard } from "./memory-board.ts";

const PONG = (line: string) => (line === "PING" ? "PONG\n" : "");

async function createHeld(t: TestContext, board = new MemoryBoard(PONG), changes = {}) {
  const lines: { event: string; message: string }[] = [];
  const target = new Writable({
    write(chunk, _encoding, done) {
      lines.push(JSON.parse(String(chunk)));
      done();
    },
  });
  const log = new Log(target, { readable: false });
  const profile = benchProfile({ kind: "simulate", what: "bench", baudRate: 9600 }, changes);
  const port = profile.port.kind === "path" ? {} : { port: board.port };
  const device = new Device(profile, { log, now: Date.now, ...port });
  t.after(() => device.stop());
  await device.start();
  return { board, device, leases: new Leases(device, log), lines };
}

function wish(holder: string, changes: Partial<LeaseWish> = {}): LeaseWish {
  return { holder, origin: "test", kind: "monitor", mode: "write", ...changes };
}

test("lease: the second writer is told who holds the port since when, commands too", async (t) => {
  const { board, device, leases } = await createHeld(t);
  const lease = await leases.take(wish("ann"));
  const told = { code: "busy", message: `held by ann (monitor) since ${lease.since.toISOString()}` };
  await assert.rejects(leases.take(wish("bob")), told);
  await assert.rejects(call(device, "ping"), told);
  await assert.rejects(device.say("x", new AbortController().signal), told);
  assert.equal(board.heard, "", "nothing of the others reached the board");
  await lease.port.write(Buffer.from("hello\n"));
  assert.equal(board.heard, "hello\n");
  await lease.release();
  assert.equal(await call(device, "ping"), "PONG");
  await assert.rejects(lease.port.write(Buffer.from("x")), { code: "cancelled" });
  const second = await leases.take(wish("bob"));
  await lease.release();
  assert.equal(leases.holder?.label, "bob", "giving back twice takes from nobody");
  await second.release();
  assert.equal(leases.holder, null);
});

test("lease: an answer that is due when it begins still comes, questions that wait are refused", async (t) => {
  const { board, device, leases } = await createHeld(t, new MemoryBoard());
  const first = call(device, "ping");
  const second = assert.rejects(call(device, "ping"), { code: "busy", message: /^held by ann/ });
  await until(() => board.heard === "PING\n", "the first question");
  const lease = await leases.take(wish("ann"));
  await board.say("PONG\n");
  assert.equal(await first, "PONG");
  await second;
  assert.equal(board.heard, "PING\n");
  await lease.release();
});

test("lease: a machine's job keeps the port, but for one who takes it, and never goes on by itself", async (t) => {
  const port = new MachinePort(t, (say) => new GrblPeer(say, { blockTime: 5 }));
  const machine = new Machine(t, machineProfile(), port);
  await machine.device.start();
  const leases = new Leases(
    machine.device,
    new Log(new Writable({ write: () => true }), { readable: false }),
  );
  machine.files.set("/job.nc", "G21\nG1 X1 F100\n".repeat(300));
  const job = assert.rejects(machine.call("stream", { file: "/job.nc" }), {
    message: /held by root \(monitor\)/,
  });
  await until(() => port.peer.state === "Run", "it moves");
  await assert.rejects(leases.take(wish("ann")), {
    code: "busy",
    message: /^held by cnc \(the job \/job\.nc of laptop\)/,
  });
  const lease = await leases.take(wish("root", { take: true }));
  await job;
  await lease.release();
  const { heard } = port;
  await until(() => port.peer.state === "Hold:0", `the machine to stand still (it is ${port.peer.state})`);
  assert.equal(port.heard.slice(heard.length).replaceAll("?", ""), "", "nothing more of the job is sent");
  assert.ok(port.peer.lines.length < 600);
});

test("lease: who may take it does, and the other is cut and told", async (t) => {
  const { board, leases, lines } = await createHeld(t);
  const first = await leases.take(wish("ann"));
  await first.port.configure({ baudRate: 19_200 });
  const second = await leases.take(wish("root", { take: true, mode: "exclusive" }));
  assert.ok(first.signal.aborted);
  const reason = first.signal.reason as TetherError;
  assert.equal(reason.code, "busy");
  assert.equal(reason.message, `taken by root (monitor) since ${second.since.toISOString()}`);
  await assert.rejects(first.port.write(Buffer.from("x")), { code: "busy", message: /held by root/ });
  assert.equal(second.port.settings.baudRate, 9600, "what the first had set is undone");
  await first.release();
  await second.port.write(Buffer.from("mine\n"));
  assert.equal(board.heard, "mine\n");
  assert.deepEqual(
    lines.filter(({ event }) => event.startsWith("port-")).map(({ message }) => message),
    ["ann holds the port of bench (monitor)", "root took from ann the port of bench (monitor)"],
  );
});

test("lease: while one writes the driver goes on hearing, and polls are put off without a word", async (t) => {
  const poll = { kind: "poll", command: "ping", every: 5 } as const;
  const press = { kind: "match", match: "^BTN (?<n>[0-9]+)$", result: "n" } as const;
  const { board, device, leases, lines } = await createHeld(t, undefined, {
    readings: { alive: { source: poll }, button: { source: press, type: "integer" } },
  });
  await until(() => device.readings[0]?.value === "PONG", "a poll");
  const lease = await leases.take(wish("ann"));
  await until(async () => {
    const before = board.heard;
    await new Promise((resolve) => setTimeout(resolve, 20));
    return board.heard === before;
  }, "the polls to pause");
  await board.say("BTN 7\n");
  await until(() => device.readings[1]?.value === 7, "the reading");
  assert.deepEqual(
    lines.filter(({ event }) => event === "reading-failed"),
    [],
  );
  assert.equal(device.readings[0]?.error, undefined);
  const before = board.heard.length;
  await lease.release();
  await until(() => board.heard.length > before, "the polls to go on");
});

test("lease: an exclusive one tells those who wait, and puts the settings back at its end", async (t) => {
  const { board, device, leases } = await createHeld(t, new MemoryBoard());
  const waiting = assert.rejects(call(device, "ping"), { code: "busy", message: /^held by ann \(flash\)/ });
  const lease = await leases.take(wish("ann", { kind: "flash", mode: "exclusive" }));
  await waiting;
  await lease.port.configure({ baudRate: 57_600, parity: "even" });
  assert.equal(await lease.port.setLines({ dtr: false, rts: false, break: true }), true);
  const seen = board.states.at(-1);
  assert.deepEqual(
    [seen?.settings.baudRate, seen?.settings.parity, seen?.dtr, seen?.rts, seen?.break],
    [57_600, "even", false, false, true],
  );
  await lease.release();
  const after = board.states.at(-1);
  assert.deepEqual([after?.settings.baudRate, after?.settings.parity, after?.break], [9600, "none", false]);
});

test("lease: a port that is closed for another program is busy, and opened again after", async (t) => {
  const { device, leases } = await createHeld(t);
  const lease = await leases.take(wish("ann", { kind: "flash", mode: "exclusive", closePort: true }));
  assert.equal(device.state, "busy");
  assert.match(device.condition.reason ?? "", /^held by ann \(flash\) since/);
  await assert.rejects(lease.port.write(Buffer.from("x")), { code: "busy" });
  await lease.release();
  await reached(device, "ready");
  assert.equal(await call(device, "ping"), "PONG");
  assert.deepEqual([device.statistics.opens, device.statistics.reconnects], [2, 1]);
});

test("lease: without signs of life it ends after its time, with them it does not", async (t) => {
  const { device, leases } = await createHeld(t);
  const lease = await leases.take(wish("ann", { ttl: 150 }));
  const since = performance.now();
  while (performance.now() - since < 400) {
    lease.renew();
    await new Promise((resolve) => setTimeout(resolve, 10));
    assert.equal(lease.signal.aborted, false);
  }
  await until(() => lease.signal.aborted, "its end");
  assert.equal((lease.signal.reason as TetherError).code, "timeout");
  await until(() => device.commands.length > 0 && leases.holder === null, "the port to be free");
  await until(async () => (await call(device, "ping").catch(() => "")) === "PONG", "the driver");
});

test("lease: it stays with its holder while the board is away, settings and all, under whatever name it is back", async (t) => {
  const { board, device, leases } = await createHeld(t);
  const lease = await leases.take(wish("ann"));
  await lease.port.configure({ baudRate: 300 });
  board.pull();
  await assert.rejects(lease.port.write(Buffer.from("x")), { code: "device-missing" });
  await assert.rejects(leases.take(wish("bob")), { code: "busy" });
  board.plug();
  await reached(device, "ready");
  assert.equal(device.path, "memory:2");
  assert.equal(board.states.at(-1)?.settings.baudRate, 300);
  await lease.port.write(Buffer.from("on\n"));
  assert.equal(board.heard, "on\n");
  assert.equal(device.statistics.lastFailure?.code, "device-missing");
});

test("lease: the input lines are told of when they change", async (t) => {
  const { board, leases } = await createHeld(t);
  const lease = await leases.take(wish("ann", { mode: "exclusive" }));
  const seen: boolean[] = [];
  const unwatch = lease.port.watchLines(({ dsr }) => seen.push(dsr));
  await until(() => seen.length === 1, "the first look");
  await board.setLines({ dtr: false });
  await until(() => seen.length === 2, "the change");
  assert.deepEqual(seen, [true, false]);
  unwatch();
});

test("lease: what its holder could not get rid of does not hold up the next one", {
  skip: missing("socat"),
}, async (t) => {
  const terminal = await PseudoTerminal.create();
  t.after(() => terminal.remove());
  await terminal.plug();
  const { device, leases } = await createHeld(t, undefined, {
    port: { kind: "path", path: terminal.path },
  });
  const first = await leases.take(wish("ann"));
  await first.port.configure({ baudRate: 9600 });
  // Nobody reads at the other end.
  let written = 0;
  const stuck = (async () => {
    for (;;) {
      await first.port.write(Buffer.alloc(16_384));
      written += 1;
    }
  })();
  const ended = assert.rejects(stuck, { code: "busy" });
  let before = -1;
  await until(async () => {
    const isStuck = written > 0 && written === before;
    before = written;
    await new Promise((resolve) => setTimeout(resolve, 50));
    return isStuck;
  }, "the port to be full");
  const second = await leases.take(wish("root", { take: true, ttl: 200 }));
  await ended;
  assert.equal(second.port.settings.baudRate, 115_200);
  assert.equal((await second.port.configure({ baudRate: 19_200 })).baudRate, 19_200);
  await until(() => second.signal.aborted, "the end of its time");
  await until(() => leases.holder === null && device.settings.baudRate === 115_200, "the port to be free");
});

test("lease: DTR and RTS are left alone unless the configuration says otherwise", async (t) => {
  const { board } = await createHeld(t);
  assert.deepEqual(
    board.states.map(({ dtr, rts }) => [dtr, rts]),
    [[true, true]],
  );
  const untouched = new MemoryBoard();
  const { leases: theirs } = await createHeld(t, untouched);
  for (const mode of ["write", "exclusive"] as const)
    await (await theirs.take(wish("ann", { mode }))).release();
  assert.equal(untouched.states.length, 1, "neither taking a port nor giving it back touches it");
  const low = new MemoryBoard();
  const { leases } = await createHeld(t, low, {
    port: { kind: "simulate", what: "bench", dtr: "off", rts: "on" },
  });
  assert.deepEqual(low.states.at(-1), { ...low.states[0], dtr: false, rts: true });
  const lease = await leases.take(wish("ann", { mode: "exclusive" }));
  await lease.port.setLines({ dtr: true, rts: false });
  await lease.release();
  assert.deepEqual(low.states.at(-1), { ...low.states[0], dtr: false, rts: true }, "as configured again");
});

test("device: with reopen off a port that has gone stays away until it is asked for", async (t) => {
  const { board, device } = await createHeld(t, undefined, {
    port: { kind: "simulate", what: "bench", reopen: false },
  });
  board.pull();
  board.plug();
  await new Promise((resolve) => setTimeout(resolve, 60));
  assert.equal(device.state, "missing");
  device.reopen();
  await reached(device, "ready");
});
