import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { openSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import { programArguments, startAgent } from "../agent-process.ts";
import { BENCH } from "../end-to-end/bench-device.ts";
import { errorIn } from "../end-to-end/owner-acts.ts";

const agent = await startAgent({ after }, { configuration: { devices: [BENCH] } });
const home = await agent.pair();
const call = (...args: string[]) => agent.tether(["call", ...args], { home });

suite("tether call", () => {
  test("prints the result as it is, or as JSON", async () => {
    const cases: readonly (readonly [readonly string[], string, string])[] = [
      [["math.multiply", "6", "7"], "42\n", "42\n"],
      [["math.add", "-1", "-0.5"], "-1.5\n", "-1.5\n"],
      [["math.sum"], "0\n", "0\n"],
      [["text.upper", "grün"], "GRÜN\n", '"GRÜN"\n'],
      [["text.echo", "two words"], "two words\n", '"two words"\n'],
      [["text.echo", "null"], "null\n", "null\n"],
      [["text.echo", '"null"'], "null\n", '"null"\n'],
      [["text.echo", '{"b":[1,{}]}'], '{"b":[1,{}]}\n', '{"b":[1,{}]}\n'],
      [["text.echo", "01"], "01\n", '"01"\n'],
      [["text.echo", "{"], "{\n", '"{"\n'],
      [["text.echo", "--", "--json"], "--json\n", '"--json"\n'],
      [["math.quadratic", "1", "0", "-4"], "[-2,2]\n", "[-2,2]\n"],
      [["devices.bench.led", "1"], "OK\n", '"OK"\n'],
    ];
    await Promise.all(
      cases.map(async ([args, plain, json]) => {
        const what = args.join(" ");
        assert.deepEqual(await call(...args), { code: 0, stdout: plain, stderr: "" }, what);
        assert.deepEqual(await call("--json", ...args), { code: 0, stdout: json, stderr: "" }, what);
      }),
    );
  });

  test("carries integers of 4,096 digits exactly, both ways, and refuses longer ones", async () => {
    const nines = "9".repeat(2_048);
    const product = (BigInt(nines) * -BigInt(nines)).toString();
    assert.equal(product.length, 4_097, "its sign and 4,096 digits");
    assert.equal((await call("math.multiply", nines, `-${nines}`)).stdout, `${product}\n`);
    const longest = "8".repeat(4_096);
    assert.equal((await call("text.echo", longest, "--json")).stdout, `${longest}\n`);
    const batch = await agent.tether(["call", "--batch", "-", "--json"], {
      home,
      input: `{"method":"text.echo","params":[${longest}]}\n`,
    });
    assert.equal(batch.stdout, `[{"result":${longest}}]\n`);
    const longer = await call("text.echo", `${longest}8`, "--json");
    assert.equal(longer.code, 1);
    assert.equal(errorIn(longer.stderr).code, "limit");
    const overflow = await call("math.multiply", longest, longest, "--json");
    assert.equal(overflow.code, 1);
    assert.equal(errorIn(overflow.stderr).code, "limit");
  });

  test("says what was wrong with an argument, which, and what is allowed", async () => {
    const cases: readonly (readonly [readonly string[], string, RegExp])[] = [
      [["nope"], "not-found", /nope/],
      [["math.multipy", "1", "2"], "not-found", /math\.multipy/],
      [["math.add", "1"], "invalid", /"b"/],
      [["math.add", "1", "2", "3"], "invalid", /math\.add/],
      [["math.add", "one", "2"], "invalid", /"a".*"one".*number/],
      [["devices.bench.led", "2"], "invalid", /"state".*2.*1/],
      [["devices.none.led", "1"], "not-found", /devices\.none\.led/],
    ];
    await Promise.all(
      cases.map(async ([args, code, message]) => {
        const ended = await call(...args, "--json");
        const what = args.join(" ");
        assert.equal(ended.code, 1, what);
        assert.equal(ended.stdout, "", what);
        const error = errorIn(ended.stderr);
        assert.equal(error.code, code, what);
        assert.match(`${error.message} ${error.hint ?? ""}`, message, what);
      }),
    );
    const near = await call("math.multipy", "1", "2");
    assert.match(near.stderr, /^tether: [^\n]*math\.multiply[^\n]*\n$/);
  });

  test("gives up when --timeout is over, with 3, and the agent is free of it", async () => {
    const before = performance.now();
    const ended = await call("devices.bench.silence", "--timeout", "300ms", "--json");
    assert.ok(performance.now() - before < 5_000);
    assert.equal(ended.code, 3);
    assert.equal(errorIn(ended.stderr).code, "timeout");
    const long = await call("math.add", "1", "2", "--timeout", "60d");
    assert.deepEqual(long, { code: 0, stdout: "3\n", stderr: "" }, "longer than a timer can wait");
  });

  test("runs a batch from a file or stdin, and says what became of each", async () => {
    const lines = [
      '{"method":"math.add","params":[1,2]}',
      "",
      '{"method":"math.add","params":{"b":1,"a":"x"}}',
      '{"method":"text.upper","params":{"text":"a"}}',
      '{"jsonrpc":"2.0","id":9,"method":"net.hostname"}',
      '{"method":"nope"}',
    ];
    const file = join(agent.folder, "batch");
    writeFileSync(file, lines.join("\n"));
    const fromFile = await call("--batch", file);
    assert.equal(fromFile.code, 1, "since some failed");
    assert.equal(fromFile.stderr, "");
    const outcomes = fromFile.stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    assert.deepEqual(
      outcomes.map((outcome) => ("result" in outcome ? typeof outcome.result : outcome.error.code)),
      ["number", "invalid", "string", "string", "not-found"],
    );
    assert.deepEqual(Object.keys(outcomes[0]), ["result"]);
    assert.deepEqual(Object.keys(outcomes[1]), ["error"]);
    const input = lines.slice(0, 2).join("\r\n");
    const fromStdin = await agent.tether(["call", "--json", "--batch", "-"], { home, input });
    assert.deepEqual(fromStdin, { code: 0, stdout: '[{"result":3}]\n', stderr: "" });
    const nothing = await agent.tether(["call", "--json", "--batch", "-"], { home, input: "\n\n" });
    assert.deepEqual(nothing, { code: 0, stdout: "[]\n", stderr: "" });
    // More than one request holds.
    const many = Array.from({ length: 2_500 }, (_, n) => `{"method":"math.add","params":[${n},1]}\n`);
    const result = await agent.tether(["call", "--json", "--batch", "-"], { home, input: many.join("") });
    assert.equal(result.code, 0, result.stderr);
    assert.deepEqual(
      JSON.parse(result.stdout).map((one: { result: number }) => one.result),
      many.map((_, n) => n + 1),
    );
  });

  test("refuses a batch that is none, by line, before it calls anything", async () => {
    const bad = [
      "{",
      "[]",
      "1",
      '{"params":[]}',
      '{"method":1}',
      '{"method":"a","params":1}',
      '{"method":"a","x":1}',
    ];
    await Promise.all(
      bad.map(async (line) => {
        const input = `{"method":"math.add","params":[1,2]}\n${line}\n`;
        const ended = await agent.tether(["call", "--batch", "-"], { home, input });
        assert.equal(ended.code, 2, line);
        assert.equal(ended.stdout, "", line);
        assert.match(ended.stderr, /^tether: -:2: [^\n]*allowed: \{"method"[^\n]*\n$/, line);
      }),
    );
    const missing = await call("--batch", join(agent.folder, "none"));
    assert.equal(missing.code, 1);
    assert.match(missing.stderr, /^tether: [^\n]+\n$/);
  });

  test("ends in silence when nobody reads on, and not with 0 when stdout is a full disk", async () => {
    const args = [...programArguments("tether"), "procedures", "--json"];
    const env = { ...process.env, TETHER_HOME: home };
    const reader = spawn(process.execPath, args, { env, stdio: ["ignore", "pipe", "pipe"] });
    reader.stdout.destroy();
    let complaint = "";
    reader.stderr.on("data", (text) => {
      complaint += text;
    });
    const code = await new Promise((resolve) => reader.once("close", resolve));
    assert.deepEqual([code, complaint], [0, ""]);

    const full = openSync("/dev/full", "w");
    const writer = spawn(process.execPath, args, { env, stdio: ["ignore", full, "pipe"] });
    let said = "";
    writer.stderr?.on("data", (text) => {
      said += text;
    });
    assert.equal(await new Promise((resolve) => writer.once("close", resolve)), 1);
    assert.equal(errorIn(said).code, "quota");
  });
});

suite("the other verbs", () => {
  const json = async (...args: string[]) => {
    const ended = await agent.tether([...args, "--json"], { home });
    assert.equal(ended.stderr, "", args.join(" "));
    assert.equal(ended.code, 0, args.join(" "));
    assert.equal(ended.stdout.split("\n").length, 2, "one document, on one line");
    return JSON.parse(ended.stdout);
  };

  test("info", async () => {
    const info = await json("info");
    assert.deepEqual(Object.keys(info), [
      "id",
      "name",
      "version",
      "model",
      "os",
      "kernel",
      "arch",
      "node",
      "uptimeSeconds",
      "workers",
      "load",
      "memory",
      "temperature",
      "disks",
      "addresses",
    ]);
    assert.equal(info.name, "test-agent");
    const plain = await agent.tether(["info"], { home });
    assert.match(plain.stdout, /^name +test-agent$/m);
  });

  test("ping", async () => {
    const ping = await json("ping", "-c", "3");
    assert.deepEqual(Object.keys(ping), ["count", "times", "min", "average", "max"]);
    assert.equal(ping.count, 3);
    assert.equal(ping.times.length, 3);
    assert.ok(ping.times.every((time: number) => time > 0 && time < 5_000));
    assert.ok(ping.min <= ping.average && ping.average <= ping.max);
    const plain = await agent.tether(["ping", "-c", "1"], { home });
    assert.match(plain.stdout, /^1: [\d.]+ ms\nleast [\d.]+ ms, average [\d.]+ ms, most [\d.]+ ms\n$/);
  });

  test("procedures", async () => {
    const list = await json("procedures");
    for (const procedure of list) {
      assert.deepEqual(Object.keys(procedure), ["name", "summary", "parameters", "result", "role"]);
      assert.equal(procedure.parameters.type, "object");
    }
    const names: string[] = list.map(({ name }: { name: string }) => name);
    assert.deepEqual(names, [...names].sort());
    const contract =
      "math.multiply math.add math.sum math.quadratic math.evaluate text.echo text.upper text.lower net.hostname " +
      "net.fqdn net.resolve net.reverse bytes.pack bytes.unpack bytes.compress bytes.decompress system.info " +
      "system.listMethods system.methodHelp system.methodSignature system.multicall rpc.discover devices.list " +
      "devices.bench.led devices.bench.temperature";
    for (const name of contract.split(" ")) assert.ok(names.includes(name), name);
    const [multiply] = await json("procedures", "math.multiply");
    assert.deepEqual(Object.keys(multiply.parameters.properties), ["a", "b"]);
    const [sum] = await json("procedures", "math.sum");
    assert.equal(Object.values<{ variadic: boolean }>(sum.parameters.properties).at(-1)?.variadic, true);
    assert.deepEqual(await json("procedures", "nope"), []);
    const plain = await agent.tether(["procedures", "math.m"], { home });
    assert.match(plain.stdout, /^PROCEDURE +ROLE +SUMMARY\nmath\.multiply A B +viewer +\S[^\n]*\n$/);
  });

  test("device list", async () => {
    assert.deepEqual(await json("device", "list"), [
      {
        name: "bench",
        driver: "line",
        state: "ready",
        path: "simulate:bench",
        commands: ["led", "temperature", "silence"],
        readings: [],
      },
    ]);
    const plain = await agent.tether(["device", "list"], { home });
    assert.match(plain.stdout, /^NAME +DRIVER +STATE[^\n]*\nbench +line +ready /);
  });
});
