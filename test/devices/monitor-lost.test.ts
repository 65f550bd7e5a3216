import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite, test } from "node:test";
import { startAgent } from "../agent-process.ts";
import { PseudoTerminal } from "../firmware-bridge/pseudo-terminal.ts";
import { missing } from "../peers.ts";
import { agentAt, benchAt, pong } from "./bench-agent.ts";
import { ControllerProcess } from "./controller-process.ts";
import { HandBoard } from "./hand-board.ts";

const skip = missing("socat");

// Each has an agent of its own, and mostly waits.
suite("monitor-lost", { concurrency: true }, () => {
  test("monitor: goes on by itself after the board was unplugged, and after the agent was killed", {
    skip,
  }, async (t) => {
    const terminal = await PseudoTerminal.create();
    t.after(() => terminal.remove());
    await terminal.plugBench();
    const { agent, home } = await agentAt(t, terminal.path);
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
      configuration: { devices: [benchAt(terminal.path)], listen: { host: "127.0.0.1", port: agent.port } },
    });
    await monitor.until(({ stderr }) => stderr.includes("the connection is back"), "the agent's return");
    await ask();
    assert.match(monitor.stderr, /an unknown number of bytes are missing here/);
    monitor.signal("SIGINT");
    assert.equal(await monitor.exited, 0, monitor.stderr);
    assert.equal(await again.stop(), 0);
  });

  test("monitor: a device that is declared anew is gone on with, one that is gone ends it", {
    skip,
  }, async (t) => {
    const board = await HandBoard.create(t, pong);
    const { agent, home } = await agentAt(t, board.path);
    const monitor = new ControllerProcess(t, home, [
      "serial",
      "monitor",
      "bench",
      "--log",
      join(agent.folder, "log"),
    ]);
    monitor.write("PING\n");
    await monitor.until(({ stdout }) => stdout === "PONG\n", "an answer");
    const device = benchAt(board.path);
    const declare = (devices: readonly object[]) => {
      writeFileSync(
        agent.configurationFile,
        JSON.stringify({ listen: { host: "127.0.0.1", port: 0 }, devices }),
      );
      agent.signal("SIGHUP");
    };
    declare([{ ...device, line: { timeout: "1s" } }]);
    await monitor.until(({ stderr }) => stderr.includes("the connection is back"), "the monitor to be back");
    monitor.write("PING\n");
    await monitor.until(({ stdout }) => stdout === "PONG\nPONG\n", "another answer");
    declare([]);
    assert.equal(await monitor.exited, 1);
    assert.match(monitor.stderr, /there is no device "bench"/);
  });
});
