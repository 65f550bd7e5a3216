import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { suite, type TestContext, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { Stk500Board } from "../firmware-bridge/stk500-board.ts";
import { TtyBoard } from "../firmware-bridge/tty-board.ts";
import { until } from "../firmware-bridge/until.ts";
import { freePort } from "../free-port.ts";
import { findCommand, needs } from "../peers.ts";
import { RunningTether } from "../programs/program-agent.ts";
import { pyserialEchoesMegabyte, pyserialUses } from "./pyserial.ts";
import { RawClient } from "./raw-client.ts";
import { startSerialAgent } from "./serial-agent.ts";

suite("programs of others on a port over the network", () => {
  test("pyserial opens, sets and uses a port without lines", async (t) => {
    if (!needs(t, "socat", "pyserial")) return;
    const { agent, rfc2217, terminal } = await startSerialAgent(t);
    await TtyBoard.open(t, terminal.boardPath, { echoes: true });
    await pyserialUses(rfc2217);
    const held = await agent.line("port-held");
    assert.match(String(held.message), /^127\.0\.0\.1:\d+ holds the port of bench \(rfc2217\)$/);
    await agent.line("port-released");
  });

  test("a megabyte full of 0xFF there and back", async (t) => {
    if (!needs(t, "socat", "pyserial")) return;
    const { rfc2217, terminal } = await startSerialAgent(t);
    await TtyBoard.open(t, terminal.boardPath, { echoes: true });
    await pyserialEchoesMegabyte(rfc2217);
  });

  // No bootloader of an AVR synchronises in simavr, so the board is a peer that speaks STK500 by its specification.
  test("avrdude writes and verifies, whichever way it comes", async (t) => {
    if (!needs(t, "socat", "avrdude")) return;
    const { agent, rfc2217, serial, terminal } = await startSerialAgent(t);
    const board = await Stk500Board.open(t, terminal.boardPath);
    const exposed = new RunningTether(t, await agent.pair(), ["serial", "expose", "bench", "--json"]);
    const [line] = await exposed.said(/^.*\n/);
    const image = Buffer.from(Array.from({ length: 2_048 }, (_, at) => (at % 3 === 0 ? 0xff : at & 0xff)));
    const file = join(await temporaryFolder(t), "image.bin");
    await writeFile(file, image);
    for (const port of [serial, rfc2217, (JSON.parse(line) as { port: number }).port]) {
      board.flash.fill(0xff);
      board.hasLeft = false;
      await avrdude("-P", `net:127.0.0.1:${port}`, "-D", "-U", `flash:w:${file}:r`);
      assert.ok(board.flash.subarray(0, image.length).equals(image));
      assert.ok(board.hasLeft);
    }
  });

  test("ser2net as a client of RFC 2217 carries every byte", async (t) => {
    if (!needs(t, "socat", "ser2net")) return;
    const { rfc2217, terminal } = await startSerialAgent(t);
    await TtyBoard.open(t, terminal.boardPath, { echoes: true });
    const port = await freePort();
    const folder = await temporaryFolder(t);
    const configuration = join(folder, "ser2net.yaml");
    await writeFile(
      configuration,
      `connection: &port
  accepter: tcp(nodelay),127.0.0.1,${port}
  connector: telnet(rfc2217),tcp(nodelay),127.0.0.1,${rfc2217}
  options:
    chardelay: false
`,
    );
    const child = spawn(
      findCommand("ser2net") ?? "ser2net",
      ["-n", "-c", configuration, "-P", join(folder, "pid")],
      { stdio: "ignore" },
    );
    t.after(() => child.kill());
    let opened: RawClient | undefined;
    // It is refused until ser2net listens.
    await until(async () => {
      opened = await RawClient.open(t, port).catch(() => undefined);
      return opened !== undefined;
    }, "ser2net");
    const client = opened as unknown as RawClient;
    const all = Buffer.from(Array.from({ length: 1_024 }, (_, at) => (at % 4 === 0 ? 0xff : at >> 2)));
    client.send(all);
    await until(() => client.received.length >= all.length, "the echo");
    assert.equal(client.received, all.toString("latin1"));
  });
});

/** It gives an answer a quarter of a second, which a machine with other work may exceed, and takes the late one for the next. */
async function avrdude(...args: readonly string[]): Promise<void> {
  for (let tries = 1; ; tries++) {
    const child = spawn("avrdude", ["-c", "arduino", "-p", "m328p", ...args], { timeout: 30_000 });
    const [said, [code]] = await Promise.all([text(child.stderr), once(child, "close")]);
    if (code === 0) return;
    assert.ok(tries < 5, said);
    await delay(500);
  }
}

async function temporaryFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "tether-serial-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}
