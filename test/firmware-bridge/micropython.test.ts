import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type { CommandSurroundings, Device, DeviceProfile } from "../../firmware-bridge/index.ts";
import { TetherError } from "../../protocol/index.ts";
import { missing } from "../peers.ts";
import { call, createDevice } from "./open-device.ts";
import { PseudoTerminal } from "./pseudo-terminal.ts";
import { until } from "./until.ts";

/** The real MicroPython behind a pseudo-terminal. */
const BOARD = join(import.meta.dirname, "micropython-board.mjs");
const SOCAT = { skip: missing("socat") };

async function plugBoard(t: TestContext, style: "paste" | "refuse" | "old" = "paste"): Promise<Device> {
  const terminal = await PseudoTerminal.create();
  t.after(() => terminal.remove());
  const ready = `${terminal.path}-ready`;
  await terminal.plugProgram(process.execPath, BOARD, style, ready);
  await until(() => existsSync(ready), "the board's start", 30_000);
  const profile: DeviceProfile = {
    name: "pico",
    port: { kind: "path", path: terminal.path, baudRate: 115_200 },
    driver: "micropython",
    line: { terminator: "\n", timeout: 2_000, separators: "" },
    commands: {},
    readings: {
      temperature: {
        source: { kind: "match", match: "^TEMP (?<celsius>.*)$", result: "celsius" },
        type: "number",
      },
    },
    micropython: { timeout: 5_000 },
  };
  const device = createDevice(t, profile);
  await device.start();
  return device;
}

/** Files as the agent has them, in memory; `progress` is kept. */
function surroundings(files: Map<string, Buffer>) {
  const notes: { done: number; total?: number; note?: string }[] = [];
  const around: CommandSurroundings = {
    caller: "test",
    progress: (progress) => notes.push(progress),
    files: {
      async open(path) {
        const bytes = files.get(path);
        if (!bytes) throw new TetherError("not-found", `there is no ${path}`);
        return {
          size: bytes.length,
          async *pieces() {
            for (let at = 0; at < bytes.length; at += 1_000) yield bytes.subarray(at, at + 1_000);
          },
          async close() {},
        };
      },
      async save(path, bytes) {
        files.set(path, Buffer.from(bytes));
      },
    },
  };
  return { around, notes };
}

async function callWith(
  device: Device,
  name: string,
  args: object,
  around: CommandSurroundings,
  signal = new AbortController().signal,
) {
  const command = device.commands.find((candidate) => candidate.name === name);
  return await command?.run(args as { [name: string]: unknown }, signal, around);
}

for (const style of ["paste", "refuse", "old"] as const) {
  test(
    `micropython: code, values and exceptions of a board whose raw-paste mode is ${style}`,
    SOCAT,
    async (t) => {
      const device = await plugBoard(t, style);
      assert.equal(
        await call(device, "exec", { code: "for i in range(3):\n print(i, 'é')" }),
        "0 é\n1 é\n2 é\n",
      );
      // Longer than many windows of the flow control.
      const long = Array.from({ length: 300 }, (_, index) => `x${index} = ${index}`).join("\n");
      assert.equal(await call(device, "exec", { code: `${long}\nprint(x299)` }), "299\n");
      assert.deepEqual(await call(device, "eval", { expression: "{'a': [1, None, 'x\\x1e']}" }), {
        a: [1, null, "x\u001e"],
      });
      assert.equal(await call(device, "eval", { expression: "2**70" }), 2n ** 70n);
      assert.equal(await call(device, "eval", { expression: "b'\\xff'" }), "b'\\xff'");
      await assert.rejects(call(device, "eval", { expression: "1/0" }), (error: TetherError) => {
        assert.equal(error.code, "device-failed");
        assert.match(error.message, /ZeroDivisionError: divide by zero/);
        assert.match(error.hint ?? "", /Traceback/);
        return true;
      });
      await assert.rejects(call(device, "exec", { code: "if" }), /SyntaxError/);
      assert.equal(await call(device, "eval", { expression: "x299" }), 299, "what was defined stays");
    },
  );
}

test("micropython: a board that has seen enough of the code is not sent the rest", SOCAT, async (t) => {
  const device = await plugBoard(t);
  const code = `print('first')\n# enough\n${"# more\n".repeat(500)}print('never')`;
  assert.equal(await call(device, "exec", { code }), "first\n");
  assert.equal(await call(device, "eval", { expression: "1" }), 1);
});

test("micropython: a value cannot become code", SOCAT, async (t) => {
  const device = await plugBoard(t);
  const path = `/x'"\\\n\u2028é'); open('/hacked','w')#`;
  await assert.rejects(call(device, "ls", { path }), { code: "not-found" });
  await call(device, "mkdir", { path: "/é 'q\"" });
  const names = (await call(device, "ls", { path: "/" })) as { name: string; type: string }[];
  assert.deepEqual(
    names.filter(({ name }) => name === "é 'q\"" || name === "hacked").map(({ name, type }) => [name, type]),
    [["é 'q\"", "directory"]],
  );
  await call(device, "rm", { path: "/é 'q\"" });
});

test("micropython: files go both ways byte for byte, and whole or not at all", SOCAT, async (t) => {
  const device = await plugBoard(t);
  const content = randomBytes(40_000);
  const files = new Map([
    ["in.bin", content],
    ["empty", Buffer.alloc(0)],
  ]);
  const { around, notes } = surroundings(files);
  assert.deepEqual(await callWith(device, "put", { file: "in.bin", path: "/data.bin" }, around), {
    bytes: 40_000,
  });
  assert.deepEqual(notes.at(-1), { done: 40_000, total: 40_000 });
  assert.deepEqual(await callWith(device, "get", { path: "/data.bin", file: "out.bin" }, around), {
    bytes: 40_000,
  });
  assert.ok(files.get("out.bin")?.equals(content));
  await callWith(device, "put", { file: "empty", path: "/data.bin" }, around);
  await callWith(device, "get", { path: "/data.bin", file: "empty.out" }, around);
  assert.equal(files.get("empty.out")?.length, 0, "an older file is replaced");
  await assert.rejects(callWith(device, "get", { path: "/none", file: "x" }, around), { code: "not-found" });
  assert.ok(!files.has("x"));
  await assert.rejects(callWith(device, "put", { file: "in.bin", path: "/none/x" }, around), {
    code: "not-found",
  });

  const broken = new AbortController();
  const cut = surroundings(files).around;
  const progress: CommandSurroundings["progress"] = ({ done }) => {
    if (done > 5_000) broken.abort(new TetherError("cancelled", "enough"));
  };
  const put = callWith(
    device,
    "put",
    { file: "in.bin", path: "/data.bin" },
    { ...cut, progress },
    broken.signal,
  );
  await assert.rejects(put, { code: "cancelled" });
  const left = (await call(device, "ls", { path: "/" })) as { name: string; size: number }[];
  assert.deepEqual(
    left.filter(({ name }) => name.startsWith("data")).map(({ name, size }) => [name, size]),
    [["data.bin", 0]],
    "the old file is as it was, and nothing else is left",
  );
});

test(
  "micropython: a script of the agent's files tells what it prints, and cancelling interrupts it",
  SOCAT,
  async (t) => {
    const device = await plugBoard(t);
    const files = new Map([
      ["hello.py", Buffer.from("print('hello')\n")],
      ["loop.py", Buffer.from("n = 0\nprint('begun')\nwhile True:\n n += 1\n print('.', end='')\n")],
    ]);
    const { around, notes } = surroundings(files);
    assert.equal(await callWith(device, "run", { file: "hello.py" }, around), "hello\n");
    const stop = new AbortController();
    const running = callWith(device, "run", { file: "loop.py" }, around, stop.signal);
    await until(() => notes.some(({ note }) => note?.includes(".")), "the loop");
    const next = call(device, "eval", { expression: "n > 0" });
    stop.abort(new TetherError("cancelled", "enough"));
    await assert.rejects(running, { code: "cancelled" });
    assert.equal(await next, true, "who waited has his turn, on the same interpreter");
  },
);

test("micropython: who cancels while code is pasted leaves a board that listens", SOCAT, async (t) => {
  const device = await plugBoard(t);
  const code = `${"x = 1\n".repeat(5_000)}print('done')`;
  const stop = new AbortController();
  const pasting = call(device, "exec", { code }, stop.signal);
  setTimeout(() => stop.abort(new TetherError("cancelled", "enough")), 5);
  await assert.rejects(pasting, { code: "cancelled" });
  assert.equal(await call(device, "eval", { expression: "6 * 7" }), 42);
});

test(
  "micropython: a soft reset starts the board's own program, whose lines are readings",
  SOCAT,
  async (t) => {
    const device = await plugBoard(t);
    const program = "n = 1\nprint('TEMP', 21.5)\n";
    await callWith(
      device,
      "put",
      { file: "main.py", path: "/main.py" },
      surroundings(new Map([["main.py", Buffer.from(program)]])).around,
    );
    await call(device, "exec", { code: "kept = 1" });
    await call(device, "reset");
    await until(() => device.readings[0]?.value === 21.5, "the reading");
    await call(device, "exec", { code: "print('TEMP 99')" });
    assert.equal(device.readings[0]?.value, 21.5, "what a command prints is its result, no reading");
    assert.equal(await device.say("1 + 1", new AbortController().signal), "2");
    assert.equal(await device.say("import sys", new AbortController().signal), "");
  },
);

test(
  "micropython: what is no MicroPython is told so, and a board that goes ends the call",
  SOCAT,
  async (t) => {
    const terminal = await PseudoTerminal.create();
    t.after(() => terminal.remove());
    await terminal.plugBench();
    const device = createDevice(t, {
      name: "pico",
      port: { kind: "path", path: terminal.path, baudRate: 115_200 },
      driver: "micropython",
      line: { terminator: "\n", timeout: 2_000, separators: "" },
      commands: {},
      readings: {},
    });
    await device.start();
    await assert.rejects(call(device, "eval", { expression: "1" }), {
      code: "timeout",
      message: /no MicroPython/,
    });
    const waiting = assert.rejects(call(device, "eval", { expression: "1" }), { code: "device-missing" });
    await terminal.pull();
    await waiting;
  },
);
