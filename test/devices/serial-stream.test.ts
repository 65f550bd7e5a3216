import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { after, test } from "node:test";
import { type Client, connect } from "../../controller/index.ts";
import { type PortListener, RemotePort } from "../../controller/serial/remote-port.ts";
import { SERIAL, type SerialReport, type SerialRequest } from "../../protocol/index.ts";
import { type Owner, startAgent } from "../agent-process.ts";
import { PseudoTerminal } from "../firmware-bridge/pseudo-terminal.ts";
import { until } from "../firmware-bridge/until.ts";
import { missing } from "../peers.ts";
import { HandBoard } from "./hand-board.ts";

const skip = missing("socat");

/** One who uses the port over a connection of his own. */
class User {
  /** Bytes that came so far. */
  length = 0;
  readonly reports: SerialReport[] = [];
  readonly port: RemotePort;
  readonly client: Client;
  readonly #pieces: Buffer[] = [];

  constructor(client: Client, request: SerialRequest, listener: PortListener = {}) {
    this.client = client;
    this.port = new RemotePort(client, request, {
      onBytes: (bytes) => {
        this.#pieces.push(bytes);
        this.length += bytes.length;
        return listener.onBytes?.(bytes);
      },
      onReport: (report) => {
        this.reports.push(report);
      },
    });
  }

  get heard(): Buffer {
    return Buffer.concat(this.#pieces);
  }

  reported(kind: SerialReport["report"]): SerialReport[] {
    return this.reports.filter(({ report }) => report === kind);
  }
}

const agent = await startAgent({ after }, { configuration: { devices: [] } });
const homes = {
  admin: await agent.pair(undefined, { role: "admin" }),
  operator: await agent.pair(undefined, { role: "operator" }),
  viewer: await agent.pair(undefined, { role: "viewer" }),
};
const devices: { readonly name: string; readonly [key: string]: unknown }[] = [];

/** Declares a device on a port. */
async function declare(path: string) {
  const name = `bench-${devices.length}`;
  devices.push({ name, serial: { path }, commands: { ping: { send: "PING", expect: "^PONG" } } });
  writeFileSync(agent.configurationFile, JSON.stringify({ listen: { host: "127.0.0.1", port: 0 }, devices }));
  agent.signal("SIGHUP");
  await agent.line("device-state", ({ device, state }) => device === name && state === "ready");
}

/** A device of its own for a test, and ways to use it. */
async function createDevice(t: Owner, path: string) {
  await declare(path);
  const name = devices.at(-1)?.name ?? "";
  const use = async (
    role: keyof typeof homes,
    changes: Partial<SerialRequest> = {},
    listener: PortListener = {},
  ): Promise<User> => {
    const client = await connect(undefined, { folder: homes[role] });
    t.after(() => client.close());
    return new User(client, { port: name, mode: "watch", ...changes }, listener);
  };
  const ping = () => agent.tether(["call", `devices.${name}.ping`], { home: homes.operator });
  return { use, ping };
}

test("serial stream: who may watch, write and take, and what the others are told", { skip }, async (t) => {
  const board = await HandBoard.create(t);
  const other = await HandBoard.create(t);
  const { use, ping } = await createDevice(t, board.path);
  const viewer = await use("viewer");
  const { condition, holder } = await viewer.port.opened;
  assert.deepEqual(
    [condition.state, condition.path, condition.settings.baudRate, holder],
    ["ready", board.path, 115_200, null],
  );
  await assert.rejects((await use("viewer", { mode: "write" })).port.opened, { code: "forbidden" });
  await assert.rejects((await use("viewer", { port: other.path })).port.opened, { code: "forbidden" });
  await assert.rejects(viewer.port.order({ order: "lease", mode: "write" }), { code: "forbidden" });
  await assert.rejects((await use("operator", { port: "moon" })).port.opened, { code: "not-found" });
  await agent.line("forbidden", ({ message }) => /to write on a port needs the role operator/.test(message));

  const first = await use("operator", { mode: "write" });
  await first.port.opened;
  const busy = { code: "busy", message: /^held by .* \(monitor\) since 20/ };
  await assert.rejects((await use("operator", { mode: "exclusive", kind: "expose" })).port.opened, busy);
  await assert.rejects((await use("operator", { mode: "write", take: true })).port.opened, {
    code: "forbidden",
  });
  assert.match((await ping()).stderr, /held by .* \(monitor\) since/);
  await agent.line("busy", ({ message }) => /^refused the port bench-0 to .*: held by/.test(message));
  await first.port.write(Buffer.from("hello"));
  await until(() => board.heard === "hello", "what was written");
  assert.deepEqual((await (await use("viewer")).port.opened).holder?.kind, "monitor");

  const second = await use("admin", { mode: "exclusive", kind: "expose", take: true });
  await second.port.opened;
  await until(() => first.reported("released").length === 1, "the first to be told");
  const [released] = first.reported("released");
  assert.match(String(released?.report === "released" && released.error.message), /^taken by .* \(expose\)/);
  await first.port.write(Buffer.from("late"));
  await until(() => first.reported("refused").length === 1, "the write to be refused");
  await board.say("hi all");
  await until(() => String(first.heard) === "hi all" && String(viewer.heard) === "hi all", "the watchers");
  // The holder vanishes.
  second.client.close();
  await until(async () => {
    const third = await use("operator", { mode: "write" });
    const code = await third.port.opened.then(
      () => undefined,
      (error) => error.code,
    );
    third.port.close();
    return code === undefined;
  }, "the port to be free");
  assert.equal(board.heard, "hello", "nothing of those who were refused");
});

test("serial stream: orders are answered with what is in force, in turn with the bytes", {
  skip,
}, async (t) => {
  const board = await HandBoard.create(t);
  const { use } = await createDevice(t, board.path);
  const user = await use("operator", { mode: "exclusive", kind: "expose", baudRate: 9600 });
  assert.equal((await user.port.opened).condition.settings.baudRate, 9600);
  const writing = user.port.write(Buffer.alloc(100_000, "x"));
  const drained = user.port.order({ order: "drain" });
  await Promise.all([writing, drained]);
  const { settings } = await user.port.order({
    order: "configure",
    settings: { baudRate: 57_600, stopBits: 2 },
  });
  assert.deepEqual([settings?.baudRate, settings?.stopBits], [57_600, 2]);
  // A pseudo-terminal has no lines.
  assert.equal((await user.port.order({ order: "lines", lines: { dtr: false } })).set, false);
  assert.equal((await user.port.order({ order: "input-lines" })).lines, null);
  assert.equal((await user.port.order({ order: "break", duration: 10 })).set, false);
  await user.port.order({ order: "purge", buffers: "both" });
  const raw = JSON.parse('{"order":"configure","settings":{"parity":"mark"}}');
  await assert.rejects(user.port.order(raw), { code: "invalid" });
  await until(async () => (await user.port.closed)?.code === "invalid", "the stream to end");
});

test("serial stream: one who comes back has what he missed, and is told what is gone", {
  skip,
}, async (t) => {
  const board = await HandBoard.create(t);
  const { use } = await createDevice(t, board.path);
  const first = await use("viewer");
  const { instance, offset } = await first.port.opened;
  assert.equal(offset, 0);
  await board.say("one ");
  await until(() => String(first.heard) === "one ", "the first word");
  first.client.close();
  await board.say("two ");
  const second = await use("viewer", { from: first.port.offset, instance });
  assert.equal((await second.port.opened).offset, 4);
  await board.say("three");
  await until(() => String(second.heard) === "two three", "what was missed");
  second.client.close();
  const flood = Buffer.alloc(200_000, "y").toString();
  const watcher = await use("viewer");
  await watcher.port.opened;
  await board.say(flood);
  await until(() => watcher.length === flood.length, "the flood");
  watcher.client.close();
  const third = await use("viewer", { from: second.port.offset, instance });
  const opened = await third.port.opened;
  assert.ok(opened.offset > second.port.offset, "some of it is gone");
  await until(() => third.length === 13 + flood.length - opened.offset, "what is left of it");
  const stranger = await use("viewer", { from: 5, instance: "another" });
  assert.equal(
    (await stranger.port.opened).offset,
    13 + flood.length,
    "another agent's count is not gone on with",
  );
});

test("serial stream: ten watchers, one of them stopped: the others lose nothing, and its loss is told exactly", {
  skip,
}, async (t) => {
  const board = await HandBoard.create(t);
  const { use } = await createDevice(t, board.path);
  let go = () => {};
  const stopped = await use(
    "viewer",
    {},
    {
      onBytes: () =>
        new Promise<void>((resolve) => {
          go = resolve;
        }),
    },
  );
  const watchers = await Promise.all(Array.from({ length: 9 }, () => use("viewer")));
  await Promise.all([stopped, ...watchers].map(({ port }) => port.opened));
  const sent = Buffer.from(
    Uint8Array.from({ length: 4 << 20 }, (_, index) => (index * 31 + (index >> 8)) % 256),
  );
  const since = performance.now();
  for (let at = 0; at < sent.length; at += 65_536) {
    // On a busy machine all of them may be slow; only the stopped one is to lose anything.
    await until(() => watchers.every(({ length }) => length >= at - SERIAL.keptBehind / 2), "the others");
    await board.sayBytes(sent.subarray(at, at + 65_536));
  }
  await until(() => watchers.every(({ length }) => length >= sent.length), "all of it", 60_000);
  t.diagnostic(`4 MiB to ten watchers in ${(performance.now() - since).toFixed(0)} ms`);
  for (const { heard, reports } of watchers) {
    assert.ok(heard.equals(sent));
    assert.deepEqual(reports, []);
  }
  let isOver = false;
  const going = setInterval(() => go(), 1);
  t.after(() => clearInterval(going));
  await until(
    () => {
      isOver = stopped.port.offset === sent.length;
      return isOver;
    },
    "the stopped one to catch up",
    20_000,
  );
  const lost = stopped
    .reported("lost")
    .reduce((sum, report) => sum + (report.report === "lost" ? report.bytes : 0), 0);
  assert.ok(lost > 0);
  await until(() => stopped.length + lost === sent.length, "the rest");
  const end = stopped.heard.subarray(-1_000);
  assert.ok(end.equals(sent.subarray(-1_000)), "what it has is the newest");
});

test("serial stream: everything in both directions, whoever wrote it, for one who records", {
  skip,
}, async (t) => {
  const board = await HandBoard.create(t, (line) => (line === "PING" ? "PONG\n" : ""));
  const { use, ping } = await createDevice(t, board.path);
  const recorder = await use("viewer", { both: true });
  await recorder.port.opened;
  assert.equal((await ping()).code, 0);
  const writer = await use("operator", { mode: "write" });
  await writer.port.opened;
  await writer.port.write(Buffer.from("by hand\n"));
  const passed = () =>
    recorder
      .reported("traffic")
      .map((report) => (report.report === "traffic" ? `${report.direction}: ${report.data}` : ""));
  await until(() => passed().length === 3, "what passed");
  assert.deepEqual(passed(), ["host: PING\n", "device: PONG\n", "host: by hand\n"]);
});

test("serial stream: unplugged and back, the watcher is told and goes on, the holder keeps the port", {
  skip,
}, async (t) => {
  const terminal = await PseudoTerminal.create();
  t.after(() => terminal.remove());
  await terminal.plugBench();
  const { use } = await createDevice(t, terminal.path);
  const user = await use("operator", { mode: "write", baudRate: 19_200 });
  await user.port.opened;
  await terminal.pull();
  const states = () =>
    user.reported("condition").map((report) => (report.report === "condition" ? report.condition.state : ""));
  await until(() => states().includes("missing"), "the loss");
  await user.port.write(Buffer.from("lost\n"));
  await until(() => user.reported("refused").length === 1, "the write to be refused");
  await terminal.plugBench();
  await until(() => states().at(-1) === "ready", "the return");
  const last = user.reported("condition").at(-1);
  assert.equal(last?.report === "condition" && last.condition.settings.baudRate, 19_200);
  await user.port.write(Buffer.from("ID?\n"));
  await until(() => String(user.heard) === "ID bench 1\n", "an answer");
  assert.deepEqual(user.reported("released"), []);
});
