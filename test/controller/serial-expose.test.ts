import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { startAgent } from "../agent-process.ts";
import { PseudoTerminal } from "../firmware-bridge/pseudo-terminal.ts";
import { TtyBoard } from "../firmware-bridge/tty-board.ts";
import { freePort } from "../free-port.ts";
import { pyserialEchoesMegabyte, pyserialUses } from "../gateways/pyserial.ts";
import { RawClient } from "../gateways/raw-client.ts";
import { startSerialAgent } from "../gateways/serial-agent.ts";
import { needs } from "../peers.ts";
import { RunningTether, until } from "../programs/program-agent.ts";

/** `tether serial expose` running; gives its port. */
async function expose(
  ...args: ConstructorParameters<typeof RunningTether>
): Promise<[RunningTether, number]> {
  const running = new RunningTether(...args);
  const [line = ""] = await running.said(/^.*\n/);
  return [running, (JSON.parse(line) as { port: number }).port];
}

suite("tether serial expose", () => {
  test("pyserial uses the port as if it hung here", async (t) => {
    if (!needs(t, "socat", "pyserial")) return;
    const { agent, terminal } = await startSerialAgent(t);
    await TtyBoard.open(t, terminal.boardPath, { echoes: true });
    const home = await agent.pair();
    const [exposed, port] = await expose(t, home, ["serial", "expose", "bench", "--json"]);
    assert.deepEqual(JSON.parse(exposed.stdout), {
      url: `rfc2217://127.0.0.1:${port}`,
      address: "127.0.0.1",
      port,
      agent: "test-agent",
      device: "bench",
    });
    await pyserialUses(port);
    await pyserialEchoesMegabyte(port);
    await agent.line("port-held", ({ kind }) => kind === "expose");
    exposed.child.kill("SIGINT");
    assert.equal(await exposed.ended(), 0);
    assert.equal(exposed.stderr, "");
  });

  test("one client has the port, and none who speaks HTTP", async (t) => {
    if (!needs(t, "socat")) return;
    const { agent, terminal, rfc2217 } = await startSerialAgent(t);
    const board = await TtyBoard.open(t, terminal.boardPath);
    const home = await agent.pair();
    const [exposed, port] = await expose(t, home, ["serial", "expose", "bench", "--json"]);
    const browser = await RawClient.open(t, port);
    browser.send("GET / HTTP/1.1\r\n\r\n");
    await browser.end();
    const first = await RawClient.open(t, port);
    first.send(Buffer.from("\xff\xff from the first", "latin1"));
    await board.hears("from the first");
    for (const where of [port, rfc2217]) {
      const second = await RawClient.open(t, where);
      assert.match(await second.end(), /^error: busy: held by \S+ \(expose\) since \d{4}-\S+Z/);
    }
    const closed = new Promise((resolve) => first.socket.once("close", resolve));
    first.socket.end();
    await closed;
    await agent.line(
      "port-released",
      () => agent.log.filter(({ event }) => event === "port-released").length > 1,
    );
    const third = await RawClient.open(t, port);
    third.send("from the third");
    await board.hears("from the third");
    await board.says("and back");
    assert.equal(await third.take(8), "and back");
    await terminal.pull();
    await third.end();
    await exposedSays(exposed, /refused a client that speaks HTTP[\s\S]*missing/);
  });

  test("an admin takes the port, and whoever had it is cut", async (t) => {
    if (!needs(t, "socat")) return;
    const { agent, terminal, rfc2217 } = await startSerialAgent(t);
    const board = await TtyBoard.open(t, terminal.boardPath);
    const home = await agent.pair();
    const [, port] = await expose(t, home, ["serial", "expose", "bench", "--take", "--json"]);
    const first = await RawClient.open(t, rfc2217);
    first.send("from the first");
    await board.hears("from the first");
    const second = await RawClient.open(t, port);
    second.send("from the second");
    await board.hears("from the second");
    await first.end();
    const refused = await agent.line("gateway-refused");
    assert.match(String(refused.message), /taken by \S+ \(expose\)/);
  });

  test("who may not write is told before any program connects", async (t) => {
    if (!needs(t, "socat")) return;
    const { agent } = await startSerialAgent(t);
    const homes = {
      viewer: await agent.pair(undefined, { role: "viewer" }),
      operator: await agent.pair(undefined, { role: "operator" }),
    };
    const refusals: readonly [role: keyof typeof homes, options: string[], message: RegExp][] = [
      ["viewer", [], /^tether: to write on a port needs the role operator; you have viewer\n$/],
      ["operator", ["--take"], /^tether: to take a port from somebody needs the role admin; .*operator\n$/],
    ];
    for (const [role, options, message] of refusals) {
      const refused = new RunningTether(t, homes[role], ["serial", "expose", "bench", ...options]);
      assert.equal(await refused.ended(), 4);
      assert.match(refused.stderr, message);
      assert.equal(refused.stdout, "");
    }
  });

  test("a port that no device has is opened for it", async (t) => {
    if (!needs(t, "socat")) return;
    const { agent } = await startSerialAgent(t);
    const other = await PseudoTerminal.create();
    t.after(() => other.remove());
    await other.plug();
    const board = await TtyBoard.open(t, other.boardPath, { echoes: true });
    const home = await agent.pair();
    const [, port] = await expose(t, home, ["serial", "expose", other.path, "--json"]);
    const client = await RawClient.open(t, port);
    client.send("hello\xff");
    await board.hears("hello");
    client.socket.destroy();
  });

  test("it goes on when the agent is back", async (t) => {
    if (!needs(t, "socat")) return;
    const { agent, terminal } = await startSerialAgent(t, { port: await freePort() });
    const board = await TtyBoard.open(t, terminal.boardPath);
    const home = await agent.pair();
    const [exposed, port] = await expose(t, home, ["serial", "expose", "bench", "--json"]);
    const first = await RawClient.open(t, port);
    first.send("before");
    await board.hears("before");
    await agent.stop("SIGKILL");
    await first.end();
    await exposedSays(exposed, /./);
    const waiting = await RawClient.open(t, port);
    waiting.send("after");
    await startAgent(t, { folder: agent.folder });
    await board.hears("after");
  });

  test("a name that there is not, or a place that is none, is told at once", async (t) => {
    if (!needs(t, "socat")) return;
    const { agent } = await startSerialAgent(t);
    const home = await agent.pair();
    const unknown = await agent.tether(["serial", "expose", "nothing"], { home });
    assert.deepEqual([unknown.code, unknown.stdout], [1, ""]);
    assert.match(unknown.stderr, /there is no device "nothing".*there are: bench/s);
    const place = await agent.tether(["serial", "expose", "bench", "--listen", "a:b"], { home });
    assert.equal(place.code, 2);
    const late = await agent.tether(["serial", "expose", "bench", "--timeout", "300ms"], { home });
    assert.equal(late.code, 3);
  });
});

async function exposedSays(exposed: RunningTether, pattern: RegExp): Promise<void> {
  await until(() => pattern.test(exposed.stderr), `${pattern} in ${exposed.stderr}`);
}
