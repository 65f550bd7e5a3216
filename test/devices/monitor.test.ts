import assert from "node:assert/strict";
import { readdirSync, readlinkSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { suite, test } from "node:test";
import { programArguments } from "../agent-process.ts";
import { until } from "../firmware-bridge/until.ts";
import { missing } from "../peers.ts";
import { Terminal } from "../shell/terminal.ts";
import { agentAt, passed, pong } from "./bench-agent.ts";
import { ControllerProcess } from "./controller-process.ts";
import { HandBoard } from "./hand-board.ts";

const skip = missing("socat");

// Each has an agent of its own, and mostly waits.
suite("monitor", { concurrency: true }, () => {
  test("monitor: from a pipe the input goes there, and the device's silence after it ends it", {
    skip,
  }, async (t) => {
    const board = await HandBoard.create(t, pong);
    const { agent, home } = await agentAt(t, board.path);
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

    const json = await agent.tether(["serial", "monitor", "bench", "--json"], { input: "PING\n" });
    const pieces = json.stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    assert.deepEqual(
      pieces.map(({ from, text }) => [from, text]),
      [
        ["host", "PING\n"],
        ["device", "PONG\n"],
      ],
    );

    const timed = await agent.tether(["serial", "monitor", "bench", "--timeout", "1s"], { input: "" });
    assert.equal(timed.code, 3);
  });

  test("monitor: the second who types is told who holds the port, and an admin may take it", {
    skip,
  }, async (t) => {
    const board = await HandBoard.create(t, pong);
    const { agent, home } = await agentAt(t, board.path);
    const first = new ControllerProcess(t, home, ["serial", "monitor", "bench"]);
    first.write("PING\n");
    await first.until(({ stdout }) => stdout === "PONG\n", "the answer");
    const second = await agent.tether(["serial", "monitor", "bench"], { input: "x" });
    assert.equal(second.code, 1);
    assert.match(second.stderr, /^tether: held by .* \(monitor\) since 20\d\d-.* \(an admin .*\)\n$/);
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
    const board = await HandBoard.create(t, pong);
    const { agent, home } = await agentAt(t, board.path);
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

  test("monitor: a port that no device has is opened for the first who uses it, and closed after the last", {
    skip,
  }, async (t) => {
    const held = await HandBoard.create(t, pong);
    const free = await HandBoard.create(t, pong);
    const { agent, home } = await agentAt(t, held.path);
    const isOpen = () =>
      readdirSync(`/proc/${agent.pid}/fd`).some((fd) => {
        try {
          return readlinkSync(`/proc/${agent.pid}/fd/${fd}`) === realpathSync(free.path);
        } catch {
          return false;
        }
      });
    const first = new ControllerProcess(t, home, ["serial", "monitor", free.path, "--baud", "9600"]);
    first.write("PING\n");
    await first.until(({ stdout }) => stdout === "PONG\n", "the answer");
    const second = new ControllerProcess(t, home, ["serial", "monitor", free.path]);
    await until(async () => {
      await free.say(".");
      return second.stdout.includes(".");
    }, "the second to watch");
    const refused = await agent.tether(["serial", "send", free.path, "PING"]);
    assert.match(refused.stderr, /held by .* \(monitor\)/);
    first.signal("SIGINT");
    assert.equal(await first.exited, 0);
    assert.equal(isOpen(), true);
    assert.match((await agent.tether(["serial", "send", free.path, "PING"])).stdout, /PONG|\./);
    second.signal("SIGINT");
    assert.equal(await second.exited, 0);
    await until(() => !isOpen(), "the port to be closed");
    assert.equal((await agent.tether(["serial", "monitor", "/dev/ttyUSB77"], { input: "x" })).code, 1);
  });
});
