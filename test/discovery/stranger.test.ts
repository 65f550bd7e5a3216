import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { promisify } from "node:util";
import { fingerprintOf } from "../../protocol/index.ts";
import { missing, PYTHON } from "../peers.ts";
import { newIdentity, testAgent } from "./test-agent.ts";

test("the program in docs/discovery.md finds an agent", { skip: missing("python3") }, async () => {
  const page = readFileSync(new URL("../../docs/discovery.md", import.meta.url), "utf8");
  const program = /```python\n(.*?)```/s.exec(page)?.[1];
  assert.ok(program);
  const identity = newIdentity();
  const agent = testAgent({ identity });
  await agent.start();
  try {
    const args = ["-c", program, `${agent.port}`, "127.255.255.255"];
    const { stdout } = await promisify(execFile)(PYTHON, args);
    assert.equal(stdout.trim(), `greenhouse 127.0.0.1 7415 ${fingerprintOf(identity.publicKey)}`);
  } finally {
    await agent.stop();
  }
});
