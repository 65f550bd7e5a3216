import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { TtyBoard } from "../firmware-bridge/tty-board.ts";
import { until } from "../firmware-bridge/until.ts";
import { needs } from "../peers.ts";
import { RawClient } from "./raw-client.ts";
import { startSerialAgent } from "./serial-agent.ts";

suite("gateway rfc2217", () => {
  test("one client holds it, the next is told who; both gateways share one lease", async (t) => {
    if (!needs(t, "socat")) return;
    const { agent, rfc2217, serial, terminal } = await startSerialAgent(t);
    const board = await TtyBoard.open(t, terminal.boardPath);
    const first = await RawClient.open(t, rfc2217);
    first.send("from the first");
    await board.hears("from the first");
    const busy = new RegExp(
      `^error: busy: held by 127\\.0\\.0\\.1:${first.socket.localPort} \\(rfc2217\\) since \\d{4}-\\S+Z`,
    );
    const second = await RawClient.open(t, rfc2217);
    assert.match(await second.end(), busy);
    const raw = await RawClient.open(t, serial);
    await board.says("for all");
    assert.equal(await raw.take(7), "for all");
    raw.send("me too");
    assert.match(await raw.end(), busy);
    const refused = await agent.line("gateway-refused", ({ kind }) => kind === "serial");
    assert.equal(refused.code, "busy");
    const closed = new Promise((resolve) => first.socket.once("close", resolve));
    first.socket.end();
    await closed;
    await agent.line("port-released");
    const third = await RawClient.open(t, rfc2217);
    third.send("from the third");
    await board.hears("from the third");
    assert.ok(!board.received.toString().includes("me too"));
  });

  test("a port that is not there, or goes, is a connection that ends", async (t) => {
    if (!needs(t, "socat")) return;
    const { agent, rfc2217, terminal } = await startSerialAgent(t);
    const board = await TtyBoard.open(t, terminal.boardPath);
    const client = await RawClient.open(t, rfc2217);
    client.send("here");
    await board.hears("here");
    await terminal.pull();
    await client.end();
    await agent.line("port-released");
    const next = await RawClient.open(t, rfc2217);
    assert.match(await next.end(), /^error: device-missing: device bench is missing: /);
    await terminal.plug();
    const again = await TtyBoard.open(t, terminal.boardPath);
    await agent.line(
      "device-state",
      ({ state, message }) =>
        state === "ready" &&
        message.includes("ready") &&
        agent.log.filter((one) => one.event === "device-state" && one.state === "ready").length > 1,
    );
    const back = await RawClient.open(t, rfc2217);
    back.send("back");
    await again.hears("back");
  });

  test("a client that goes while the device takes nothing leaves no lock behind", async (t) => {
    if (!needs(t, "socat")) return;
    // Nobody reads at the board's end.
    const { agent, rfc2217 } = await startSerialAgent(t);
    const client = await RawClient.open(t, rfc2217);
    client.send(Buffer.from("fffb2c", "hex"));
    // Until the agent reads no more from it.
    await until(() => {
      client.send(Buffer.alloc(65_536, 0x41));
      return client.received.includes("\xff\xfa\x2c\x6c\xff\xf0");
    }, "the word to wait");
    client.socket.destroy();
    await agent.line("port-released");
  });

  test("limits, a browser and a client that says nothing", async (t) => {
    if (!needs(t, "socat")) return;
    const { agent, rfc2217, terminal } = await startSerialAgent(t, {
      rfc2217: { limits: { connections: 2, idle: "1s" } },
    });
    const board = await TtyBoard.open(t, terminal.boardPath);
    const browser = await RawClient.open(t, rfc2217);
    browser.send("POST / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nG0 X10\r\n");
    await browser.end();
    await agent.line("gateway-refused", ({ code }) => code === "invalid");
    const silent = await RawClient.open(t, rfc2217);
    // Spoken to in Telnet in the end: WILL and DO of binary and no go-ahead, DO of the port's option.
    await until(() => silent.received.length === 15, "the greeting");
    assert.equal(Buffer.from(silent.received, "latin1").toString("hex"), "fffb00fffb03fffd00fffd03fffd2c");
    await silent.end();
    await agent.line(
      "port-released",
      () => agent.log.filter(({ event }) => event === "port-released").length > 1,
    );
    assert.equal(board.received.length, 0);
    const status = JSON.parse((await agent.tetherd(["status", "--json"])).stdout) as { gateways: unknown[] };
    assert.deepEqual(status.gateways[0], { kind: "rfc2217", address: "127.0.0.1", port: rfc2217 });
  });
});

suite("gateway serial", () => {
  test("bytes as they are, both ways, for many who read", async (t) => {
    if (!needs(t, "socat")) return;
    const { serial, terminal } = await startSerialAgent(t);
    const board = await TtyBoard.open(t, terminal.boardPath);
    const clients = await Promise.all([1, 2, 3].map(() => RawClient.open(t, serial)));
    const all = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)).toString("latin1");
    clients[1]?.send(Buffer.from(all, "latin1"));
    await board.hears(all);
    await board.says(all);
    for (const client of clients) {
      await client.take(0);
      assert.equal(Buffer.from(await client.take(256), "utf8").length > 0, true);
    }
  });

  test("the first to write holds the port until it closes or is silent", async (t) => {
    if (!needs(t, "socat")) return;
    const { agent, serial, terminal } = await startSerialAgent(t, { serial: { lease: "1s" } });
    const board = await TtyBoard.open(t, terminal.boardPath);
    const first = await RawClient.open(t, serial);
    const second = await RawClient.open(t, serial);
    const reader = await RawClient.open(t, serial);
    first.send("one");
    await board.hears("one");
    second.send("two");
    const told = await second.end();
    assert.match(
      told,
      new RegExp(
        `^error: busy: held by 127\\.0\\.0\\.1:${first.socket.localPort} \\(serial\\) since \\S+Z.*\\n$`,
      ),
    );
    // Silent for the time of the lease, it still reads, and may write again.
    await agent.line("port-expired");
    const third = await RawClient.open(t, serial);
    third.send("three");
    await board.hears("three");
    await board.says("to all");
    for (const client of [first, reader, third]) assert.equal(await client.take(6), "to all");
    third.socket.end();
    await agent.line("port-released");
    first.send("four");
    await board.hears("four");
    assert.ok(!board.received.toString().includes("two"));
  });

  test("a client that does not read loses the oldest bytes, and slows nobody", async (t) => {
    if (!needs(t, "socat")) return;
    const { serial, terminal } = await startSerialAgent(t);
    const board = await TtyBoard.open(t, terminal.boardPath);
    const stopped = await RawClient.open(t, serial);
    stopped.socket.pause();
    const reader = await RawClient.open(t, serial);
    const line = `${"x".repeat(1015)}%08d\n`;
    let read = 0;
    const count = 24_000;
    for (let n = 0; n < count; n++) {
      await board.says(line.replace("%08d", String(n).padStart(8, "0")));
      // The reader keeps up, which the stopped one does not hinder.
      if (n % 64 === 63)
        for (; read <= n; read++) assert.equal(Number((await reader.line()).slice(-8)), read);
    }
    stopped.socket.resume();
    await board.says("end\n");
    await until(() => stopped.received.endsWith("end\n"), "the end", 20_000);
    const numbers = stopped.received.match(/\d{8}/g)?.map(Number) ?? [];
    assert.equal(numbers[0], 0);
    assert.equal(numbers.at(-1), count - 1);
    assert.ok(numbers.length < count, "nothing was lost: write more");
  });

  test("a browser's request never reaches the device", async (t) => {
    if (!needs(t, "socat")) return;
    const { serial, terminal } = await startSerialAgent(t);
    const board = await TtyBoard.open(t, terminal.boardPath);
    const browser = await RawClient.open(t, serial);
    browser.send("GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
    assert.match(await browser.end(), /^error: invalid: /);
    assert.equal(board.received.length, 0);
  });
});
