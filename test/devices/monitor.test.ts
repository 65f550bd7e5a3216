import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { type AgentProcess, type Owner, programArguments, startAgent } from "../agent-process.ts";
import { PseudoTerminal } from "../firmware-bridge/pseudo-terminal.ts";
import { until } from "../firmware-bridge/until.ts";
import { missing } from "../peers.ts";
import { Terminal } from "../shell/terminal.ts";
import { ControllerProcess } from "./controller-process.ts";
import { HandBoard } from "./hand-board.ts";

const skip = missing("socat");
const PONG = (line: string) => (line === "PING" ? "PONG\n" : "");

async function createAgent(t: Owner, path: string): Promise<{ agent: AgentProcess; home: string }> {
  const agent = await startAgent(t, { configuration: configurationOf(path) });
  return { agent, home: await agent.pair() };
}

function configurationOf(path: string) {
  const ping = { send: "PING", expect: "^PONG" };
  return { devices: [{ name: "bench", serial: { path }, commands: { ping } }] };
}

/** The lines of a recording that are of what passed. */
function passed(path: string): string[] {
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, "utf8").trimEnd().split("\n");
  return lines
    .map((line) => JSON.parse(line) as { time: string; from?: string; text?: string; base64?: string })
    .filter(({ text, base64 }) => text !== undefined || base64 !== undefined)
    .map(({ time, from, text, base64 }) => {
      assert.equal(new Date(time).toISOString(), time);
      return `${from}: ${text ?? base64}`;
    });
}

test("monitor: from a pipe the input goes there, and the device's silence after it ends it", {
  skip,
}, async (t) => {
  const board = await HandBoard.create(t, PONG);
  const { agent, home } = await createAgent(t, board.path);
  const ended = await agent.tether(["serial", "monitor", "bench"], { input: "PING\nPING\n" });
  assert.deepEqual([ended.code, ended.stdout, ended.stderr], [0, "PONG\nPONG\n", ""]);
  assert.equal(board.heard, "PING\nPING\n");

  // A pipe with nothing in it is no input: it is watched until Ctrl-C.
  const watching = new ControllerProcess(t, home, ["serial", "monitor", "bench", "--hex"]);
  watching.end();
  await agent.line("port-released");
  await until(async () => {
    await board.say("\x00hello, hexadecimal\xff");
    return watching.stdout.includes("|.hello, hexadeci|");
  }, "a dump");
  watching.signal("SIGINT");
  assert.equal(await watching.exited, 0);
  assert.match(
    watching.stdout,
    /^00000000 {2}00 68 65 6c 6c 6f 2c 20 68 65 78 61 64 65 63 69 {2}\|\.hello, hexadeci\|\n00000010/,
  );

  const timed = await agent.tether(["serial", "monitor", "bench", "--timeout", "1s"], { input: "" });
  assert.equal(timed.code, 3);
});

test("monitor: the second who types is told who holds the port, and an admin may take it", {
  skip,
}, async (t) => {
  const board = await HandBoard.create(t, PONG);
  const { agent, home } = await createAgent(t, board.path);
  const first = new ControllerProcess(t, home, ["serial", "monitor", "bench"]);
  first.write("PING\n");
  await first.until(({ stdout }) => stdout === "PONG\n", "the answer");
  const second = await agent.tether(["serial", "monitor", "bench"], { input: "x" });
  assert.equal(second.code, 1);
  assert.match(second.stderr, /held by .* \(monitor\) since 20\d\d-/);
  const sent = await agent.tether(["serial", "send", "bench", "PING"]);
  assert.match(sent.stderr, /held by .* \(monitor\) since/);
  const third = await agent.tether(["serial", "monitor", "bench", "--take"], { input: "PING\n" });
  assert.deepEqual([third.code, third.stdout], [0, "PONG\n"]);
  await first.until(
    ({ stderr }) => /no longer yours: taken by .* \(monitor\) since/.test(stderr),
    "the first to be told",
  );
  assert.equal(first.stdout, "PONG\nPONG\n", "it goes on watching");
  // The third has given it back: the first takes it again by typing.
  first.write("PING\n");
  await first.until(({ stdout }) => stdout.length === 15, "another answer");
  // Its holder vanishes without a word.
  first.signal("SIGKILL");
  await until(
    async () => (await agent.tether(["serial", "send", "bench", "PING"])).code === 0,
    "the port to be free",
  );
});

test("monitor: at a terminal keys go there one by one, Ctrl-T changes the port, Ctrl-] leaves", {
  skip: missing("socat", "tmux"),
}, async (t) => {
  const board = await HandBoard.create(t, PONG);
  const { agent, home } = await createAgent(t, board.path);
  const terminal = new Terminal(t, { cwd: agent.folder, env: { TETHER_HOME: home } });
  await terminal.see(/system> $|system>$/);
  const command = [process.execPath, ...programArguments("tether"), "serial", "monitor"].map(
    (one) => `'${one}'`,
  );
  terminal.enter(`clear; ${command.join(" ")} bench --log log.jsonl`);
  await terminal.see(/--- bench at 115200 baud; Ctrl-\] leaves/);
  terminal.type("PI");
  await until(() => board.heard === "PI", "each key");
  terminal.type("NG");
  terminal.press("Enter");
  await terminal.see(/\nPONG$/);
  assert.equal(board.heard, "PING\n", "Enter is the device's terminator");
  terminal.press("C-c");
  await until(() => board.heard === "PING\n\x03", "Ctrl-C is a key like any other");
  terminal.press("C-t");
  terminal.type("b");
  await terminal.see(/baud rate: *$/);
  terminal.enter("57600");
  await terminal.see(/--- 57600 baud ---/);
  terminal.press("C-t");
  terminal.type("d");
  await terminal.see(/--- this port has no lines ---/);
  terminal.press("C-t");
  terminal.type("s");
  await terminal.see(/--- 57600 baud 8N1, held by you ---/);
  const statistics = JSON.parse((await agent.tether(["call", "devices.statistics"])).stdout);
  assert.equal(statistics[0].holder.kind, "monitor");
  terminal.press("C-]");
  await terminal.see(/system> $|system>$/);
  const [released] = JSON.parse((await agent.tether(["call", "devices.statistics"])).stdout);
  assert.equal(released.holder, null);
  const text = passed(join(agent.folder, "log.jsonl"));
  const written = text.filter((line) => line.startsWith("host: ")).map((line) => line.slice(6));
  assert.equal(written.join(""), "PING\n\x03");
  assert.ok(text.includes("device: PONG\n"));
});

test("monitor: goes on by itself after the board was unplugged, and after the agent was killed", {
  skip,
}, async (t) => {
  const terminal = await PseudoTerminal.create();
  t.after(() => terminal.remove());
  await terminal.plugBench();
  const { agent, home } = await createAgent(t, terminal.path);
  const monitor = new ControllerProcess(t, home, ["serial", "monitor", "bench"]);
  const ask = async () => {
    const before = monitor.stdout.length;
    monitor.write("ID?\n");
    await monitor.until(({ stdout }) => stdout.slice(before).includes("ID bench 1\n"), "an answer");
  };
  await ask();
  await terminal.pull();
  await monitor.until(({ stderr }) => stderr.includes("bench is missing"), "the loss");
  await terminal.plugBench();
  await monitor.until(({ stderr }) => stderr.includes("bench is ready"), "the return");
  await ask();
  await agent.stop("SIGKILL");
  await monitor.until(({ stderr }) => stderr.includes("the connection is lost"), "the loss of the agent");
  const again = await startAgent(t, {
    folder: agent.folder,
    configuration: { ...configurationOf(terminal.path), listen: { host: "127.0.0.1", port: agent.port } },
  });
  await monitor.until(({ stderr }) => stderr.includes("the connection is back"), "the agent's return");
  await ask();
  assert.match(monitor.stderr, /an unknown number of bytes are missing here/);
  monitor.signal("SIGINT");
  assert.equal(await monitor.exited, 0, monitor.stderr);
  assert.equal(await again.stop(), 0);
});

test("record: both directions with times, whoever writes, and what is missing is said", {
  skip,
}, async (t) => {
  const board = await HandBoard.create(t, PONG);
  const { agent, home } = await createAgent(t, board.path);
  const file = join(agent.folder, "recording.jsonl");
  const recorder = new ControllerProcess(t, home, ["serial", "record", "bench", file]);
  await until(
    () => existsSync(file) && readFileSync(file, "utf8").includes('"recording":1'),
    "the recording",
  );
  assert.equal((await agent.tether(["call", "devices.bench.ping"])).code, 0);
  assert.equal((await agent.tether(["serial", "monitor", "bench"], { input: "by hand\n" })).code, 0);
  await board.sayBytes(Buffer.of(0xff, 0x00));
  await until(() => passed(file).length >= 4, "what passed");
  assert.deepEqual(passed(file), ["host: PING\n", "device: PONG\n", "host: by hand\n", "device: /wA="]);
  recorder.signal("SIGINT");
  assert.equal(await recorder.exited, 0);
  const again = await agent.tether(["serial", "record", "bench", file]);
  assert.equal(again.code, 1, "an old recording is not written over");
  assert.match(again.stderr, /cannot write .*recording\.jsonl/);
});
