import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { type CallProgress, type JsonValue, parseJson, TetherError } from "../../protocol/index.ts";
import { programArguments } from "../agent-process.ts";
import { until } from "../firmware-bridge/until.ts";
import { findCommand } from "../peers.ts";
import { identityOf, RawController } from "../wire/raw-controller.ts";
import { callText, END, KIND, rawFrame, rawHello, rawOpen, TYPE, u32 } from "../wire/raw-frames.ts";
import { procedureFile, startComputing } from "./procedures-folder.ts";

const FILE = procedureFile(
  {
    "many.count": "function* ({ n }) { for (let i = 1; i <= n; i++) yield i; return 'not one of them'; }",
    "many.slow": "async function* ({ n }) { for (let i = 1; i <= n; i++) { yield i; await null; } }",
    "many.exact": "function* () { yield 10n ** 30n; yield 'text'; yield null; yield { a: [1] }; }",
    "many.breaks": "function* ({ n }) { yield 1; throw new Error('after the first'); }",
    "many.endless": `async function* (_, { log }) {
      let given = 0;
      try { for (;;) { yield "x".repeat(1000); given++; } }
      finally { log("gave " + given); }
    }`,
    "many.progress": `async ({ n }, { progress }) => {
      for (let done = 0; done <= n; done++) {
        progress({ done, total: n, note: "step " + done });
        await new Promise((resolve) => setTimeout(resolve, 60));
      }
      return "done";
    }`,
    "many.flood":
      "({ n }, { progress }) => { for (let done = 0; done < n; done++) progress({ done }); return n; }",
  },
  '{ n: { type: "integer", default: 3 } }',
);

const computing = await startComputing({ after }, { "many.mjs": FILE });
const { agent } = computing;
const client = await computing.connect();

test("tether call prints what is yielded as it comes, a JSON document a line", async () => {
  const lines = async (...words: string[]) => {
    const { code, stdout, stderr } = await agent.tether(["call", ...words]);
    assert.deepEqual([code, stderr], [0, ""], words.join(" "));
    return stdout;
  };
  assert.equal(await lines("many.count", "3"), "1\n2\n3\n");
  assert.equal(await lines("many.count", "0"), "", "no result is no line");
  assert.equal(await lines("many.slow", "2", "--json"), "1\n2\n");
  const exact = `${10n ** 30n}\n"text"\nnull\n{"a":[1]}\n`;
  assert.equal(await lines("many.exact"), exact);
  assert.equal(await lines("many.exact", "--json"), exact);
  assert.equal((await lines("many.count", "20000")).split("\n").length, 20_001);
  const broken = await agent.tether(["call", "many.breaks"]);
  assert.deepEqual([broken.code, broken.stdout], [1, "1\n"]);
  assert.match(broken.stderr, /many\.breaks failed: Error: after the first/);
});

test("what only gets one answer gets them all in an array", async () => {
  assert.deepEqual(await client.call("many.count", [3]), [1, 2, 3]);
  assert.deepEqual(await client.call("many.count", [0]), []);
  const batch = await client.batch([{ method: "many.exact" }, { method: "many.count", params: [1] }]);
  assert.deepEqual(batch, [{ result: [10n ** 30n, "text", null, { a: [1] }] }, { result: [1] }]);
  const calls = [{ methodName: "many.count", params: [2] }];
  assert.deepEqual(await client.call("system.multicall", [calls]), [[[1, 2]]]);
  const batched = await client.batch([{ method: "many.endless" }], { timeout: 20_000 });
  const [endless] = batched;
  assert.ok(endless !== undefined && "error" in endless);
  assert.equal(endless.error.code, "limit");
});

test("on the wire they are notifications before the answer, for a controller that names them", async (t) => {
  const identity = identityOf(await agent.pair());
  const documents = async (features: string[], method: string, params: JsonValue[]) => {
    const controller = await RawController.connect(agent.port, identity);
    t.after(() => controller.socket.destroy());
    controller.send(rawHello({ features }), rawOpen(1, KIND.call, callText(method, params), END));
    const found: JsonValue[] = [];
    for (;;) {
      const frame = await controller.frame(({ type }) => type === TYPE.document);
      assert.ok(frame);
      found.push(parseJson(frame.payload.toString()));
      if (frame.flags & END) return found;
    }
  };
  const answer = (result: JsonValue) => ({ jsonrpc: "2.0", id: 1, result });
  const yielded = (value: JsonValue) => ({ jsonrpc: "2.0", method: "yield", params: { value } });
  assert.deepEqual(await documents([], "many.count", [2]), [answer([1, 2])]);
  assert.deepEqual(await documents(["progress"], "many.count", [2]), [answer([1, 2])]);
  assert.deepEqual(await documents(["yields"], "many.count", [2]), [
    yielded(1),
    yielded(2),
    { ...answer(null), yields: 2 },
  ]);
  assert.deepEqual(await documents(["yields"], "many.count", [0]), [{ ...answer(null), yields: 0 }]);
  assert.deepEqual(await documents(["yields", "progress"], "math.multiply", [6, 7]), [answer(42)]);
  assert.deepEqual(await documents([], "many.progress", [1]), [answer("done")]);
  const progress = (done: number) => ({
    jsonrpc: "2.0",
    method: "progress",
    params: { done, total: 1, note: `step ${done}` },
  });
  assert.deepEqual(await documents(["progress"], "many.progress", [1]), [
    progress(0),
    progress(1),
    answer("done"),
  ]);
});

test("who does not read holds up the generator, and nobody keeps what he does not take", async (t) => {
  const controller = await RawController.connect(agent.port, identityOf(await agent.pair()));
  t.after(() => controller.socket.destroy());
  const from = agent.log.length;
  controller.send(
    rawHello({ features: ["yields"] }),
    rawOpen(1, KIND.call, callText("many.endless", []), END),
  );
  // As many frames as the window of 262,144 bytes allows, and no credit for more.
  let bytes = 0;
  while (bytes < 262_144) {
    const frame = await controller.frame(({ type }) => type === TYPE.document);
    bytes += frame?.payload.length ?? 0;
  }
  assert.equal(await client.call("math.multiply", [6, 7]), 42);
  controller.send(rawFrame(TYPE.credit, 1, u32(100_000)));
  for (let more = 0; more < 90_000; ) {
    const frame = await controller.frame(({ type }) => type === TYPE.document);
    more += frame?.payload.length ?? 0;
  }
  controller.send(rawFrame(TYPE.reset, 1, JSON.stringify({ code: "cancelled", message: "enough" })));
  const { message } = await agent.line("procedure-log", (line) => line.message.includes("gave"), from);
  const given = Number(/gave (\d+)/.exec(message)?.[1]);
  // What went over the wire, one window between the processes, and the one that waits for its turn.
  assert.ok(given > 330 && given < 1_000, message);
});

test("the library takes progress and results one by one, and stops the stream by an error", async () => {
  const progress: CallProgress[] = [];
  const result = await client.callStreaming("many.progress", [2], {
    onProgress: (one) => progress.push(one),
  });
  assert.equal(result, "done");
  assert.deepEqual(
    progress.map(({ done, total }) => [done, total]),
    [
      [0, 2],
      [1, 2],
      [2, 2],
    ],
  );
  const values: JsonValue[] = [];
  let busy = 0;
  const streamed = await client.callStreaming("many.slow", [50], {
    async onYield(value) {
      assert.equal(++busy, 1, "one after the other");
      await Promise.resolve();
      busy--;
      values.push(value);
    },
  });
  assert.equal(streamed, undefined);
  assert.deepEqual(
    values,
    Array.from({ length: 50 }, (_, index) => index + 1),
  );
  const enough = new TetherError("limit", "enough");
  const onYield = () => {
    throw enough;
  };
  await assert.rejects(client.callStreaming("many.endless", [], { onYield }), enough);
});

test("progress that comes too fast is thinned out", async () => {
  let reports = 0;
  assert.equal(await client.callStreaming("many.flood", [100_000], { onProgress: () => reports++ }), 100_000);
  assert.ok(reports >= 1 && reports < 100, String(reports));
});

test("progress is a bar on a terminal, and nothing elsewhere", async (t) => {
  const piped = await agent.tether(["call", "many.progress", "2"]);
  assert.deepEqual([piped.stdout, piped.stderr], ["done\n", ""]);
  if (findCommand("script") === undefined) return t.skip("needs script");
  const record = join(agent.folder, "terminal");
  const words = [process.execPath, ...programArguments("tether"), "call", "many.progress", "2"];
  const command = words.map((word) => `'${word}'`).join(" ");
  const { spawn } = await import("node:child_process");
  const home = join(agent.folder, "home-1");
  const child = spawn("script", ["-qec", command, record], {
    env: { ...process.env, TETHER_HOME: home, NODE_TEST_CONTEXT: "" },
    stdio: "ignore",
  });
  await until(() => child.exitCode !== null && existsSync(record), "the end of the call", 20_000);
  const shown = readFileSync(record, "utf8");
  assert.match(shown, /\r\[\.{24}\] 0 % {2}step 0\x1b\[K/);
  assert.match(shown, /\r\[#{12}\.{12}\] 50 % {2}step 1\x1b\[K/);
  assert.match(shown, /\r\x1b\[Kdone\r?\n/, "the bar makes room for the result");
});
