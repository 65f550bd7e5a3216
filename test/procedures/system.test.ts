import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { builtinProcedures, type Caller, Registry } from "../../agent/procedures/index.ts";
import { CALLS, type JsonObject, type JsonValue, type TetherError, writeJson } from "../../protocol/index.ts";
import { builtinRegistry, contextOf, failure } from "./calling.ts";

const registry = builtinRegistry();
const narrow = contextOf({ allows: (name) => name.startsWith("text.") });
const call = (name: string, params: JsonValue[] = [], context = contextOf()) =>
  registry.call(`system.${name}`, params, context);

test("the agent and its machine", async () => {
  const info = (await call("info")) as JsonObject;
  assert.equal(info.name, "greenhouse");
  assert.equal(info.id, "a2");
  assert.equal(info.node, process.version);
  assert.equal(info.kernel, spawnSync("uname", ["-r"], { encoding: "utf8" }).stdout.trim());
  assert.equal(info.os, /^PRETTY_NAME="(.*)"$/m.exec(readFileSync("/etc/os-release", "utf8"))?.[1]);
  assert.equal((info.load as number[]).length, 3);
  const memory = info.memory as { total: number; available: number; used: number };
  assert.equal(memory.available + memory.used, memory.total);
  assert.ok(memory.available > 0 && memory.used > 0);
  const [root] = (info.disks as JsonObject[]).filter(({ mount }) => mount === "/");
  const blocks = spawnSync("stat", ["-f", "-c", "%b %S", "/"], { encoding: "utf8" }).stdout.trim().split(" ");
  assert.equal(root?.total, Number(blocks[0]) * Number(blocks[1]));
  for (const { address, family } of info.addresses as JsonObject[]) {
    assert.notEqual(address, "127.0.0.1");
    assert.ok(family === "IPv4" || family === "IPv6");
  }
  assert.equal(writeJson(info).includes("undefined"), false);
});

test("what there is, and how it is called", async () => {
  const names = call("listMethods") as string[];
  assert.ok(names.includes("math.multiply") && names.includes("rpc.discover"));
  assert.equal(
    call("methodHelp", ["bytes.compress"]),
    "Bytes compressed with zlib. Usage: bytes.compress data [level]",
  );
  assert.match(call("methodHelp", ["math.sum"]) as string, / Usage: math.sum \[values…\]$/);
  assert.deepEqual(call("methodSignature", ["bytes.compress"]), [["string", "string", "int"]]);
  assert.deepEqual(call("methodSignature", ["text.echo"]), [["undef", "undef"]]);
  await failure(() => call("methodHelp", ["no.such"]), "not-found");
});

test("a gateway shows and calls what it allows and nothing else", async () => {
  assert.deepEqual(call("listMethods", [], narrow), [
    "rpc.discover",
    "system.listMethods",
    "system.methodHelp",
    "system.methodSignature",
    "system.multicall",
    "text.echo",
    "text.lower",
    "text.upper",
  ]);
  await failure(() => call("methodHelp", ["math.add"], narrow), "forbidden");
  await failure(() => call("methodSignature", ["math.add"], narrow), "forbidden");
  await failure(() => call("info", [], narrow), "forbidden");
  const document = registry.call("rpc.discover", [], narrow) as { methods: { name: string }[] };
  assert.equal(
    document.methods.some(({ name }) => name === "math.add"),
    false,
  );
  const members = [
    { methodName: "text.upper", params: ["a"] },
    { methodName: "math.add", params: [1, 2] },
  ];
  assert.deepEqual(await call("multicall", [members], narrow), [
    ["A"],
    { faultCode: -32004, faultString: "math.add is not allowed here" },
  ]);
});

test("a member that is refused is told of, for the log", async () => {
  const refused: unknown[] = [];
  const own = new Registry();
  const facts = { id: "a2", name: "greenhouse", version: "9.9.9", workers: 2 };
  const tell = (error: TetherError, procedure: string, caller: Caller) =>
    refused.push([error.code, procedure, caller.label]);
  for (const procedure of builtinProcedures(facts, own, tell)) own.add(procedure);
  const members = ["text.upper", "math.add", "system.multicall", "no.such"].map((methodName) => ({
    methodName,
    params: ["a"],
  }));
  await own.call("system.multicall", [members], narrow);
  assert.deepEqual(refused, [
    ["forbidden", "math.add", "test"],
    ["forbidden", "system.multicall", "test"],
  ]);
});

test("multicall answers each member in its place", async () => {
  const own = builtinRegistry();
  const order: number[] = [];
  own.add({
    name: "test.slow",
    summary: "Waits.",
    parameters: { n: { type: "integer" } },
    result: {},
    role: "viewer",
    retryable: true,
    run: async ({ n }) => {
      await new Promise(setImmediate);
      order.push(n as number);
      return n as number;
    },
  });
  own.add({
    name: "test.operate",
    summary: "",
    parameters: {},
    result: {},
    role: "operator",
    retryable: true,
    run: () => 1,
  });
  const members = [
    { methodName: "test.slow", params: [1] },
    { methodName: "math.add", params: { a: 1, b: 2 } },
    { methodName: "test.slow", params: [2] },
    { methodName: "no.such" },
    { methodName: "test.operate", params: [] },
    { methodName: "system.multicall", params: [[]] },
    { method: "math.add" },
    { methodName: "math.add", params: 5 },
    { methodName: "math.add", params: ["x", 1] },
  ];
  const answers = (await own.call("system.multicall", [members], contextOf())) as JsonValue[];
  assert.deepEqual(answers.slice(0, 3), [[1], [3], [2]]);
  assert.deepEqual(order, [1, 2]);
  assert.deepEqual(
    answers.slice(3).map((answer) => (answer as JsonObject).faultCode),
    [-32601, -32004, -32004, -32602, -32602, -32602],
  );
  const [unknown] = answers.slice(3) as JsonObject[];
  assert.equal(unknown?.faultString, 'no procedure "no.such"');
});

test("multicall is bounded in members and in what they answer, and ends with its caller", async () => {
  const member = { methodName: "text.echo", params: ["a"] };
  assert.equal(
    ((await call("multicall", [Array(CALLS.batch).fill(member)])) as JsonValue[]).length,
    CALLS.batch,
  );
  await failure(() => call("multicall", [Array(CALLS.batch + 1).fill(member)]), "invalid");
  const large = { methodName: "text.echo", params: ["a".repeat(1 << 20)] };
  await failure(() => call("multicall", [Array(70).fill(large)]), "limit");
  const gone = new Error("gone");
  await assert.rejects(
    async () => call("multicall", [[member]], contextOf({}, AbortSignal.abort(gone))),
    (error) => error === gone,
  );
});

test("rpc.discover is an OpenRPC document that carries all that a list shows", () => {
  const document = registry.call("rpc.discover", undefined, contextOf()) as {
    openrpc: string;
    info: JsonObject;
    methods: JsonObject[];
  };
  assert.equal(document.openrpc, "1.3.2");
  assert.deepEqual(document.info, { title: "Tether agent greenhouse", version: "9.9.9" });
  assert.equal(document.methods.length, registry.list().length);
  assert.deepEqual(
    document.methods.find(({ name }) => name === "bytes.compress"),
    {
      name: "bytes.compress",
      summary: "Bytes compressed with zlib.",
      paramStructure: "either",
      params: [
        {
          name: "data",
          required: true,
          schema: { type: "string", contentEncoding: "base64", description: "bytes in base64" },
        },
        { name: "level", required: false, schema: { type: "integer", minimum: 0, maximum: 9, default: 6 } },
      ],
      result: {
        name: "result",
        schema: { type: "string", contentEncoding: "base64", description: "bytes in base64" },
      },
      "x-role": "viewer",
      "x-retryable": true,
    },
  );
  const sum = document.methods.find(({ name }) => name === "math.sum")?.params as JsonObject[];
  assert.equal(sum[0]?.["x-variadic"], true);
  assert.equal(writeJson(document as unknown as JsonValue).includes("undefined"), false);
});

test("text comes back as it came, or in other letters", () => {
  const text = (name: string, value: JsonValue) => registry.call(`text.${name}`, [value], contextOf());
  assert.deepEqual(text("echo", { a: [1n << 70n, null] }), { a: [1n << 70n, null] });
  assert.equal(text("upper", "straße ñ"), "STRASSE Ñ");
  assert.equal(text("lower", "ÀÉ"), "àé");
});
