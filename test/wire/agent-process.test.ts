import assert from "node:assert/strict";
import { test } from "node:test";
import { startAgent } from "../agent-process.ts";

test("an agent starts, pairs, is called, ends on SIGTERM, and starts again on the same state", async (t) => {
  const agent = await startAgent(t);
  await agent.pair();
  const call = ["call", "math.multiply", "6", "7"];
  assert.deepEqual(await agent.tether(call), { code: 0, stdout: "42\n", stderr: "" });
  assert.equal(await agent.stop(), 0);
  assert.equal(agent.stderr, "");

  const again = await startAgent(t, { folder: agent.folder });
  assert.equal(again.fingerprint, agent.fingerprint);
  assert.equal(await again.stop("SIGKILL"), 137);
});
