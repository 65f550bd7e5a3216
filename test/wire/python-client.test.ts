import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { deflateSync } from "node:zlib";
import { startAgent } from "../agent-process.ts";
import { needs, PYTHON } from "../peers.ts";

const CLIENT = fileURLToPath(new URL("../../examples/python-client/tether_client.py", import.meta.url));

test("a client in Python, written after docs/protocol.md alone, calls the agent", async (t) => {
  if (!needs(t, "python3")) return;
  const agent = await startAgent(t);
  const home = await agent.pair();
  const run = async (fingerprint: string, ...args: readonly string[]) => {
    const where = ["127.0.0.1", String(agent.port)];
    const client = spawn(PYTHON, [CLIENT, join(home, "key.pem"), fingerprint, ...where, ...args]);
    const code = new Promise((resolve) => client.on("close", resolve));
    return { stdout: await text(client.stdout), stderr: await text(client.stderr), code: await code };
  };
  const { fingerprint } = agent;
  assert.deepEqual(await run(fingerprint, "math.multiply", "6", "7"), {
    stdout: "42\n",
    stderr: "",
    code: 0,
  });

  await t.test("with integers of any size", async () => {
    const product = (12345678901234567890123n ** 2n).toString();
    const { stdout } = await run(fingerprint, "math.multiply", ...Array(2).fill("12345678901234567890123"));
    assert.equal(stdout, `${product}\n`);
  });

  await t.test("with a request and an answer larger than a window", async () => {
    const summands = Array<string>(60_000).fill("100000001");
    const sum = await run(fingerprint, "math.sum", ...summands);
    assert.deepEqual(sum, { stdout: `${60_000 * 100_000_001}\n`, stderr: "", code: 0 });
    const zeros = deflateSync(Buffer.alloc(1 << 20)).toString("base64");
    const { stdout, stderr } = await run(fingerprint, "bytes.decompress", JSON.stringify(zeros));
    assert.equal(stderr, "");
    assert.equal(stdout, `"${Buffer.alloc(1 << 20).toString("base64")}"\n`);
  });

  await t.test("and is told what went wrong", async () => {
    const { stdout, code } = await run(fingerprint, "math.multiplied");
    assert.equal(code, 1);
    const { code: number, data } = JSON.parse(stdout) as {
      code: number;
      data: { code: string; hint: string };
    };
    assert.equal(number, -32601);
    assert.equal(data.code, "not-found");
    assert.match(data.hint, /math\.multiply/);
  });

  await t.test("but talks to no agent with another key", async () => {
    const other = `SHA256:${Buffer.alloc(32).toString("base64")}`;
    const { stderr, code } = await run(other, "math.multiply", "6", "7");
    assert.match(stderr, /another agent/);
    assert.equal(code, 1);
  });
  assert.ok(readFileSync(CLIENT, "utf8").split("\n").length <= 120);
});
