import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { test } from "node:test";
import type { Owner } from "../agent-process.ts";
import { RunningTether, startProgramAgent, until } from "./program-agent.ts";

const MiB = 1024 * 1024;

/** A server on loopback; gives its port. */
async function listen(owner: Owner, serve: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    serve(socket);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  owner.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as { port: number }).port;
}

async function forwarded(
  owner: Owner,
  home: string,
  port: number,
): Promise<{ tether: RunningTether; port: number }> {
  const tether = new RunningTether(owner, home, ["forward", "--json", `0:${port}`]);
  const [line] = await tether.said(/.*\n/);
  return { tether, port: (JSON.parse(line) as { port: number }).port };
}

test("many connections, whole and with their own ends", async (t) => {
  const { agent, home } = await startProgramAgent(t);
  // Answers with the digest of all that came, once the other side has ended.
  const far = await listen(t, (socket) => {
    const hash = createHash("sha256");
    socket.on("data", (bytes) => hash.update(bytes));
    socket.on("end", () => socket.end(hash.digest("hex")));
  });
  const { tether, port } = await forwarded(t, home, far);
  await Promise.all(
    Array.from({ length: 50 }, async (_, n) => {
      const sent = randomBytes(n === 0 ? 16 * MiB : 10_000);
      const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
      socket.end(sent);
      let answer = "";
      for await (const chunk of socket) answer += chunk;
      assert.equal(answer, createHash("sha256").update(sent).digest("hex"));
    }),
  );
  const line = await agent.line("forwarded");
  assert.equal(line.port, far);
  tether.child.kill("SIGINT");
  assert.equal(await tether.ended(), 0);
});

test("a reader that stops holds up its own connection alone", async (t) => {
  const { home } = await startProgramAgent(t);
  let written = 0;
  const far = await listen(t, (socket) => {
    socket.once("data", (first) => {
      if (first.toString() === "echo") socket.end(first);
      else {
        const pour = () => {
          while (socket.writable && socket.write(Buffer.alloc(65_536))) written += 65_536;
        };
        socket.on("drain", pour);
        pour();
      }
    });
  });
  const { port } = await forwarded(t, home, far);
  const stuck = connect(port, "127.0.0.1").on("error", () => undefined);
  t.after(() => stuck.destroy());
  stuck.write("pour");
  let last = -1;
  let still = 0;
  await until(() => {
    still = written === last ? still + 1 : 0;
    last = written;
    return still > 60 && written > 0;
  }, "the pouring to stop");
  assert.ok(written < 64 * MiB, String(written));
  const other = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  other.write("echo");
  const [answer] = (await once(other, "data")) as [Buffer];
  assert.equal(answer.toString(), "echo");
  other.destroy();
});

test("a port that nobody listens on, and a controller that may not", async (t) => {
  const { agent, home } = await startProgramAgent(t);
  const { tether, port } = await forwarded(t, home, 1);
  connect(port, "127.0.0.1").on("error", () => undefined);
  await until(() => /nobody listens on port 1/.test(tether.stderr), "the reason");
  const operator = await agent.pair(agent.makeHome(), { role: "operator" });
  const refused = await forwarded(t, operator, 1);
  connect(refused.port, "127.0.0.1").on("error", () => undefined);
  await until(() => /role admin/.test(refused.tether.stderr), "the refusal");
  assert.equal((await agent.tether(["forward", "0"])).code, 2);
});
