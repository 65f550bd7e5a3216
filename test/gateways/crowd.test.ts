import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { test } from "node:test";
import { startAgent } from "../agent-process.ts";
import { freePorts } from "../free-port.ts";
import { RawClient } from "./raw-client.ts";

const IDLE = 10_000;
const BUSY = 500;
const REQUESTS = 40;

test("10,000 idle and 500 busy clients at once on one gateway", async (t) => {
  // Node raises its own limit as far as it may; both sides need a descriptor a connection.
  const most = Number(/Max open files\s+\d+\s+(\d+)/.exec(readFileSync("/proc/self/limits", "utf8"))?.[1]);
  if (!(most > IDLE + BUSY + 200)) {
    t.skip(`${most} descriptors are not enough (ulimit -Hn)`);
    return;
  }
  const [port = 0] = await freePorts(1);
  const agent = await startAgent(t, {
    configuration: { gateways: [{ kind: "tcp", port, limits: { connections: 20_000 } }] },
  });
  const rss = () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${agent.pid}/status`, "utf8"))?.[1]);
  const before = rss();
  const idle: Socket[] = [];
  t.after(() => {
    for (const socket of idle) socket.destroy();
  });
  for (let n = 0; n < IDLE; n += 500) {
    await Promise.all(
      Array.from({ length: 500 }, async () => {
        const socket = connect(port, "127.0.0.1");
        idle.push(socket);
        await new Promise((resolve, reject) => socket.once("connect", resolve).once("error", reject));
      }),
    );
  }
  const busy = await Promise.all(Array.from({ length: BUSY }, () => RawClient.open(t, port)));
  await Promise.all(
    busy.map(async (client, n) => {
      for (let k = 0; k < REQUESTS; k++) {
        client.send(`math.multiply ${n} ${k}\n`);
        assert.equal(await client.line(), String(n * k));
      }
    }),
  );
  assert.ok((rss() - before) / (IDLE + BUSY) < 20, `${(rss() - before) / (IDLE + BUSY)} KiB a client`);
  // The idle ones were there all the time, and are served when they speak.
  const alive = await Promise.all(
    idle.map(
      (socket) =>
        new Promise<string>((resolve) => {
          socket.once("data", (data) => resolve(String(data)));
          socket.once("close", () => resolve("closed"));
          socket.write("math.add 1 2\n");
        }),
    ),
  );
  assert.deepEqual(new Set(alive), new Set(["3\n"]));
});
