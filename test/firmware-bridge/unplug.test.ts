import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { readdir, readlink, symlink, unlink } from "node:fs/promises";
import { type TestContext, test } from "node:test";
import { checkTty, openTty } from "../../firmware-bridge/link/tty.ts";
import { TetherError } from "../../protocol/errors.ts";
import { missing, PYTHON } from "../peers.ts";
import { converse, converseConcurrently } from "./bench-conversation.ts";
import { benchProfile } from "./bench-profile.ts";
import { call, createDevice, reached } from "./open-device.ts";
import { PseudoTerminal } from "./pseudo-terminal.ts";
import { until } from "./until.ts";

const skip = missing("socat");
const CYCLES = 200;

async function createTerminal(t: TestContext): Promise<PseudoTerminal> {
  const terminal = await PseudoTerminal.create();
  t.after(() => terminal.remove());
  return terminal;
}

function profileAt(path: string) {
  return benchProfile({ kind: "path", path, baudRate: 115_200 });
}

async function descriptors(): Promise<number> {
  return (await readdir("/proc/self/fd")).length;
}

test("tty: a bench behind a pseudo-terminal does what the board does", { skip }, async (t) => {
  const terminal = await createTerminal(t);
  await terminal.plugBench();
  const device = createDevice(t, profileAt(terminal.path));
  await device.start();
  assert.equal(device.state, "ready", device.condition.reason);
  assert.equal(device.path, terminal.path);
  await converse(device);
  await converseConcurrently(device, 100);
});

test("tty: unplugged in the middle of a command, and back", { skip }, async (t) => {
  const terminal = await createTerminal(t);
  await terminal.plug();
  const device = createDevice(t, profileAt(terminal.path));
  await device.start();
  const waiting = Array.from({ length: 5 }, () => call(device, "ping"));
  let told = 0;
  for (const one of waiting) one.catch(() => (told = performance.now()));
  await terminal.pull();
  const pulled = performance.now();
  for (const one of await Promise.allSettled(waiting)) {
    assert.equal(one.status === "rejected" && one.reason.code, "device-missing");
  }
  assert.ok(told - pulled < 100, `told ${told - pulled} ms after`);
  assert.equal(device.state, "missing");
  await assert.rejects(call(device, "ping"), { code: "device-missing" });

  await terminal.plugBench();
  const back = performance.now();
  await reached(device, "ready", 2_000);
  t.diagnostic(
    `told ${(told - pulled).toFixed(1)} ms after, ready ${(performance.now() - back).toFixed(0)} ms after`,
  );
  assert.equal(await call(device, "ping"), "PONG");
});

test("tty: 200 times unplugged and back under another name, in use in every way, leaves nothing behind", {
  skip,
}, async (t) => {
  const terminals = [await createTerminal(t), await createTerminal(t)] as const;
  let plugged = terminals[0];
  // While socat sets up a pseudo-terminal it would undo what is set there by others.
  let isSetUp = false;
  const device = createDevice(t, profileAt(plugged.path), {
    interval: 10,
    async locate() {
      if (!isSetUp) throw new TetherError("device-missing", "the board is unplugged");
      await checkTty(plugged.path);
      return plugged.path;
    },
    open: (path, receiver, settings) => openTty({ path, ...settings }, receiver),
  });
  const warnings: Error[] = [];
  const warn = (warning: Error) => warnings.push(warning);
  process.on("warning", warn);
  t.after(() => process.off("warning", warn));
  let heard = "";
  const follower = device.traffic.follow(() => {
    const piece = follower.take(65_536);
    assert.equal(piece?.lost, 0);
    heard += piece?.bytes;
  });
  await device.start();
  let first = 0;
  const told: number[] = [];
  const back: number[] = [];
  for (let cycle = 0; cycle <= CYCLES; cycle += 1) {
    plugged = terminals[cycle % 2 === 0 ? 0 : 1];
    await plugged.plugBench();
    isSetUp = true;
    const since = performance.now();
    await reached(device, "ready");
    back.push(performance.now() - since);
    assert.equal(device.path, plugged.path);
    assert.equal(await call(device, "ping"), "PONG");
    const waiting = assert.rejects(call(device, "led", { state: 9 }), { code: "device-missing" });
    await until(() => heard.endsWith("ERR range\n"), "an answer that is none");
    const { port, release } = await device.hold({
      mode: cycle % 3 === 0 ? "exclusive" : "write",
      refusal: () => new TetherError("busy", "held"),
    });
    const isTold = cycle % 3 === 0 ? waiting.catch(() => {}) : waiting;
    await port.configure({ baudRate: 9600 });
    // In the middle of a stream.
    const flood = Buffer.alloc(4_096, "x");
    let isFlooding = true;
    const flooding = (async () => {
      while (isFlooding) await port.write(flood);
    })().catch((error: { code?: string }) => assert.equal(error.code, "device-missing"));
    isSetUp = false;
    await plugged.pull();
    const pulled = performance.now();
    await Promise.all([isTold, flooding]);
    isFlooding = false;
    told.push(performance.now() - pulled);
    await reached(device, "missing");
    await release();
    if (cycle === 1) first = await descriptors();
  }
  follower.stop();
  t.diagnostic(
    `told ${Math.max(...told).toFixed(1)} ms after, ready ${Math.max(...back).toFixed(0)} ms after, at most`,
  );
  assert.ok(Math.max(...told) < 1_000 && Math.max(...back) < 2_000);
  assert.equal(heard.split("PONG\n").length - 1, CYCLES + 1, "the one who followed heard every answer");
  assert.equal(device.statistics.reconnects, CYCLES);
  await until(async () => (await descriptors()) <= first, "the descriptors to be closed");
  assert.deepEqual(warnings, []);
});

test("tty: a port that another program has locked is busy until it is given back", {
  skip: missing("socat", "python3"),
}, async (t) => {
  const terminal = await createTerminal(t);
  await terminal.plugBench();
  const lock = `import fcntl, os, sys
fd = os.open(sys.argv[1], os.O_RDWR | os.O_NOCTTY)
fcntl.flock(fd, fcntl.LOCK_EX)
print("locked", flush=True)
sys.stdin.read()`;
  const holder = spawn(PYTHON, ["-c", lock, terminal.path], { stdio: ["pipe", "pipe", "inherit"] });
  t.after(() => void holder.kill());
  await once(holder.stdout, "data");
  const device = createDevice(t, profileAt(terminal.path));
  const states: string[] = [];
  device.onState(({ state }) => states.push(state));
  await device.start();
  assert.deepEqual(device.condition, { state: "busy", reason: `another program has ${terminal.path}` });
  await assert.rejects(call(device, "ping"), { code: "busy" });
  holder.stdin.end();
  await reached(device, "ready", 2_000);
  assert.deepEqual(states, ["busy", "ready"]);
  assert.equal(await call(device, "ping"), "PONG");
});

test("tty: a port is missing when its path goes, though reading does not tell", { skip }, async (t) => {
  const terminal = await createTerminal(t);
  await terminal.plugBench();
  const device = createDevice(t, profileAt(terminal.path));
  await device.start();
  assert.equal(await call(device, "ping"), "PONG");
  const target = await readlink(terminal.path);
  await unlink(terminal.path);
  await reached(device, "missing");
  await symlink(target, terminal.path);
  await reached(device, "ready");
  assert.equal(await call(device, "ping"), "PONG");
});

test("tty: a pseudo-terminal has no modem lines, which harms nothing", { skip }, async (t) => {
  const terminal = await createTerminal(t);
  await terminal.plug();
  const link = await openTty({ path: terminal.path, baudRate: 9600 }, { received() {}, ended() {} });
  t.after(() => link.close());
  assert.equal(await link.setLines({ dtr: false }), false);
  assert.equal(await link.inputLines(), undefined);
  await link.write(Buffer.from("x"));
  await link.close();
  await link.close();
  await assert.rejects(link.write(Buffer.from("x")), { code: "device-missing" });
});

test("tty: settings change while the port stays open, and it is read on", {
  skip: missing("socat"),
}, async (t) => {
  const terminal = await createTerminal(t);
  await terminal.plug();
  let heard = "";
  const receiver = (into: (text: string) => void) => ({
    received: (bytes: Uint8Array) => into(Buffer.from(bytes).toString()),
    ended() {},
  });
  const far = await openTty(
    { path: terminal.boardPath },
    receiver(() => {}),
  );
  const near = await openTty(
    { path: terminal.path, baudRate: 9600 },
    receiver((text) => {
      heard += text;
    }),
  );
  t.after(() => Promise.all([near.close(), far.close()]));
  const stty = () => execFileSync("stty", ["-F", terminal.path, "-a"], { encoding: "utf8" });
  const before = await descriptors();
  // A pseudo-terminal knows no parity: the kernel takes it away again (drivers/tty/pty.c).
  const settings = await near.configure({ stopBits: 2, flowControl: "hardware", baudRate: 19_200 });
  assert.deepEqual(settings, {
    baudRate: 19_200,
    dataBits: 8,
    parity: "none",
    stopBits: 2,
    flowControl: "hardware",
  });
  assert.match(stty(), /speed 19200 baud[\s\S]* cstopb[\s\S]* crtscts/);
  await near.configure({ baudRate: 57_600 });
  assert.match(stty(), /speed 57600 baud[\s\S]* cstopb/);
  await near.configure({ stopBits: 1, flowControl: "none" });
  assert.match(stty(), /speed 57600 baud[\s\S]* -cstopb[\s\S]* -crtscts/);
  assert.equal(await descriptors(), before, "no descriptor is left behind");
  await assert.rejects(
    openTty(
      { path: terminal.path },
      receiver(() => {}),
    ),
    { code: "busy" },
  );
  await far.write(Buffer.from("still here"));
  await until(() => heard === "still here", "the port to be read on");
  await near.drain();
  await near.purge("both");
  await near.close();
  await assert.rejects(near.configure({ baudRate: 9600 }), { code: "device-missing" });
  await assert.rejects(near.drain(), { code: "device-missing" });
});

test("tty: a mebibyte of every byte arrives whole, and a port that nobody reads has a bound", {
  skip,
}, async (t) => {
  const terminal = await createTerminal(t);
  await terminal.plug();
  const bytes = Buffer.from(Uint8Array.from({ length: 1 << 20 }, (_, index) => (index * 7) % 256));
  const heard: Buffer[] = [];
  let length = 0;
  const far = await openTty(
    { path: terminal.boardPath, baudRate: 115_200 },
    {
      received(chunk) {
        heard.push(Buffer.from(chunk));
        length += chunk.length;
      },
      ended() {},
    },
  );
  const near = await openTty({ path: terminal.path, baudRate: 115_200 }, { received() {}, ended() {} });
  for (let at = 0; at < bytes.length; at += 65_536) await near.write(bytes.subarray(at, at + 65_536));
  await until(() => length === bytes.length, `${bytes.length} bytes (${length} came)`);
  assert.ok(Buffer.concat(heard).equals(bytes));
  await far.close();

  const stuck: Promise<unknown>[] = [];
  let refused: { code?: string } | undefined;
  for (let piece = 0; piece < 100 && !refused; piece += 1) {
    stuck.push(
      near.write(bytes.subarray(0, 65_536)).catch((error: { code?: string }) => {
        if (error.code === "limit") refused = error;
      }),
    );
    await new Promise(setImmediate);
  }
  await until(() => refused !== undefined, "a write to be refused");
  await near.close();
  await Promise.all(stuck);
});
