import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { deflateSync } from "node:zlib";
import { startAgent } from "../agent-process.ts";
import { identityOf, RawController } from "./raw-controller.ts";
import { callText, END, jsonOf, KIND, rawOpen, TYPE } from "./raw-frames.ts";

/** MiB that the agent may take: the bound on answers, a few copies of one, and what it has idle. */
const MOST = 700;
const CALLS = 24;

test("small requests for large results, which nobody reads, cost the agent bounded memory", async (t) => {
  const agent = await startAgent(t);
  const identity = identityOf(await agent.pair(undefined, { role: "viewer" }));
  const controller = (await RawController.connect(agent.port, identity)).greet();
  t.after(() => controller.destroy());
  // 43 KiB stand for 43 MiB.
  const bomb = callText("bytes.decompress", [deflateSync(Buffer.alloc(32 << 20)).toString("base64")]);
  let most = 0;
  const watch = setInterval(() => {
    const [, kib] = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${agent.pid}/status`, "utf8")) ?? [];
    most = Math.max(most, Number(kib) / 1024);
    if (most > MOST) agent.signal("SIGKILL");
  }, 20);
  t.after(() => clearInterval(watch));
  for (let at = 0; at < CALLS; at++) controller.send(rawOpen(2 * at + 1, KIND.call, bomb, END));
  // Without credit an answer stops at its window; what is beyond the bound is refused.
  let refused = 0;
  for (let at = 0; at < CALLS; at++) {
    const stream = 2 * at + 1;
    const first = await controller.frame(
      (frame) => frame.stream === stream && (frame.type === TYPE.document || frame.type === TYPE.reset),
    );
    if (first === undefined) break;
    if (first.type !== TYPE.reset) continue;
    assert.equal(jsonOf(first).code, "limit");
    refused++;
  }
  t.diagnostic(`at most ${Math.round(most)} MiB, ${refused} of ${CALLS} answers refused`);
  assert.equal(controller.isClosed, false);
  assert.ok(refused >= CALLS - 5, `${refused} were refused`);
  assert.equal((await agent.tether(["call", "math.multiply", "6", "7"])).stdout, "42\n");
  clearInterval(watch);
  assert.equal(await agent.stop(), 0);
});
